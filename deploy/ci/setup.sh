#!/usr/bin/env bash
# Installs what the tests need and this machine lacks. Each argument is a need:
#
#   postgres   the PostgreSQL server's programs, 15 or newer
#   race       a C compiler, for Go's race detector
#   vault      a real Vault, built from source into the user's cache
#   s3         a server of S3-compatible buckets, built from source into Go's cache
#   browser    Chromium, in which the tests look at the portal's pages
#
# It does nothing, quickly, where all is there.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/ci/env.sh

# script runs as root. The tests start servers of their own: without the setting,
# Debian's package would make one more and start it with the machine.
# shellcheck disable=SC2016 # the script expands them
script='
	conf=/etc/postgresql-common/createcluster.d/fieldvault-setup.conf
	trap "rm -f $conf" EXIT
	mkdir -p "${conf%/*}"
	echo "create_main_cluster = false" >"$conf"
	apt-get update -qq
	apt-get install -qq -y --no-install-recommends "$@" >/dev/null
'

# packages installs Debian packages.
packages() {
	if ! command -v apt-get >/dev/null; then
		echo "setup: please install $*: this script knows only Debian's apt-get" >&2
		exit 1
	fi
	local as=()
	if [ "$(id -u)" != 0 ]; then
		if ! command -v sudo >/dev/null; then
			echo "setup: please run as root: apt-get install $*" >&2
			exit 1
		fi
		as=(sudo)
	fi
	echo "setup: installing $*"
	"${as[@]}" env DEBIAN_FRONTEND=noninteractive sh -euc "$script" sh "$@"
}

have_postgres() {
	[ -n "${FIELDVAULT_TEST_PGBIN:-}" ] && return
	local bin
	for bin in /usr/lib/postgresql/*/bin; do
		if [ -x "$bin/pg_ctl" ] && [ -x "$bin/pg_dump" ] && [ "$(basename "$(dirname "$bin")")" -ge 15 ]; then
			return
		fi
	done
	command -v pg_ctl >/dev/null
}

for need; do
	case $need in
	postgres)
		have_postgres || packages postgresql
		if ! have_postgres; then
			echo "setup: this Debian has no PostgreSQL 15: use Debian 12 or newer, or set FIELDVAULT_TEST_PGBIN" >&2
			exit 1
		fi
		;;
	race)
		command -v "${CC:-gcc}" >/dev/null || packages gcc libc6-dev
		;;
	vault)
		go run ./crypto/transit/transittest/build >/dev/null
		;;
	s3)
		go tool -modfile=deploy/devs3/go.mod -n versitygw >/dev/null
		;;
	browser)
		command -v chromium >/dev/null || packages chromium fonts-dejavu-core
		;;
	*)
		echo "setup: what is $need?" >&2
		exit 2
		;;
	esac
done
