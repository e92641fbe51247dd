// Package e2e holds the tests that run galley, as a process, in front of a real three-node Galera cluster, and look at what
// the clients see. It is not a library: everything but this comment is a test.
//
// The one thing to know first: the tests are built with the tag e2e only, start one cluster and one galley for all of them
// (main_test.go), and need what e2e/install.sh e2e installs:
//
//	go test -tags e2e -count=1 -timeout 15m ./e2e/...
//
// E2E_GALLEY names a galley to be tested instead of one built from ./cmd/galley. E2E_REPORT names a file for the
// table of what the clients saw at each event, which is also printed at the end. E2E_KEEP_LOG names a file that
// galley's log is kept in.
package e2e
