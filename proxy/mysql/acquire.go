package mysql

import (
	"context"
	"errors"
	"slices"

	"galley/cluster"
	"galley/proxy/mysql/wire"
)

// acquire gets a conn to node for the session, waiting for one if need be. Neither conn nor error means that the node could not be reached and another view is to be waited for.
func (s *session) acquire(view *cluster.View, node *cluster.Node, reads bool) (*backendConn, error) {
	s.followAccount()
	set := s.srv.conns.of(node)
	w := &s.waiter
	if w.ch == nil {
		w.ch = make(chan delivery, 2) // With room for a wake-up in front of what it waits for.
	}
	w.session, w.node, w.login = s, node, &s.login
	w.key = poolKey{user: s.login.user, account: s.login.account, caps: s.login.caps, reads: reads, dirty: dirtyNode(view, node), client: s.login.client}
	w.bare = s.needsBare()
	for {
		b, room := set.take(w)
		s.stepOut() // What came later stands behind it there.
		if !room {
			return nil, s.srv.full(set, w)
		}
		if b == nil {
			var err error
			if b, err = s.await(view, set, w); b == nil {
				return nil, s.unopened(node, err)
			}
		}
		if b.idleSince != s.srv.tick.Load() && b.Idle() != nil {
			s.drop(b) // The node has closed it meanwhile; there may be more of them.
			continue
		}
		if b.rescue != nil {
			s.save(b)
		}
		if b.dirty && s.wantsReset(b) {
			s.drop(b)
			continue
		}
		s.collect() // What was left on the conn before this one comes first.
		if b.lost.Load() {
			s.drop(b)
			continue
		}
		if s.last == b {
			s.last = nil // Others have used it since.
		}
		return b, nil
	}
}

// followAccount has the session's conns from now on be those of its account as it has become, as far as galley can log in as before. Else each conn would be closed behind a
// statement, as one of an account that is not what it was.
func (s *session) followAccount() {
	set := s.srv.accounts.Snapshot()
	if set == s.accounts || s.account == nil {
		return
	}
	s.accounts = set
	row := &s.login.account
	for _, a := range set.All() {
		if a.User == row.user && a.Host == row.host && a.Password == s.account.Password && slices.Equal(a.Methods, s.account.Methods) {
			row.fingerprint = a.Fingerprint
			return
		}
	}
}

// save reads what another session has left on b.
func (s *session) save(b *backendConn) {
	if err := b.rescue.read(b); err != nil {
		b.endRescue()
		b.foreign |= tieVariables | tieInsertID
		if !isRefusal(err) {
			b.lost.Store(true)
		}
		return
	}
	b.rescue.end()
	b.rescue = nil
}

// await waits in set's queue. Nothing but a receive: whatever ends the wait is told through the queue (queue.go), which costs a statement less than a timer and a select of four.
func (s *session) await(view *cluster.View, set *connSet, w *waiter) (*backendConn, error) {
	s.takeHalts()
	defer set.shown.queued(w)
	for {
		var end error
		switch now := s.srv.cluster.View(); { // Also what came before the session was seen to wait.
		case s.ctx.Err() != nil:
			end = endSession(s.stopReason(), context.Cause(s.ctx))
		case now != view && !w.servedIn(now):
		case s.isHalted():
			end = errHalted()
		default:
			d := <-w.ch
			switch {
			case d.woken:
				set.wasWoken(w)
				continue
			case d.late:
				return nil, s.srv.full(set, w)
			}
			return d.b, d.err
		}
		if d, got := set.leaveQueue(w); got {
			return d.b, d.err
		}
		return nil, end
	}
}

// isHalted says whether a KILL QUERY has come.
func (s *session) isHalted() bool {
	select {
	case <-s.halt:
		return true
	default:
		return false
	}
}

// servedIn says whether what w waits for would go to the same node in another view.
func (w *waiter) servedIn(view *cluster.View) bool {
	if !w.key.reads {
		writer := view.WriterNode()
		return writer != nil && writer.Backend == w.node.Backend
	}
	return w.key.dirty == view.Degraded && slices.ContainsFunc(view.Readers, func(i int) bool { return view.Nodes[i].Backend == w.node.Backend })
}

// fullError says that no conn came free.
type fullError struct{ *wire.ServerError }

func (e *fullError) Unwrap() error { return e.ServerError }

// full is the error of a session that no conn came free for.
func (s *Server) full(set *connSet, w *waiter) error {
	conns, _, waiting := set.counts()
	set.shown.timedOut()
	return &fullError{wire.NewError(codeTooManyConnections, "galley: no connection to a node came free in time (node %s: %d open of %d, %d sessions wait): see mysql.pool in galley's configuration",
		w.node.Addr, conns, s.limit(w.node), waiting)}
}

// isFull says whether an error is that of a full pool.
func isFull(err error) bool {
	_, ok := errors.AsType[*fullError](err)
	return ok
}

// unopened says what it means that a conn to node could not be opened.
func (s *session) unopened(node *cluster.Node, err error) error {
	if _, ok := errors.AsType[*errSession](err); err == nil || ok || isFull(err) {
		return err
	}
	s.srv.metrics.dialErrors.Add(1)
	if _, ok := errors.AsType[*dialError](err); ok {
		s.srv.log.Debug("cannot open a backend conn", "session", s.id, "node", node.Addr, "error", err)
		s.srv.trouble(node)
		return nil
	}
	var refused *wire.ServerError
	if errors.As(err, &refused) && (refused.Code == codeUnknownCommand || refused.Code == codeTooManyConnections || refused.Code == codeServerShutdown) {
		s.srv.trouble(node)
		return nil
	}
	if errors.As(err, &refused) && (refused.Code == codeAccessDenied || refused.Code == codeExpired) {
		s.srv.accountsChanged()
	}
	s.srv.log.Info("a node refused a login", "session", s.id, "user", s.login.user, "node", node.Addr, "error", err)
	if refused != nil && refused.Code == codeExpired {
		_ = s.writeError(refused) // It would be so for each statement to come, and a login would have told the client.
		return endSession(closeAccessDenied, errExpired)
	}
	return clientError(err, "a node refused the login")
}
