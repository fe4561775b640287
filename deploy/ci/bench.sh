#!/usr/bin/env bash
# Runs the micro-benchmarks of the hot paths into bench.txt and says what got slower
# since the baseline, by benchstat: see bench.awk. It finds nothing to be a failure,
# for times on a machine that does other work mean little. From the environment:
#
#   PKG         which packages; default those below. That of PostgreSQL is one more
#               set: PKG=./vault/pgstore
#   BASE        the baseline; default deploy/ci/bench.baseline.txt
#   BASELINE    not empty: makes the baseline anew instead of comparing
#   BENCHCOUNT  rounds; default 6, and fewer prove nothing; 10 for a baseline
#   BENCHTIME   how long a benchmark runs each of the five times in a round; default
#               10ms
#   BENCHLIMIT  how many percent count as slower; default 20
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/ci/env.sh

hot="./crypto/field ./crypto/keyring ./crypto/localkek
	./accessctl ./accessctl/consent ./accessctl/jwtauth ./audit ./audit/tree ./audit/watch
	./vault/catalog ./vault/api ./vault/httpapi ./vault"
base=${BASE:-deploy/ci/bench.baseline.txt}
if [ -n "${BASELINE:-}" ] && [ -n "${PKG:-}" ] && [ -z "${BASE:-}" ]; then
	echo "bench: a baseline of some packages only needs a file of its own: BASE=..." >&2
	exit 1
fi
rounds=${BENCHCOUNT:-$([ -n "${BASELINE:-}" ] && echo 10 || echo 6)}
case ${PKG:-} in
*pgstore*)
	bash deploy/ci/setup.sh postgres
	export FIELDVAULT_E2E=1 # without it they skip
	;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2086 # these are lists
mapfile -t dirs < <(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' ${PKG:-$hot} | grep .)
for i in "${!dirs[@]}"; do
	go test -c -o "$work/$i.test" "${dirs[i]}"
done

# fastest leaves of each benchmark's runs the one that other work disturbed least.
fastest() {
	awk '/^Benchmark/ && !($1 in least) { names[++n] = $1 }
		/^Benchmark/ && (!($1 in least) || $3 < least[$1]) { least[$1] = $3; row[$1] = $0 }
		END { for (i = 1; i <= n; i++) print row[names[i]] }'
}

# Rounds of everything, so that a busy minute spreads over all of it. With one
# processor the names do not depend on how many the machine has. The checks of a
# whole log take too long.
for round in $(seq "$rounds"); do
	printf 'bench: round %d of %d\n' "$round" "$rounds" >&2
	for i in "${!dirs[@]}"; do
		(cd "${dirs[i]}" && "$work/$i.test" -test.run='^$' -test.bench=. -test.benchmem -test.count=5 \
			-test.skip='^BenchmarkVerify$/^(Tenant|CheckLeaf|hashes)$' \
			-test.benchtime="${BENCHTIME:-10ms}" -test.cpu=1) >"$work/out" || {
			cat "$work/out" >&2
			exit 1
		}
		[ "$round" -gt 1 ] || grep -E '^(goos|goarch|pkg|cpu): ' "$work/out" >"$work/$i.txt" || true
		fastest <"$work/out" >>"$work/$i.txt"
	done
done
for i in "${!dirs[@]}"; do
	cat "$work/$i.txt"
done >bench.txt
if ! grep -q '^Benchmark' bench.txt; then
	echo "bench: there are no benchmarks" >&2
	exit 1
fi

if [ -n "${BASELINE:-}" ]; then
	cp bench.txt "$base"
	echo "bench: $base is the baseline now, of $(grep -m 1 '^cpu: ' "$base")"
	exit 0
fi
if [ ! -e "$base" ]; then
	tool benchstat bench.txt
	exit 0
fi
cpu() { grep -m 1 '^cpu: ' "$1"; }
tool benchstat -format csv -ignore cpu baseline="$base" now=bench.txt 2>/dev/null |
	awk -F , -v limit="${BENCHLIMIT:-20}" -v was="$(cpu "$base")" -v is="$(cpu bench.txt)" -f deploy/ci/bench.awk
