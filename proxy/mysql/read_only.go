package mysql

import (
	"bytes"
	"slices"

	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// START TRANSACTION READ ONLY runs on a reader. What only one conn has, and other nodes' sessions must see (user locks), is the writer's business: a session that began it within such a
// transaction would be kept on a conn on which nothing can be written, or lock what nobody else asks for. So the transaction goes to the writer before: what it has read is read again there,
// and must be the same.

// onReader says whether the session's open transaction is on a conn for reads.
func (s *session) onReader() bool {
	return s.trx != nil && s.trx == s.reader.conn && !s.trx.dirty
}

// leaveReader ends the read-only transaction that is open on a reader where the next statement would end it and may not run there.
func (s *session) leaveReader(c *classify.Class) {
	if s.trx == nil || s.trx != s.reader.conn || !endsTransaction(c) {
		return
	}
	b := s.trx
	s.trx = nil
	if err := b.command(wire.ComQuery, "COMMIT"); err != nil {
		s.drop(b)
		return // It had nothing to lose.
	}
	s.status &^= wire.StatusInTrans | wire.StatusInTransReadOnly
}

// forWriter says whether a statement within a read-only transaction is for the writer: it begins a pin, or may begin one out of sight, or is about what is the writer's own. What the server
// refuses there (writes, temporary tables) a reader refuses as well.
func forWriter(c *classify.Class, sql []byte, changes []pinChange) bool {
	const (
		kinds = kindSet(1<<classify.Prepare | 1<<classify.Execute | 1<<classify.Call | 1<<classify.Handler | 1<<classify.XA | 1<<classify.Other | 1<<classify.SetGlobal)
		flags = classify.MultiStatement | classify.UnknownFunction | classify.UserLock | classify.ReleasesUserLock | classify.Sequence | classify.SetRole | classify.Locks | classify.IntoOutfile
	)
	switch {
	case kinds.has(c.Kind), c.Flags.Has(flags), begins(changes) && c.Kind != classify.TempTable:
		return true
	case c.Kind == classify.Set:
		lower := bytes.ToLower(sql)
		return slices.ContainsFunc(pinningVariables(), func(name string) bool { return bytes.Contains(lower, []byte(name)) })
	case c.Flags.Has(classify.ServerLocal):
		return mentions(sql, "_lock") // IS_FREE_LOCK(), IS_USED_LOCK().
	}
	return false
}

// noteSeen notes whether what the transaction on a reader has done so far must be found again where it goes: that it has a snapshot, or a savepoint.
func (s *session) noteSeen(x *exchange) {
	const blind = kindSet(1<<classify.Set | 1<<classify.Use | 1<<classify.Show | 1<<classify.Diagnostics | 1<<classify.Empty)
	switch {
	case !s.onReader():
		s.seen = false
	case !x.inTrx || x.commits:
		s.seen = x.flags.Has(classify.ConsistentSnapshot)
	case s.seen || x.sql == nil || x.prepared != nil:
	case x.of == classify.Read || x.of == classify.ReadWriter:
		tokens, ok := classify.Tokens(x.sql, s.mode())
		s.seen = !ok || selectsFrom(tokens)
	default:
		s.seen = !blind.has(x.of) || mentions(x.sql, "select")
	}
}

// goToWriter takes the session's transaction from a reader to the writer, so that x can be run in it there. again is false where that could not be done, and the client has been told.
func (s *session) goToWriter(x *exchange, w *wait) (again bool, end error) {
	b, why := s.trx, hinderedNot
	if s.seen {
		why = s.seenAgain(b)
	}
	s.settleAfter()
	s.trx = nil
	s.status &^= wire.StatusInTrans | wire.StatusInTransReadOnly
	if err := b.command(wire.ComQuery, "COMMIT"); err != nil {
		s.srv.lost(b, err)
		s.drop(b)
	}
	if why != hinderedNot {
		s.srv.metrics.refused[why].Add(1)
		s.srv.log.Info("a read-only transaction cannot go on on the writer: its client is told of a deadlock", "session", s.id, "node", b.node.Addr, "reason", why)
		return false, s.rolledBack()
	}
	kept := s.log != nil
	if !kept {
		s.beginLog(b)
	}
	if !s.seen {
		s.log.onlyBegins()
	}
	s.log.reads = false
	again, end = s.resume(x, w)
	if !kept {
		s.endLog()
	}
	return again, end
}

// seenAgain says what hinders that the transaction on b is run again elsewhere. b is well: what it has can be read.
func (s *session) seenAgain(b *backendConn) hindrance {
	switch {
	case s.log == nil:
		return hinderedOff
	case b.cursors > 0 || b.longs > 0:
		return hinderedCursor
	}
	return s.log.refused
}

// onlyBegins makes the log that of a read-only transaction which has just begun.
func (l *trxLog) onlyBegins() {
	clear(l.steps)
	l.text = wire.AppendCommand(l.text[:0], wire.ComQuery, "START TRANSACTION READ ONLY")
	l.hash.Reset()
	_, _ = l.hash.Write(make([]byte, 16)) // Of the OK packet's counts: see add.
	l.steps = append(l.steps[:0], step{end: len(l.text), sum: l.hash.Sum64()})
	l.refused = hinderedNot
}

// setsVariables says whether x has done nothing but set user variables, not from tables: on a reader's conn that is no part of its transaction. They go with the session.
func (l *trxLog) setsVariables(x *exchange) bool {
	return l.reads && x.of == classify.Set && x.assigns && !x.opaque && !mentions(x.sql, "select")
}
