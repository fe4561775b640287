package main

import "golang.org/x/sys/unix"

// harden keeps what the process has in memory, keys among it, out of core dumps,
// also of those that the kernel pipes to a program, and from other processes of
// the same user; and what it writes from other users. It is done as far as the
// system lets it: each is a second line of defence.
func harden() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	unix.Umask(0o077)
}
