package mysql

import (
	"errors"
	"strconv"
	"time"

	"galley/proxy/mysql/wire"
)

// catchUp sees to it that b has the session's state: schema, variables, galley's tracking, and nothing of other sessions that x could see. What is missing is put into b.out, to be
// sent in front of a repeatable command in one write (n says how many answers come first), or is sent and confirmed at once before any other command: a failure must not let a
// write run in the wrong state.
func (s *session) catchUp(b *backendConn, x *exchange) (n int, err error) {
	x.inTrx = s.trx == b
	if x.asks != 0 && b == s.last || x.conn != nil { // The rows of a cursor are what they were.
		return 0, nil
	}
	schema := b.schema != s.state.schema && s.state.schema != ""
	left := b.left != s.state.leftVersion && x.sees != 0
	foreign := b.foreign & x.sees
	if s.binds(x) {
		foreign |= b.foreign & tieVariables // What comes behind it must not reset the conn.
	}
	if b.synced == s.state.version && !schema && !b.retrack && !left && foreign == 0 {
		return 0, nil
	}
	reset := foreign&tieVariables != 0 || b.synced != s.state.version && !s.state.covers(b.vars)
	if reset = reset && !s.bound(b); reset && b.own != 0 {
		if err := s.saveOwn(b); err != nil {
			return 0, &backendError{err}
		}
	}
	if reset && b.dirty {
		return 0, &backendError{errNoReset}
	}
	b.out = b.out[:0]
	if reset {
		n += b.appendReset()
		schema = s.state.schema != ""
	} else if b.retrack {
		b.out = wire.AppendCommand(b.out, wire.ComQuery, b.setup)
		b.retrack = false
		n++
	}
	if s.appendSettings(b, x) {
		b.out = wire.AppendCommand(b.out, wire.ComQuery, s.scratch)
		n++
	}
	if schema {
		b.out = wire.AppendCommand(b.out, wire.ComInitDB, s.state.schema)
		b.schema = s.state.schema
		n++
		n += s.appendSchemaCollation(b)
	}
	if n == 0 || x.repeatable && x.cmd.Whole() {
		return n, nil
	}
	if err := b.Write(b.out); err != nil {
		return 0, &backendError{err}
	}
	for range n {
		if err := b.swallow(wire.AnswerQuery); err != nil {
			return 0, s.preambleError(b, x, err)
		}
	}
	return 0, nil
}

// appendSchemaCollation puts into b.out what the session has set of the schema's own character set: choosing the schema has undone it.
func (s *session) appendSchemaCollation(b *backendConn) (n int) {
	for _, name := range schemaCollations() {
		if value, ok := s.state.value(name); ok {
			b.out = wire.AppendCommand(b.out, wire.ComQuery, "SET SESSION "+name+"='"+value+"'")
			n++
		}
	}
	return n
}

// schemaCollations are variables that a session can set and that choosing a schema sets too.
func schemaCollations() [2]string { return [...]string{"character_set_database", "collation_database"} }

// preambleError says what it means that b could not be brought up to date. A node that is not ready for anything has not run the command either, which is tried again in a moment.
func (s *session) preambleError(b *backendConn, x *exchange, err error) error {
	if refused, ok := errors.AsType[*wire.ServerError](err); ok && neverRan(refused) && (x.cmd == nil || x.cmd.Whole()) {
		s.srv.trouble(b.node)
		b.lost.Store(true) // There may be more answers to come.
		return &refusedError{refused}
	}
	x.preambleFailed = isRefusal(err)
	return &backendError{err}
}

// binds says whether x may leave on its conn what a reset would end: a transaction, what pins, a cursor, long data.
func (s *session) binds(x *exchange) bool {
	return x.effects.binds || begins(x.changes) || x.longData || x.kind == wire.AnswerCursor || s.status&wire.StatusAutocommit == 0
}

// saveOwn reads what the session itself has left on b, which is to be reset.
func (s *session) saveOwn(b *backendConn) error {
	r := newRescue(b, b.own)
	if err := r.read(b); err != nil {
		return err
	}
	r.end()
	s.takeBack(r)
	return nil
}

// appendReset puts a reset of the conn into b.out: the node's state of the session is then that of a new one but for the schema, which stays (facts: trap 1).
func (b *backendConn) appendReset() (n int) {
	b.out = wire.AppendCommand(b.out, wire.ComResetConnection, "")
	b.out = wire.AppendCommand(b.out, wire.ComQuery, b.setup)
	b.wasReset()
	return 2
}

// wasReset notes what a reset has done.
func (b *backendConn) wasReset() {
	b.vars, b.foreign, b.dirt, b.own, b.synced, b.left = nil, 0, 0, 0, 0, 0
	b.unsure = false
	b.retrack, b.stmts, b.cursors, b.longs = false, nil, 0, 0
	b.set.resets.Add(1)
}

// resetState ends whatever its session has under way on b, and waits for it.
func (b *backendConn) resetState() error {
	_ = b.SetDeadline(time.Now().Add(b.set.srv.config().ConnectTimeout))
	defer func() { _ = b.SetDeadline(time.Time{}) }()
	b.out = b.out[:0]
	n := b.appendReset()
	if err := b.Write(b.out); err != nil {
		return err
	}
	for range n {
		if err := b.swallow(wire.AnswerQuery); err != nil {
			return err
		}
	}
	return nil
}

// appendSettings puts into the session's scratch the statement that sets what b lacks, and says whether there is any.
func (s *session) appendSettings(b *backendConn, x *exchange) bool {
	const begin = "SET SESSION "
	s.scratch = append(s.scratch[:0], begin...)
	found, has := false, b.vars // The text is read under what b has yet.
	comma := func() {
		if found {
			s.scratch = append(s.scratch, ", "...)
		}
		found = true
	}
	if b.synced != s.state.version {
		s.scratch, found = s.state.appendSet(s.scratch, b.vars, s.srv.numeric)
		b.synced, b.vars = s.state.version, s.state.vars
	}
	if b.readOnly && found {
		s.scratch = append(s.scratch, ", tx_read_only=ON"...) // Whatever the session has set: see onlyReads.
	}
	if b.left != s.state.leftVersion && x.sees != 0 {
		b.left = s.state.leftVersion
		for _, v := range s.state.userVars {
			comma()
			s.scratch = append(append(append(append(s.scratch, '@'), quoteName(nameIn(has, v.name))...), '='), v.literal...)
			b.dirt |= tieVariables
		}
		if s.state.insertID != 0 {
			comma()
			s.scratch = s.appendInsertID(b)
		}
	}
	if b.foreign&x.sees&tieInsertID != 0 {
		comma()
		s.scratch = s.appendInsertID(b)
	}
	if found && s.scratch[len(begin)] == '@' {
		s.scratch = append(s.scratch[:len("SET ")], s.scratch[len(begin):]...) // A scope before a user variable is no syntax.
	}
	return found
}

// appendInsertID appends the assignment of what LAST_INSERT_ID() is to give.
func (s *session) appendInsertID(b *backendConn) []byte {
	b.foreign &^= tieInsertID
	b.dirt |= tieInsertID
	return strconv.AppendUint(append(s.scratch, "last_insert_id="...), s.state.insertID, 10)
}

// catchUpNow brings b up to date and waits for the confirmation.
func (s *session) catchUpNow(b *backendConn, x *exchange) error {
	was := x.repeatable
	x.repeatable = false
	_, err := s.catchUp(b, x)
	x.repeatable = was
	return err
}
