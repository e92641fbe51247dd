package mysql

import (
	"bytes"

	"galley/proxy/mysql/classify"
)

// The server does not report everything that SET changes (measured on 10.11.19): SET NAMES … COLLATE names the character sets and not the collation, and a change of
// session_track_system_variables is told only if the new list has that variable itself. After such a statement the server is asked.

// unreported is which of those a SET has in its text.
type unreported byte

const (
	unreportedCollation unreported = 1 << iota
	unreportedTracking
)

const collationConnection, charsetConnection = "collation_connection", "character_set_connection"

// unreportedIn says what a statement may set without the server reporting it.
func unreportedIn(c *classify.Class, sql []byte) (u unreported) {
	if c.Kind != classify.Set {
		return 0
	}
	sql = bytes.ToLower(sql)
	if bytes.Contains(sql, []byte("collate")) {
		u |= unreportedCollation
	}
	if bytes.Contains(sql, []byte("session_track_system_variables")) {
		u |= unreportedTracking
	}
	return u
}

// ask has b tell what the SET that it has just run did not report. The client has its answer already: where b does not tell, the session stays on it.
func (s *session) ask(b *backendConn, u unreported) {
	values, err := b.row("SELECT @@collation_connection, @@session_track_system_variables")
	if err != nil || len(values) != 2 {
		s.state.pins |= pinUnknown
		if !isRefusal(err) {
			b.lost.Store(true)
			s.srv.trouble(b.node)
		}
		return
	}
	upToDate := b.synced == s.state.version
	if u&unreportedCollation != 0 {
		s.state.set(collationConnection, values[0])
	}
	if u&unreportedTracking != 0 {
		s.state.noteTracking("session_track_system_variables", values[1])
		b.retrack = true
	}
	if upToDate {
		b.synced, b.vars = s.state.version, s.state.vars
	}
}
