package mysql

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// What a session's statements leave on their conn, and may ask for later: user variables, the last insert id, FOUND_ROWS(), ROW_COUNT(), warnings. It stays there as long as the
// session finds its conn again. When the conn goes to another session, that one first reads what the one before has left (a rescue), and who left it sets it again elsewhere, or
// answers from what was read.

// after is what the last statement has left, where galley knows it without asking the node.
type after struct {
	known bool  // Both are as the node would say.
	found int64 // FOUND_ROWS().
	rows  int64 // ROW_COUNT().

	warnings int    // @@warning_count.
	errors   int    // @@error_count.
	shown    []byte // The answer to SHOW WARNINGS, as packets, if it was read.
}

// rescue is the reading of what a session has left on a conn that another session has taken. The taker fills it and closes done; then it is the one's who left it.
type rescue struct {
	on   *backendConn
	what ties
	from uint32 // The epoch of who left it.
	done chan struct{}
	once sync.Once

	lost     bool
	insertID uint64
	after    after
	vars     []userVar
}

// userVar is a user variable and its value as a literal.
type userVar struct{ name, literal string }

func newRescue(b *backendConn, what ties) *rescue {
	if what = settled(what); what&tieMaybe != 0 {
		what |= tieVariables
	}
	return &rescue{on: b, what: what, from: b.epoch, done: make(chan struct{})}
}

// end lets the one who left it go on.
func (r *rescue) end() { r.once.Do(func() { close(r.done) }) }

// fail says that what was left is lost.
func (r *rescue) fail() {
	r.once.Do(func() {
		r.lost = true
		r.on.set.shown.rescuesLost.Add(1)
		close(r.done)
	})
}

// leave tells the session that a conn with something of its own on it has gone to another. It is called by that one.
func (s *session) leave(r *rescue) {
	s.rescueMu.Lock()
	defer s.rescueMu.Unlock()
	s.rescues = append(s.rescues, r)
	s.rescued.Store(true)
}

// collect takes over what others have read of what the session had left on its conns.
func (s *session) collect() {
	if !s.rescued.Load() {
		return
	}
	s.rescueMu.Lock()
	all := s.rescues
	s.rescues = nil
	s.rescued.Store(false)
	s.rescueMu.Unlock()
	for _, r := range all {
		if r.from != s.epoch.Load() {
			continue // From before a reset.
		}
		select {
		case <-r.done:
			s.takeBack(r)
		case <-s.ctx.Done():
			return
		}
	}
}

// takeBack makes what was rescued the session's own state.
func (s *session) takeBack(r *rescue) {
	if r.what&tieLast != 0 && s.last == r.on {
		if r.lost {
			s.lostTies |= tieLast
		} else {
			s.after = r.after
		}
	}
	if r.lost {
		s.lose(r.what)
		return
	}
	if r.what&tieInsertID != 0 {
		s.state.insertID = r.insertID
	}
	if r.what&tieVariables != 0 {
		s.state.userVars = r.vars
	}
	if r.what&^tieLast != 0 {
		s.state.leftVersion++
	}
}

// lose notes what was lost with a conn.
func (s *session) lose(what ties) {
	what = settled(what)
	if what&tieUnknown == 0 {
		what &^= tieVariables // They are known, or none at all: what may have been set out of sight mostly was not.
	}
	s.lostTies |= what & (tieVariables | tieInsertID)
}

// settled says of variables that are known, but may have been changed out of sight, that they are not.
func settled(what ties) ties {
	if what&tieMaybe != 0 && what&tieVariables != 0 {
		what |= tieUnknown
	}
	return what
}

// The queries of a rescue, in this order: the first keeps the warnings, the second keeps nothing but them.
const (
	rescueCounts    = "SELECT LAST_INSERT_ID(), FOUND_ROWS(), ROW_COUNT(), @@warning_count, @@error_count LIMIT 1"
	rescueWarnings  = "SHOW WARNINGS"
	rescueVariables = "SELECT VARIABLE_NAME, HEX(VARIABLE_VALUE), VARIABLE_TYPE FROM information_schema.USER_VARIABLES LIMIT 100000"
)

