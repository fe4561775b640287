//go:build !linux

package transittest

import "syscall"

// dieWithUs can do nothing here: the end of its standard input ends the child,
// unless it is stopped.
func dieWithUs() *syscall.SysProcAttr { return nil }
