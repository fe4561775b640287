#!/usr/bin/env bash
# Runs the tests, after installing what they need. From the environment:
#
#   PKG         which packages; default ./...
#   RACE        not empty: with the race detector, but for the heaviest suites
#   TESTFLAGS   further flags of go test
#   CI          not empty: a test that skips is a failure
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/ci/env.sh
export FIELDVAULT_E2E=1 # the end-to-end cases on PostgreSQL and Vault too

bash deploy/ci/setup.sh postgres vault s3 browser ${RACE:+race}
events=$(mktemp)
trap 'rm -f "$events"' EXIT
status=0
run() { # a name, flags and packages
	# shellcheck disable=SC2086 # TESTFLAGS is a list
	tool gotestsum --format standard-quiet --jsonfile "$events.$1" -- -tags e2e -timeout 60m ${TESTFLAGS:-} "${@:2}" || status=$?
	cat "$events.$1" >>"$events"
	rm -f "$events.$1"
}

# Suites that run the built program, or a browser, for minutes. With the race detector
# they take three times as long and find little that the others, and the load of
# cmd/fieldvault/linear on such a program, do not find. The statistics of vault/aggregate
# and vault/release draw and count for minutes in one goroutine.
heavy='/cmd/fieldvault/(bench|browser|census|e2e|killpoints|logscale)$|/vault/portal/page$|/vault/(aggregate|release)(/|$)'

# SQLite is C turned into Go. What it keeps is, but for a few globals, outside the memory of
# Go, where the detector sees nothing; to look there takes three quarters of the time of a
# test. Its driver and all that calls it are looked at.
race=(-race -gcflags=modernc.org/sqlite/lib=-race=false)

# shellcheck disable=SC2086,SC2046 # these are lists
if [ -n "${RACE:-}" ] && [ -z "${PKG:-}" ]; then
	run race "${race[@]}" $(go list ./... | grep -Ev "$heavy")
	run heavy $(go list ./... | grep -E "$heavy")
	run allocs -run Alloc $(find . -name allocs_test.go -printf '%h\n') # which the race detector leaves out
else
	[ -n "${RACE:-}" ] || race=()
	run all "${race[@]}" ${PKG:-./...}
fi
if [ -n "${CI:-}" ] && grep '"Action":"skip"' "$events" | grep '"Test":' >&2; then
	echo "test: these were skipped; in CI everything runs" >&2
	status=1
fi
exit "$status"