// read asks b, the conn that r is about, for what was left there. It does not wait for ever: a session must be able to leave a node that hangs.
func (r *rescue) read(b *backendConn) error {
	_ = b.SetDeadline(time.Now().Add(b.set.srv.config().ConnectTimeout))
	defer func() { _ = b.SetDeadline(time.Time{}) }()
	b.set.shown.rescues.Add(1)
	queries := []string{rescueCounts, rescueWarnings}
	if r.what&tieVariables != 0 {
		queries = append(queries, rescueVariables)
	}
	if err := b.ask(queries...); err != nil {
		return err
	}
	counts, err := b.rows()
	if err != nil && !isRefusal(err) {
		return err
	}
	shown, rawErr := b.raw()
	if rawErr != nil && !isRefusal(rawErr) {
		return rawErr
	}
	if err := errors.Join(err, rawErr, r.note(counts, shown)); err != nil {
		if r.what&tieVariables != 0 {
			if _, err := b.rows(); err != nil && !isRefusal(err) {
				return err
			}
		}
		return err
	}
	if r.what&tieVariables != 0 {
		return r.readVariables(b)
	}
	return nil
}

// note takes the answers to the first two queries.
func (r *rescue) note(counts [][]string, shown []byte) error {
	if len(counts) != 1 || len(counts[0]) != 5 {
		return errNoAnswer
	}
	row := counts[0]
	found, err1 := strconv.ParseInt(row[1], 10, 64)
	count, err2 := strconv.ParseInt(row[2], 10, 64)
	r.after = after{known: true, found: found, rows: count, shown: shown}
	var err3, err4, err5 error
	r.insertID, err3 = strconv.ParseUint(row[0], 10, 64)
	r.after.warnings, err4 = strconv.Atoi(row[3])
	r.after.errors, err5 = strconv.Atoi(row[4])
	return errors.Join(err1, err2, err3, err4, err5)
}

// readVariables reads the user variables and writes each as a literal of the same type. Strings are asked for one by one: the table shows them in another character set.
func (r *rescue) readVariables(b *backendConn) error {
	rows, err := b.rows()
	if err != nil || len(rows) == 0 {
		return err
	}
	var ask strings.Builder
	var texts []string
	for _, row := range rows {
		if len(row) != 3 {
			return errNoAnswer
		}
		name, kind := row[0], row[2]
		if kind == "VARCHAR" {
			texts = append(texts, name)
			if ask.Len() > 0 {
				ask.WriteByte(',')
			}
			v := "@" + quoteName(name)
			ask.WriteString("HEX(" + v + "),CHARSET(" + v + "),COLLATION(" + v + ")," + v + " IS NULL")
			continue
		}
		r.vars = append(r.vars, userVar{name: name, literal: numberLiteral(unhex(row[1]), kind)})
	}
	if len(texts) == 0 {
		return nil
	}
	row, err := b.row("SELECT " + ask.String() + " LIMIT 1")
	if err != nil {
		return err
	}
	if len(row) != 4*len(texts) {
		return errNoAnswer
	}
	for i, name := range texts {
		v := row[4*i : 4*i+4]
		r.vars = append(r.vars, userVar{name: name, literal: textLiteral(v[0], v[1], v[2], v[3] == "1")})
	}
	return nil
}

// numberLiteral writes a number of one of the types of information_schema.USER_VARIABLES (MariaDB: plugin/user_variables).
func numberLiteral(text, kind string) string {
	switch {
	case text == "":
		return "NULL"
	case kind == "INT UNSIGNED":
		return "CAST(" + text + " AS UNSIGNED)"
	case kind == "DOUBLE" && !strings.ContainsAny(text, "eE"):
		return text + "e0"
	}
	return text
}

