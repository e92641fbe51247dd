// Package wire speaks the packets of the MySQL client/server protocol, in MariaDB's dialect too: framing, greeting and login, OK, ERR and EOF,
// session-tracking fields, and the walk over an answer that finds its end without decoding its rows.
//
// It is not a client or a server: it decides nothing about users, nodes or SQL, and keeps no state beyond one connection's buffer.
//
// Know first: everything that is returned as a slice points into the connection's buffer and is valid until the next read on that connection.
//
// Sources: MariaDB's knowledge base, "Clients & Utilities / Protocol" (abbreviated KB), MySQL's "Client/Server Protocol" (abbreviated MY), and the server
// sources sql/protocol.cc, sql/sql_acl.cc and sql/session_tracker.cc, named where a fact is taken from them.
package wire
