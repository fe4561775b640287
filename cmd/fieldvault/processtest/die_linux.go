package processtest

import "syscall"

// dieWithUs ends a process when the thread that started it ends.
func dieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