// textLiteral writes a string from its bytes in hex.
func textLiteral(hex, charset, collation string, null bool) string {
	switch {
	case null:
		return "NULL"
	case charset == "binary":
		return "x'" + hex + "'"
	}
	return "_" + charset + " x'" + hex + "' COLLATE " + collation
}

func unhex(s string) string {
	out := make([]byte, 0, len(s)/2)
	for ; len(s) >= 2; s = s[2:] {
		n, err := strconv.ParseUint(s[:2], 16, 8)
		if err != nil {
			return ""
		}
		out = append(out, byte(n))
	}
	return string(out)
}

// quoteName writes an identifier in backquotes.
func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// noteAfter keeps what x's answer has left behind: on b, and as far as it is known in the session.
func (s *session) noteAfter(b *backendConn, x *exchange) {
	a := &s.answer
	plain := !x.failed && a.Results == 1 && a.Warnings == 0
	switch {
	case plain && x.after == afterRows:
		s.after = after{known: true, found: int64(a.Rows), rows: -1}
	case plain && x.after == afterNothing && s.after.known:
		s.after = after{known: true, found: s.after.found, rows: int64(a.Affected)}
	default:
		s.after = after{}
	}
	b.own = b.own&^tieLast | x.leaves
	if x.constants != nil {
		s.noteConstants(b, x)
	}
	if !s.after.known {
		b.own |= tieLast
	}
	if a.InsertID {
		b.own |= tieInsertID
	}
	b.dirt |= b.own
	b.unsure, s.strayed = b.unsure || x.opaque, s.strayed || x.opaque
	for _, sl := range s.slots() {
		if sl.conn == b {
			sl.made |= b.own
		}
	}
	if a.InsertID || x.assigns || x.leaves&tieInsertID != 0 {
		s.hasTies = true
	}
	if x.assigns && !mariaDB(&s.srv.cluster.View().Server) {
		s.state.pins |= pinVariables
	}
	if x.sequence {
		s.state.pins |= pinSequence // LASTVAL() is about this conn.
	}
	s.lostTies &^= tieLast
}

// afterKind says how FOUND_ROWS() and ROW_COUNT() follow from an answer.
type afterKind byte

const (
	afterUnknown afterKind = iota
	afterRows              // The rows that were sent, and -1.
	afterNothing           // What FOUND_ROWS() was before, and the rows affected.
)

// afterOf says it of a statement's class.
func afterOf(c *classify.Class) afterKind {
	const (
		readers = kindSet(1<<classify.Read | 1<<classify.ReadWriter | 1<<classify.Show)
		silent  = kindSet(1<<classify.Set | 1<<classify.Use | 1<<classify.Begin | 1<<classify.BeginReadOnly | 1<<classify.Commit | 1<<classify.Rollback | 1<<classify.Savepoint)
		unclear = classify.CalcFoundRows | classify.SetOperation | classify.MultiStatement | classify.IntoVar | classify.IntoOutfile | classify.UnknownFunction | classify.TemporarySettings
	)
	switch {
	case c.Flags.Has(unclear):
	case readers.has(c.Kind):
		return afterRows
	case silent.has(c.Kind):
		return afterNothing
	}
	return afterUnknown
}

// askBack sees to a statement about the one before it. Where the conn of that one is still the session's own, the statement runs there; else done is true if it was answered from
// what is known, or refused.
func (s *session) askBack(x *exchange, c *classify.Class, t target) (done bool, err error) {
	on := s.last
	if on != nil {
		for _, sl := range s.slots() {
			if sl.conn == on && s.retake(sl) {
				if c.Kind == classify.Diagnostics || t != toReader && on == s.writer.conn || t == toReader && on == s.reader.conn {
					return false, nil
				}
				r := newRescue(on, tieLast)
				if err := r.read(on); err != nil {
					s.drop(on)
					return true, s.lostBefore(x)
				}
				s.after = r.after
			}
		}
	}
	s.collect()
	s.last = nil
	if !s.after.known {
		return true, s.lostBefore(x)
	}
	return s.answerFrom(x, c)
}

