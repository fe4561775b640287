package fpe

// Wide makes the cipher use math/big even where 64 bits are enough.
func (c *Cipher) Wide() *Cipher {
	c.wide = true
	return c
}
