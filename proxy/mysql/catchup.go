package mysql

import "galley/proxy/mysql/wire"

// catchUp sees to it that b has the session's state: schema, variables, galley's tracking. What is missing is put into b.out, to be sent in front of a repeatable command in
// one write (n says how many answers come first), or is sent and confirmed at once before any other command: a failure must not let a write run in the wrong state.
func (s *session) catchUp(b *backendConn, x *exchange) (n int, err error) {
	x.inTrx = s.trx == b
	if x.asksBack && b == s.last {
		return 0, nil
	}
	front := false
	if !x.waited { // Else it did before it was prepared.
		x.upTo = s.waitFor(b, x)
		x.waited = x.upTo > 0
		front = x.waited && !waitsByItself(x.sql)
	}
	if x.waited {
		b.run.CompareAndSwap(runMovable, runWaits)
	}
	schema := b.schema != s.state.schema && s.state.schema != ""
	if b.synced == s.state.version && !schema && !b.retrack && !front && x.waited == b.raised {
		return 0, nil
	}
	b.out = b.out[:0]
	if b.retrack {
		b.out = wire.AppendCommand(b.out, wire.ComQuery, b.setup)
		b.retrack = false
		n++
	}
	if s.appendSettings(b, x.waited) {
		b.out = wire.AppendCommand(b.out, wire.ComQuery, s.scratch)
		n++
	}
	if schema {
		b.out = wire.AppendCommand(b.out, wire.ComInitDB, s.state.schema)
		b.schema = s.state.schema
		n++
	}
	if front {
		// What does not wait by itself comes behind what does: preparing, for one, and the table may be new.
		b.out = wire.AppendCommand(b.out, wire.ComQuery, "SELECT 1")
		n++
	}
	if n == 0 || x.repeatable && x.cmd.Whole() {
		return n, nil
	}
	if err := b.Write(b.out); err != nil {
		return 0, &backendError{err}
	}
	for range n {
		if err := b.swallow(wire.AnswerQuery); err != nil {
			x.preambleFailed = isRefusal(err)
			return 0, &backendError{err}
		}
	}
	return 0, nil
}

// appendSettings puts into the session's scratch the statement that sets what b lacks, and says whether there is any.
func (s *session) appendSettings(b *backendConn, raise bool) bool {
	found := false
	s.scratch = s.scratch[:0]
	if b.synced != s.state.version {
		s.scratch, found = s.state.appendReplay(s.scratch, b.synced, s.srv.numeric)
		b.synced = s.state.version
	}
	if raise == b.raised && (!raise || !found) { // What was replayed may have taken it back.
		return found
	}
	if found {
		s.scratch = append(s.scratch, ", "...)
	} else {
		s.scratch = append(s.scratch, "SET SESSION "...)
	}
	if b.raised = raise; raise {
		s.scratch = append(s.scratch, raiseWait...)
	} else {
		s.scratch = s.lowerWait(s.scratch)
	}
	return true
}

// catchUpNow brings b up to date and waits for the confirmation.
func (s *session) catchUpNow(b *backendConn, x *exchange) error {
	was := x.repeatable
	x.repeatable = false
	_, err := s.catchUp(b, x)
	x.repeatable = was
	return err
}
