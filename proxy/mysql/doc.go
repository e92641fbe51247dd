// Package mysql is galley's MySQL door: it answers clients as a server would, decides for each statement which node runs it, and forwards the answer.
//
// It is not a SQL engine and does not judge nodes: what a statement is comes from package classify, which nodes may be used from package cluster, what a session's state is
// from the server itself (session tracking).
//
// Know first: one goroutine serves one client in lockstep — read a command, choose a node, send it, forward the answer as bytes — and owns everything of its session;
// what other goroutines may touch (the registry, closing a backend conn, counters) is atomic or behind a mutex.
package mysql
