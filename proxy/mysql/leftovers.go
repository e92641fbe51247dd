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
)

// What a session's statements leave on their conn, and may ask for later: user variables, the last insert id, FOUND_ROWS(), ROW_COUNT(), warnings. It stays there as long as the
// session finds its conn again. When the conn goes to another session, that one first reads what the one before has left (a rescue), and who left it sets it again elsewhere, or
// answers from what was read.

// rescue is the reading of what a session has left on a conn that another session has taken. The taker fills it and closes done; then it is the one's who left it.
type rescue struct {
	on   *backendConn
	what ties
	left ties   // What is known to be there; what is asked for beyond it is so to be sure.
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
	left := settled(what)
	if what = left; what&tieMaybe != 0 {
		what |= tieVariables
	}
	return &rescue{on: b, what: what, left: left, from: b.epoch, done: make(chan struct{})}
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
			s.after = after{}
		}
		s.after.take(&r.after)
		s.last = nil
	}
	if r.lost {
		s.lose(r.left)
		return
	}
	if r.what&(tieInsertID|tieMaybeID) != 0 {
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
	rescueVariables = "SELECT HEX(VARIABLE_NAME), HEX(VARIABLE_VALUE), VARIABLE_TYPE FROM information_schema.USER_VARIABLES LIMIT 100000"
)

// rescueQueries ask for what was left.
//
//go:noinline // The texts' place would be part of the stack of who reads the answers.
func rescueQueries(what ties) []string {
	if what&tieVariables != 0 {
		return []string{rescueCounts, rescueWarnings, rescueVariables}
	}
	return []string{rescueCounts, rescueWarnings}
}

// joined is errors.Join without a place for its arguments on the stack of who mostly has none of them.
//
//go:noinline
func joined(a, b, c error) error {
	if a == nil && b == nil && c == nil {
		return nil
	}
	return errors.Join(a, b, c)
}

// read asks b, the conn that r is about, for what was left there. It does not wait for ever: a session must be able to leave a node that hangs.
func (r *rescue) read(b *backendConn) error {
	_ = b.SetDeadline(time.Now().Add(b.set.srv.config().ConnectTimeout))
	defer func() { _ = b.SetDeadline(time.Time{}) }()
	b.set.shown.rescues.Add(1)
	if err := b.ask(rescueQueries(r.what)...); err != nil {
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
	if err := joined(err, rawErr, r.note(counts, shown)); err != nil {
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
	r.after = after{known: allParts, found: found, rows: count, shown: shown}
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
		name, kind := unhex(row[0]), row[2]
		if kind == "VARCHAR" {
			texts = append(texts, name)
			if ask.Len() > 0 {
				ask.WriteByte(',')
			}
			v := "@" + quoteName(nameIn(b.vars, name))
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
		return "CAST(NULL AS " + map[string]string{"INT": "SIGNED", "INT UNSIGNED": "UNSIGNED", "DOUBLE": "DOUBLE", "DECIMAL": "DECIMAL"}[kind] + ")" // The type stays.
	case kind == "INT UNSIGNED":
		return "CAST(" + text + " AS UNSIGNED)"
	case kind == "DOUBLE" && !strings.ContainsAny(text, "eE"):
		return text + "e0"
	case kind == "DECIMAL" && !strings.Contains(text, "."):
		return text + "." // Without it the literal is an integer.
	}
	return text
}

// textLiteral writes a string from its bytes in hex.
func textLiteral(hex, charset, collation string, null bool) string {
	switch {
	case null && charset == "binary":
		return "NULL"
	case null:
		return "CONVERT(NULL USING " + charset + ") COLLATE " + collation // NULL alone has none.
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

// nameIn writes a name, which is UTF-8, in the character set of what is sent where vars are set. There are others than Latin-1: a name of theirs is not found.
func nameIn(vars []variable, name string) string {
	i := slices.IndexFunc(vars, func(v variable) bool { return v.name == "character_set_client" })
	if i < 0 || vars[i].value != "latin1" {
		return name
	}
	latin := make([]byte, 0, len(name))
	for _, r := range name {
		if r > 0xff || r >= 0x80 && r < 0xa0 {
			return name
		}
		latin = append(latin, byte(r))
	}
	return string(latin)
}

// quoteName writes an identifier in backquotes.
func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

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
