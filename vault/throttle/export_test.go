package throttle

// Len is how many keys are metered.
func (l *Meter) Len() int { return len(l.by) }
