# shellcheck shell=sh
# Sourced by every script here: makes Go work in a bare environment, where HOME is
# unset, empty or not writable, and /usr/local/go is not in PATH.

if ! command -v go >/dev/null && [ -x /usr/local/go/bin/go ]; then
	PATH=$PATH:/usr/local/go/bin
fi
if ! command -v go >/dev/null; then
	echo "Go is not installed, or not in PATH: see https://go.dev/dl/" >&2
	exit 1
fi
if [ -z "${HOME:-}" ]; then
	HOME=$(getent passwd "$(id -u)" | cut -d: -f6) || HOME=
fi
if [ -z "$HOME" ] || ! mkdir -p "$HOME" 2>/dev/null || [ ! -w "$HOME" ]; then
	HOME=${TMPDIR:-/tmp}/fieldvault-home-$(id -u)
	mkdir -m 700 "$HOME" 2>/dev/null || true # which is there from the last time
	if [ ! -O "$HOME" ]; then
		echo "$HOME belongs to somebody else: set HOME to a directory of your own" >&2
		exit 1
	fi
fi
export HOME PATH
# A checkout that belongs to another user, as in a container, has no version to stamp.
GOFLAGS="$(go env GOFLAGS) -buildvcs=false"
export GOFLAGS
tool() { # runs a program of deploy/tools, built once and kept in Go's build cache
	go tool -modfile=deploy/tools/go.mod "$@"
}
