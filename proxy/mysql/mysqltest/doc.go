// Package mysqltest has what tests of the MySQL door need: Node, a scripted MariaDB node; Client, a bare client; Cluster, a settable view; imported accounts.
//
// It is for tests only and no server: a Node understands just enough SQL to keep a session's state as a server does (SET, USE, transactions, prepared statements), and
// answers the rest by what the test has told it.
//
// Know first: a Node records every command that reached it, with its connection, before it answers, so that a test can say how often a statement ran.
package mysqltest