// answerFrom answers a statement about the one before it from what is known, or puts what is known into its text.
func (s *session) answerFrom(x *exchange, c *classify.Class) (done bool, err error) {
	sql := bytes.ToUpper(bytes.TrimRight(bytes.TrimSpace(x.sql), "; \t\r\n"))
	words := bytes.Fields(sql)
	show := c.Kind == classify.Diagnostics && len(words) > 1 && string(words[0]) == "SHOW"
	switch {
	case x.stmt != nil || x.prepared != nil:
	case show && s.after.warnings == 0:
		x.rewrite("SHOW " + string(words[1]) + " LIMIT 0")
		if bytes.HasPrefix(words[1], []byte("COUNT")) {
			x.rewrite("SELECT 0 AS `@@session." + countName(words) + "`")
		}
		return false, nil
	case show && bytes.HasPrefix(words[1], []byte("COUNT")):
		n := s.after.warnings
		if countName(words) == "error_count" {
			n = s.after.errors
		}
		x.rewrite("SELECT " + strconv.Itoa(n) + " AS `@@session." + countName(words) + "`")
		return false, nil
	case show && len(words) == 2 && (string(words[1]) == "WARNINGS" || s.after.errors == s.after.warnings) && s.after.shown != nil:
		return true, s.client.Write(s.after.shown)
	case c.Kind != classify.Diagnostics || !show:
		if text, ok := s.substitute(x.sql); ok {
			x.rewrite(text)
			return false, nil
		}
	}
	return true, s.writeError(wire.NewError(codeNotSupported, "galley: this asks about the statement before, whose connection has gone to another session meanwhile: ask by SHOW WARNINGS, or FOUND_ROWS() or ROW_COUNT() in a statement of its own"))
}

// countName is the column's name in the answer to SHOW COUNT(*) WARNINGS or ERRORS.
func countName(words [][]byte) string {
	if string(words[len(words)-1]) == "ERRORS" {
		return "error_count"
	}
	return "warning_count"
}

// lostBefore tells the client that what it asks about is lost.
func (s *session) lostBefore(x *exchange) error {
	s.lostTies |= tieLast
	return s.refuseLost(x)
}

// substitute puts what is known into a statement's text, in the place of the calls that ask for it.
func (s *session) substitute(sql []byte) (string, bool) {
	calls := classify.Calls(sql, s.mode())
	if len(calls) == 0 {
		return "", false
	}
	text := classify.Rewrite(nil, sql, calls, func(c classify.SessionCall) (string, bool) {
		switch c.Name {
		case classify.CallFoundRows:
			return c.Literal(uint64(s.after.found)), true
		case classify.CallRowCount:
			return c.Literal(uint64(s.after.rows)), true
		case classify.CallWarningCount:
			return c.Literal(uint64(s.after.warnings)), true
		case classify.CallErrorCount:
			return c.Literal(uint64(s.after.errors)), true
		case classify.CallConnectionID, classify.CallLastInsertID, classify.CallPseudoThreadID, classify.CallInsertIDVariable:
		}
		return "", false
	})
	return string(text), true
}

// namesPrepared keeps count of the statements that PREPARE has made: as long as there are any the session stays on its conn.
func (s *session) namesPrepared(x *exchange) {
	if x.of != classify.Prepare && x.of != classify.Deallocate {
		return
	}
	words := bytes.Fields(bytes.ToLower(x.sql))
	i := slices.IndexFunc(words, func(w []byte) bool { return string(w) == "prepare" })
	if i < 0 || i+1 >= len(words) {
		s.state.pins |= pinUnknown
		return
	}
	name := strings.Trim(string(words[i+1]), "`;")
	s.state.prepared = slices.DeleteFunc(s.state.prepared, func(n string) bool { return n == name })
	if x.of == classify.Prepare && !x.failed {
		s.state.prepared = append(s.state.prepared, name)
	}
	if s.state.pins &^= pinTextPrepared; len(s.state.prepared) > 0 {
		s.state.pins |= pinTextPrepared
	}
}
