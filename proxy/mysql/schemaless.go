package mysql

import (
	"bytes"

	"galley/proxy/mysql/classify"
)

// A conn that has had a schema never gets rid of it, so a session without one needs a conn without one: DATABASE() must be NULL there, and a name without a schema an error. Many
// clients log in without a schema and choose it next (WordPress does). If they did so on conns without one, each of these would be of no use for the next login. So what does the
// same under every schema, above all the choice of one, runs on any conn, and best on one that has a schema already.

// needsBare says whether what the session runs next needs a conn without a schema.
func (s *session) needsBare() bool { return s.state.schema == "" && !s.schemaFree }

// suits says whether b, which the session has, has a schema that does no harm to what it runs next.
func (s *session) suits(b *backendConn) bool { return b.schema == "" || !s.needsBare() }

// retakeFitting takes sl's conn again, if no other session has it, and it is one for what the session runs next. False may leave the conn with the session: see leaveSlot.
func (s *session) retakeFitting(sl *slot) bool {
	if !s.retake(sl) {
		return false
	}
	b := sl.conn
	return s.bound(b) || s.suits(b) && !s.sparesBare(b)
}

// sparesBare says whether b, which has no schema, is left to those who need such a one: the session has a schema by now, or is choosing one, and there is an idle conn that has one.
func (s *session) sparesBare(b *backendConn) bool {
	return s.multiplex && b.schema == "" && (s.choosing || s.state.schema != "") && b.set.hasChosen(b.pool)
}

// hasChosen says whether p has idle conns with a schema.
func (c *connSet) hasChosen(p *connPool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return p.chosen.any()
}

// noteSchemaFree notes in x whether it does the same under every schema.
func (s *session) noteSchemaFree(x *exchange) {
	if s.state.schema != "" {
		return
	}
	x.chooses = x.of == classify.Use && !x.flags.Has(classify.MultiStatement)
	x.schemaFree = x.chooses || x.learns != nil || x.asks != 0 && x.lists || x.of == classify.Set && setsPlainly(x.sql)
}

// plainSet is the longest SET that setsPlainly looks at, in bytes.
const plainSet = 512

// setsPlainly says whether a text is a SET of nothing but session variables that leave no mark but their values, to numbers, words and strings: it does the same under every schema, and binds
// the session to no conn. What it is not sure of it denies.
func setsPlainly(sql []byte) bool {
	if len(sql) > plainSet {
		return false
	}
	var lower [plainSet]byte
	text := appendLower(lower[:0], sql)
	if _, _, ok := setNames(text); ok {
		return true
	}
	return plainVariables(text, isPlainVariable)
}

// plainVariables says whether a text in lower case is a SET of nothing but session variables that may be, each by its name, to plain values.
func plainVariables(text []byte, may func(name []byte) bool) bool {
	rest, ok := bytes.CutPrefix(text, []byte("set "))
	if !ok {
		return false
	}
	for {
		var name []byte
		if name, rest, ok = bytes.Cut(rest, []byte{'='}); !ok || !may(withoutScope(name)) {
			return false
		}
		if rest, ok = cutLiteral(bytes.TrimLeft(rest, " ")); !ok {
			return false
		}
		rest = bytes.TrimLeft(rest, " ")
		if len(bytes.Trim(rest, "; ")) == 0 {
			return true
		}
		if rest, ok = bytes.CutPrefix(rest, []byte{','}); !ok {
			return false
		}
	}
}

// withoutScope is the name of a variable in a SET without the scope that is the session's. With another one it is the name of none.
func withoutScope(name []byte) []byte {
	name = bytes.Trim(name, " :")
	for _, scope := range []string{"session ", "local ", "@@session.", "@@local.", "@@"} {
		if rest, ok := bytes.CutPrefix(name, []byte(scope)); ok {
			return bytes.TrimLeft(rest, " ")
		}
	}
	return name
}

// isPlainVariable says whether a name in lower case is one of a session variable that setsPlainly knows.
func isPlainVariable(name []byte) bool {
	switch string(name) {
	case "sql_mode", "time_zone", "character_set_client", "character_set_results", charsetConnection, collationConnection, "lc_time_names", "wait_timeout", "interactive_timeout",
		"net_read_timeout", "net_write_timeout", "lock_wait_timeout", "innodb_lock_wait_timeout", "max_statement_time", "group_concat_max_len", "foreign_key_checks", "unique_checks",
		"sql_safe_updates", "sql_big_selects", "sql_quote_show_create":
		return true
	}
	return false
}

// cutLiteral cuts a number, a word, or a string without anything strange in it, off the front of a text in lower case.
func cutLiteral(text []byte) (rest []byte, ok bool) {
	quote := byte(0)
	if len(text) > 0 && (text[0] == '\'' || text[0] == '"') {
		quote, text = text[0], text[1:]
	}
	n := 0
	for n < len(text) && (text[n] >= 'a' && text[n] <= 'z' || text[n] >= '0' && text[n] <= '9' || text[n] == '_' || quote != 0 && bytes.IndexByte([]byte(",.:+-/ "), text[n]) >= 0) {
		n++
	}
	switch {
	case quote == 0:
		return text[n:], n > 0
	case n < len(text) && text[n] == quote:
		return text[n+1:], true
	}
	return nil, false
}
