package freetext

// Steps is how many characters, groups and words the rules look at in text.
func (d *Detector) Steps(text string) int { return d.scan(text).steps }
