//go:build !linux

package processtest

import "syscall"

func dieWithUs() *syscall.SysProcAttr { return nil }
