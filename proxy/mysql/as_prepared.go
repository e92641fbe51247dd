package mysql

import (
	"fmt"
	"slices"
	"strconv"

	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// A statement is prepared on each conn that runs it, and what the server makes of its text when it reads it stays, whatever the session sets later: the schema, how the text is
// read, and the character sets of its literals (MariaDB: sql/sql_prepare.cc, Prepared_statement::prepare). So it is prepared anew under what was set when the client prepared it.

// captured are the variables on which it depends what PREPARE makes of a text.
func captured() [6]string {
	return [...]string{"sql_mode", "old_mode", "character_set_client", charsetConnection, collationConnection, "lc_time_names"}
}

// isCaptured says whether a variable is one of those.
func isCaptured(name string) bool {
	all := captured()
	return slices.Contains(all[:], name)
}

// switched says whether a variable is set with those that are captured: what SET NAMES sets is set together.
func switched(name string) bool {
	return isCaptured(name) || name == charsetResults || name == namesCollate
}

// capturedOf are the captured ones of a list, which may be the list itself.
func capturedOf(vars []variable) []variable {
	for i := range vars {
		if switched(vars[i].name) {
			continue
		}
		some := append([]variable(nil), vars[:i]...)
		for _, v := range vars[i+1:] {
			if switched(v.name) {
				some = append(some, v)
			}
		}
		return some
	}
	return vars
}

// capture gives the statement that makes of what PREPARE would see under one list what it would see under the other, or "" where that is the same.
func capture(from, to []variable, numeric func(name, value string) bool) string {
	if sameVars(from, to) {
		return ""
	}
	had, want := capturedOf(from), state{vars: capturedOf(to)}
	differs := false
	for i := range had {
		v := &had[i]
		differs = differs || isCaptured(v.name) && !has(want.vars, v)
	}
	for i := range want.vars {
		v := &want.vars[i]
		differs = differs || isCaptured(v.name) && !has(had, v)
	}
	if !differs {
		return ""
	}
	const begin = "SET SESSION "
	text, found := want.appendSet([]byte(begin), had, numeric)
	for i := range had {
		if name := had[i].name; isCaptured(name) && want.index(name) < 0 {
			if found {
				text = append(text, ", "...)
			}
			text, found = append(append(text, name...), "=DEFAULT"...), true
		}
	}
	return string(text)
}

// prepareAs prepares st on b as the client has prepared it. What runs next on b sets the session's schema again; the variables are set back here.
func (s *session) prepareAs(b *backendConn, st *statement) (id uint32, err error) {
	there := b.vars
	first := capture(there, st.vars, s.srv.numeric)
	if first == "" {
		return b.prepareIn(st.schema, st.sql)
	}
	if err := b.command(wire.ComQuery, first); err != nil {
		return 0, fmt.Errorf("to set what a statement was prepared under: %v", err) //nolint:errorlint // it is no refusal of the statement
	}
	id, err = b.prepareIn(st.schema, st.sql)
	if err := b.command(wire.ComQuery, capture(st.vars, there, s.srv.numeric)); err != nil {
		return 0, fmt.Errorf("to set back what a statement was prepared under: %v", err) //nolint:errorlint // likewise
	}
	return id, err
}

// schemaless says whether a statement that was prepared without a schema gives another result where it is prepared with one: names that need one it cannot have.
func schemaless(c *classify.Class, sql []byte) bool {
	return c.Kind == classify.Execute || mentions(sql, "database") || mentions(sql, "schema")
}

// holdOf is what keeps the session on the conn where it has prepared a statement without a schema: no other conn gets rid of its own.
func (st *statement) holdOf() hold {
	return hold{pin: pinSchemaless, name: strconv.FormatUint(uint64(st.id), 10)}
}
