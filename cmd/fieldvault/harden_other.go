//go:build !linux

package main

// harden does nothing where the system is not Linux: disable core dumps there.
func harden() {}
