#!/bin/sh
# Measures galley beside HAProxy and a node without a proxy, and its web tier beside nginx, Caddy and HAProxy, and prints tables. Never run by tests. Arguments go to e2e/bench:
#
#   e2e/bench.sh                            all, about 35 minutes
#   e2e/bench.sh -quick                     less than 6 minutes
#   e2e/bench.sh -parts web                 10 minutes; with -quick less than 2
#   e2e/bench.sh -markdown b.md -json b.json
#   e2e/bench.sh -help
#
# BENCH_GALLEY names a binary to measure instead of one built from here, WORDPRESS a directory with WordPress.
set -eu
cd "$(dirname "$0")/.."
e2e/install.sh bench
wordpress=${WORDPRESS:-$PWD/.cache/wordpress}
e2e/wordpress.sh "$wordpress"

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
galley=${BENCH_GALLEY:-}
if [ -z "$galley" ]; then
	galley=$dir/galley
	# The linker setting is the Makefile's: it keeps the runtime's sysmon from parking.
	CGO_ENABLED=0 go build -ldflags "-X=runtime.godebugDefault=schedtrace=2000000000" -o "$galley" ./cmd/galley
fi
# The clients are in this program, so that what makes galley cheap makes them cheap as well.
CGO_ENABLED=0 go build -ldflags "-X=runtime.godebugDefault=schedtrace=2000000000" -o "$dir/bench" ./e2e/bench
"$dir/bench" -galley "$galley" -wordpress "$wordpress" "$@"
