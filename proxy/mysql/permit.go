package mysql

import (
	"errors"

	"galley/cluster"
)

// errNotWriter says that a node is not the writer any more, as galleys have agreed.
var errNotWriter = errors.New("another node has become the writer")

// heldError says that a command was not sent, as galley has waited in vain for the leave to write.
type heldError struct{ err error }

func (e *heldError) Error() string { return e.err.Error() }

// attempt runs x on b, if it may be sent there. again says that another conn is to be chosen, as it has not been sent and may be sent elsewhere.
func (s *session) attempt(t target, b *backendConn, x *exchange, w *wait) (again bool, err error) {
	if s.onHung(b, x) {
		return false, &backendError{errNotWriter}
	}
	b.node.Backend.Begin()
	defer b.node.Backend.End()
	again, err = s.permitted(t, b, w)
	switch {
	case again:
		w.tries-- // It has not been run.
		return true, nil
	case errors.Is(err, errNotWriter):
		return false, &backendError{err}
	case err != nil:
		return false, &heldError{err}
	}
	b.set.commands.Add(1)
	s.startStep(b, x)
	s.runs(b, x)
	if s.ctx.Err() != nil { // Since cut has looked for what runs.
		_ = b.Close()
	}
	err = s.run(b, x)
	s.shown.running.Store(nil)
	return false, err
}

// permitted says whether what goes to t may be sent on b, where galleys agree on the writer: all but reads need their leave. It is asked after the node was told that something begins, so that
// whoever waits for its rest does not miss it. Where it is not permitted, again says whether to choose a conn once more, which is after a wait; err is a *wire.ServerError for the client or an
// *errSession where there is nothing to wait for, and errNotWriter where b is as good as lost.
func (s *session) permitted(t target, b *backendConn, w *wait) (again bool, err error) {
	if t == toReader || t == toNode || t == toLast || b == s.reader.conn || b.dirty {
		return false, nil
	}
	changed := s.srv.cluster.Changed()
	view := s.srv.cluster.View()
	switch view.Permit(b.node.Backend) {
	case cluster.Granted:
		return false, nil
	case cluster.Ending:
		if s.bound(b) {
			return false, nil
		}
	case cluster.Refused:
		if s.bound(b) {
			return false, errNotWriter
		}
	case cluster.Held:
	}
	b.node.Backend.End() // Nothing is under way there: the writer could not move while this waits behind the gate for what waits for the next writer.
	defer b.node.Backend.Begin()
	s.yield(w)
	if err := s.waitForNode(view, changed, t, w); err != nil {
		return false, err
	}
	return true, nil
}
