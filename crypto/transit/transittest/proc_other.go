//go:build !linux

package transittest

import (
	"syscall"
	"time"
)

// dieWithUs can do nothing here: the end of its standard input ends the child,
// unless it is stopped.
func dieWithUs() *syscall.SysProcAttr { return nil }

// awaitStop gives a child that was sent SIGSTOP time to stand.
func awaitStop(int) error {
	time.Sleep(200 * time.Millisecond)
	return nil
}
