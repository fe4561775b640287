//go:build !failpoints

package failpoint

// Hit is the place of that name. Here it does nothing, and the compiler leaves
// nothing of it, not even the name.
func Hit(string) {}
