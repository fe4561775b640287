//go:build !linux

package e2e_test

import "syscall"

func dieWithUs() *syscall.SysProcAttr { return nil }
