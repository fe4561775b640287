#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME (default 10s), one after the other. A failing
# input is left in the package's testdata/fuzz, to be committed with its repair.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/ci/env.sh

status=0
# shellcheck disable=SC2086 # PKG is a list
while IFS=: read -r file func; do
	dir=./$(dirname "${file#./}")
	name=${func#func }
	name=${name%%(*}
	echo "fuzz: $dir $name"
	go test -run='^$' -fuzz="^$name\$" -fuzztime="${FUZZTIME:-10s}" "$dir" || status=1
done < <(grep -rEo '^func Fuzz[A-Za-z0-9_]+\(' --include='*_test.go' ${PKG:-.})
exit "$status"
