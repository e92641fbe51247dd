// Package demo is what runs in front of galley in 'galley demo': a few clients as a web shop has them, what they noticed, and the script that
// breaks the cluster under them.
//
// It is not a benchmark (the clients pause) and no test of galley (that is e2e). It knows galley only as an address and a few functions that it is given.
//
// Know first: each writing client counts in a row of its own and remembers what it was told. At the end the row says whether an acknowledged write was
// lost or a write was run twice.
package demo
