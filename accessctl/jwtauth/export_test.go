package jwtauth

// Cached is how many verified tokens are remembered.
func (v *Verifier) Cached() int {
	v.cache.mu.RLock()
	defer v.cache.mu.RUnlock()
	return len(v.cache.m)
}
