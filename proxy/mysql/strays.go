package mysql

import (
	"bytes"
	"slices"
	"strings"

	"galley/cluster"
	"galley/proxy/mysql/classify"
)

// The server's tracker does not report SET @@x = … (measured on 10.11.19: only what names the session's scope). In a SET of its own galley names the scope (classify.Scoped). Within something
// stored, prepared, or in one of several statements that cannot be done: which variables it may be about is told by the text, or by what is stored, and the server is asked for them behind it.
// In the same way nothing but the text, or what is stored, tells of user locks.

// maxStrays is how many variables are remembered that a statement prepared by name may set.
const maxStrays = 100

// hidden says what x's statement may begin out of the server's sight, and notes in x what it may set so. stays says that it is for the writer.
func (s *session) hidden(x *exchange, c *classify.Class, sql []byte) (begun []pinChange, stays bool) {
	locks := false
	locks, x.strays = s.srv.engines.Stored().Find(sql)
	const texts = kindSet(1<<classify.Prepare | 1<<classify.Execute | 1<<classify.Call | 1<<classify.Other)
	assigns := c.Flags.Has(classify.AssignsUserVariable | classify.IntoVar | classify.ConstantUserVariable)
	switch {
	case texts.has(c.Kind), assigns, c.Flags.Has(classify.MultiStatement):
		locks = locks || mentionsLock(sql)
		x.strays = append(x.strays, cluster.Unscoped(sql)...)
	case c.Flags.Has(classify.UnscopedVariable) && x.untold == nil:
		x.strays = append(x.strays, cluster.Unscoped(sql)...)
	}
	if (c.Kind == classify.Prepare || assigns) && len(x.strays) > 0 && len(s.state.strays) < maxStrays {
		s.state.strays = append(s.state.strays, x.strays...)
	}
	if c.Kind == classify.Execute || c.Flags.Has(classify.MultiStatement) {
		x.strays = append(x.strays, s.state.strays...)
	}
	if locks {
		begun = append(begun, pinChange{hold: hold{pin: pinUserLock}, anyway: true})
	}
	if c.Kind == classify.TempTable && s.selectsUnknown(sql) {
		begun = append(begun, pinChange{hold: hold{pin: pinTempTable}, anyway: true}) // CREATE TEMPORARY TABLE … SELECT f(), and f creates one itself.
	}
	return begun, locks || len(x.strays) > 0
}

// selectsUnknown says whether the SELECT of a definition calls a function that may do anything.
func (s *session) selectsUnknown(sql []byte) bool {
	at := bytes.Index(bytes.ToLower(sql), []byte("select"))
	if at < 0 {
		return false
	}
	c := classify.Statement(sql[at:], s.mode())
	return c.Flags.Has(classify.UnknownFunction)
}

// mentionsLock says whether GET_LOCK stands in a text, maybe within a string.
func mentionsLock(sql []byte) bool {
	const before, word = len("get"), "get_lock"
	for at := 0; ; at++ {
		i := bytes.IndexByte(sql[at:], '_')
		if i < 0 {
			return false
		}
		at += i
		if from, to := at-before, at-before+len(word); from >= 0 && to <= len(sql) && bytes.EqualFold(sql[from:to], []byte(word)) {
			return true
		}
	}
}

// askStrays has b tell of variables that x may have set without the server reporting it.
func (s *session) askStrays(b *backendConn, names []string) {
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(name string) bool { return variableReplay(name) == replayNever || isTracking([]byte(name)) })
	if len(names) == 0 {
		return
	}
	s.settleAfter()
	rows, err := b.texts("SELECT LOWER(VARIABLE_NAME), SESSION_VALUE, GLOBAL_VALUE FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME IN ('" + strings.Join(names, "','") + "') AND SESSION_VALUE IS NOT NULL LIMIT 1000")
	if err != nil {
		s.unanswered(b, err)
		return
	}
	upToDate := b.synced == s.state.version
	for _, row := range rows {
		name, value := row[0], row[1]
		if known, own := s.state.value(name); own && known == value || !own && value == row[2] && variableReplay(name) == replaySet {
			continue
		}
		s.state.noteVariable([]byte(name), []byte(value))
	}
	if upToDate {
		b.synced, b.vars = s.state.version, s.state.vars
	}
	s.last, s.after.kept = nil, allParts // The question has left something else on b.
	if s.state.pins != 0 && s.pinnedOn == nil {
		s.pinnedOn = b
	}
}

// takenBack says of a variable that the server takes it back at the end of a routine that has set it (MariaDB: sql/sp_head.cc, execute). That it was set is reported with the routine's next result,
// and that it has gone back is not (measured on 10.11.19).
func takenBack(name string) bool {
	switch name {
	case "sql_mode", "character_set_client", charsetConnection, collationConnection, "character_set_database", "collation_database":
		return true
	}
	return false
}

// unanswered keeps the session on b, which did not tell what was set there.
func (s *session) unanswered(b *backendConn, err error) {
	s.state.pins |= pinUnknown
	if s.pinnedOn == nil {
		s.pinnedOn = b
	}
	if !isRefusal(err) {
		b.lost.Store(true)
		s.srv.trouble(b.node)
	}
}
