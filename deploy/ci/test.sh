#!/usr/bin/env bash
# Runs the tests, after installing what they need. From the environment:
#
#   PKG         which packages; default ./...
#   RACE        not empty: with the race detector
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
# shellcheck disable=SC2086 # both are lists
tool gotestsum --format standard-quiet --jsonfile "$events" -- \
	-timeout 60m ${RACE:+-race} ${TESTFLAGS:-} ${PKG:-./...} || status=$?
if [ -n "${CI:-}" ] && grep '"Action":"skip"' "$events" | grep '"Test":' >&2; then
	echo "test: these were skipped; in CI everything runs" >&2
	status=1
fi
exit "$status"
