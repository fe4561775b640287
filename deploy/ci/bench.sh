#!/usr/bin/env bash
# Runs the micro-benchmarks BENCHCOUNT times (default 6) into bench.txt, and shows
# their medians, beside those of the file BASE if one is given.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/ci/env.sh

# shellcheck disable=SC2086 # PKG is a list
go test -run='^$' -bench=. -benchmem -count="${BENCHCOUNT:-6}" ${PKG:-./...} | tee bench.txt
tool benchstat ${BASE:+"$BASE"} bench.txt
