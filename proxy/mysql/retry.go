package mysql

import (
	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// A write that loses against one of another node is rolled back by Galera, and its client told of a deadlock (1213). A single DML statement outside a transaction has then done nothing
// at all, and is run again. A procedure may have committed before it was rolled back (facts: trap 5), so nothing is run again that may call one.

// conflictError is an ERR packet, not forwarded, that says that what was running has been rolled back in favour of something else.
type conflictError struct{ *wire.ServerError }

// isConflict says whether an ERR packet's code says so. A COMMIT that has failed with 1180 may all the same be applied by the group (facts: trap 5).
func isConflict(code uint16) bool { return code == codeDeadlock || code == codeRecordChanged }

// conflict gives the error by which x is run again, or nil where the client must see that b has rolled it back.
func (s *session) conflict(b *backendConn, x *exchange, p []byte) error {
	if !isConflict(errorCode(p)) || x.forwarded || !x.cmd.Whole() || x.conflicts >= s.srv.config().DeadlockRetries {
		return nil
	}
	if s.retriable(b, x) || s.rolledBackBy(b, x) {
		return &conflictError{wire.ParseErr(p)}
	}
	return nil
}

// retriable says whether x is a single statement that commits by itself, and of which nothing is left once it has been rolled back.
func (s *session) retriable(b *backendConn, x *exchange) bool {
	switch {
	case x.of != classify.DML || x.opaque || x.sequence || x.assigns || len(x.changes) > 0:
		return false
	case x.inTrx || s.trx != nil || s.state.pins != 0 || b.longs > 0 || s.status&wire.StatusAutocommit == 0:
		return false
	}
	return !s.srv.engines.Snapshot().Any() // A trigger may write to a table that is not rolled back.
}

// conflicted sees to x where it, or the transaction that it is part of, was rolled back: it is run again, or the client has been told.
func (s *session) conflicted(b *backendConn, x *exchange, w *wait) (again bool, end error) {
	x.failed = false
	x.conflicts++
	if s.trx != b {
		s.srv.metrics.conflicts.Add(1)
		return true, nil
	}
	s.log.again++
	s.trx = nil
	if err := b.command(wire.ComQuery, "ROLLBACK"); err != nil { // It is already, but for errors that undo a statement only.
		s.srv.lost(b, err)
		s.drop(b)
	}
	return s.resume(x, w)
}
