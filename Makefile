# Every target does all of its set-up itself, on a Debian machine with nothing but
# Go. What the words do is in deploy/ci.

.DEFAULT_GOAL := help
.PHONY: help dev test check lint fmt verify fuzz bench

# Given on the command line, as in `make test PKG=./vault/... RACE=1`.
export PKG RACE TESTFLAGS FUZZTIME BENCHCOUNT BENCHTIME BENCHLIMIT BASE BASELINE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: ## run Fieldvault with sample data, tokens and curl lines (ARGS="--json ...")
	@. deploy/ci/env.sh && exec go run ./cmd/fieldvault dev $(ARGS)

test: ## run all tests; installs PostgreSQL and builds Vault where missing (PKG=./..., RACE=1, TESTFLAGS=...)
	@bash deploy/ci/test.sh

check: ## what CI runs: the tests with the race detector, lint, verify
	@bash .ci/run

lint: ## run golangci-lint, as .golangci.yml says
	@bash -c '. deploy/ci/env.sh && tool golangci-lint run ./...'

fmt: ## format the Go files as lint wants them
	@bash -c '. deploy/ci/env.sh && tool golangci-lint fmt'

verify: ## check formatting, vet, modules and the static build
	@bash deploy/ci/verify.sh

fuzz: ## run every fuzz target for FUZZTIME=10s (PKG="crypto audit")
	@bash deploy/ci/fuzz.sh

bench: ## say what got slower since the baseline, by micro-benchmarks (PKG=..., BASE=old.txt; BASELINE=1 makes it anew)
	@bash deploy/ci/bench.sh
