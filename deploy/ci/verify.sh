#!/usr/bin/env bash
# Checks what neither tests nor linter see: formatting, vet, the modules, and a
# static build.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/ci/env.sh

unformatted=$(find . -name '*.go' -not -path '*/testdata/*' -not -path '*/node_modules/*' -exec gofmt -l {} +)
if [ -n "$unformatted" ]; then
	printf 'verify: not formatted by gofmt:\n%s\n' "$unformatted" >&2
	exit 1
fi
go vet -tags e2e ./...
go mod tidy -diff
go mod verify
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
CGO_ENABLED=0 go build -trimpath -o "$out/" ./...
du -h --apparent-size "$out"/* | sed "s|$out/|verify: static: |"
