#!/bin/sh
# Runs the test suites of Go's two MySQL libraries on a node of a real cluster and through galley, and prints where they differ.
#
# The sources come from the module cache, in the versions that galley itself uses (go.mod). Needs what e2e/install.sh e2e installs.
set -eu
cd "$(dirname "$0")/.."

bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
trap 'exit 130' INT TERM

# build NAME MODULE PACKAGE makes the test program of a package, from a copy: the module cache is not to be written to.
build() {
	source=$(go list -m -f '{{.Dir}}' "$2")
	[ -n "$source" ] || source=$(go mod download -json "$2" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
	cp -r "$source" "$bin/$1-source"
	chmod -R u+w "$bin/$1-source"
	echo "building the tests of $2 in $3"
	(cd "$bin/$1-source" && GOFLAGS=-mod=mod go test -c -o "$bin/$1.test" "$3")
}

build go-sql-driver github.com/go-sql-driver/mysql .
build go-mysql github.com/go-mysql-org/go-mysql ./client

E2E_DRIVERS="$bin" go test -tags e2e -count 1 -timeout 20m -v -run '^TestDriverSuites$' ./e2e
