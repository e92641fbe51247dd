package mysql

import (
	"context"
	"errors"
	"fmt"

	"galley/cluster"
	"galley/config"
	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// While no node is in a primary component, and the operator has said so (cluster.degraded: readonly), reads go to nodes outside of one, over conns of their own that have
// wsrep_dirty_reads=ON and refuse writes. Whatever may write is refused before it is sent. What a session sets, and transactions that only read, go there as well. When a primary component is
// there again these conns are closed, and no other use is made of them: a transaction that is open on one is run again on the writer like one that was lost, a session with a pin there has lost it.

// dirtyReads is set on such a conn besides onlyReads.
const dirtyReads = ", wsrep_dirty_reads=ON"

// refusedDegraded says why x is refused while there is no primary component; "" where it is not.
func (s *session) refusedDegraded(x *exchange) string {
	switch {
	case x == nil: // Something of galley's own.
		return ""
	case x.of == classify.Commit || x.of == classify.Rollback:
		return "" // Of what has only read.
	case x.of == classify.SetGlobal, x.of == classify.LockTables, x.writes:
		return "it may write"
	case !x.noData && (s.read().strict || s.levelIn(x.level) == config.Strict):
		return "it must see all that is committed (consistency strict), which no node can know"
	}
	return ""
}

// degradedError tells the client what is so, why, and what there is to do.
func degradedError(why string) *wire.ServerError {
	return wire.NewError(codeOptionPrevents, "galley: only reads are answered now, as no node of the cluster is in a primary component (cluster.degraded: readonly); this statement was not run: %s. "+
		"Try again when most nodes are back, or make one primary (SET GLOBAL wsrep_provider_options='pc.bootstrap=1'); see the status page or 'galley check'", why)
}

// inDegraded gives the error of what is refused in a view without a primary component, and gives up the conns that are of no use in the view: also one with a transaction or a pin, which then
// counts as lost.
func (s *session) inDegraded(view *cluster.View, w *wait) error {
	for _, sl := range s.slots() {
		b := sl.conn
		switch {
		case b == nil || b.dirty == view.Degraded:
		case !s.bound(b):
			s.leaveSlot(sl)
		case b.dirty && !b.lost.Swap(true):
			_ = b.Close()
		}
	}
	if !view.Degraded {
		return nil
	}
	why := s.refusedDegraded(w.x)
	if why == "" {
		return nil
	}
	s.srv.metrics.degraded.Add(1)
	return degradedError(why)
}

// dirtyIn gives the conn of what otherwise runs on the writer, in a view without a primary component.
func (s *session) dirtyIn(view *cluster.View) (*backendConn, error) {
	if s.retakeFitting(&s.writer) {
		return s.writer.conn, nil
	}
	s.leaveSlot(&s.writer)
	node := s.srv.pickReader(view)
	b, err := s.acquire(view, node, true)
	if b != nil {
		s.writer.fill(b)
	}
	return b, err
}

// errNoReset says that a conn with dirty reads cannot be made to fit its session: a node outside of a primary component refuses COM_RESET_CONNECTION (1047; measured on 10.11.19).
var errNoReset = errors.New("a conn with dirty reads cannot be reset")

// wantsReset says whether a conn with dirty reads is as another session has left it: it is closed then.
func (s *session) wantsReset(b *backendConn) bool {
	return b.unsure || b.foreign&tieVariables != 0 || b.synced != s.state.version && !s.state.covers(b.vars)
}

// leaveDegraded closes the conns with dirty reads that no session has, and moves the reads that run on others, where there is a primary component.
func (s *Server) leaveDegraded(ctx context.Context, was bool, view *cluster.View) bool {
	if was && !view.Degraded && ctx.Err() == nil {
		n := 0
		for _, set := range s.conns.all() {
			n += set.leaveDirty()
		}
		s.log.Info("reads go by a primary component again: the conns with dirty reads are closed", "conns", n)
	}
	return view.Degraded
}

// leaveDirty closes the idle conns with dirty reads, and those whose reads may be run again elsewhere. Those of other sessions are closed when they are given back.
func (c *connSet) leaveDirty() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for b := range c.conns {
		switch {
		case !b.dirty:
			continue
		case b.in != nil:
			c.discard(b)
		case b.run.CompareAndSwap(runMovable, runMoved):
			b.lost.Store(true)
			_ = b.Close()
		}
		n++
	}
	return n
}

// spent says whether b has dirty reads and there is a primary component.
func (c *connSet) spent(b *backendConn) bool { return b.dirty && !c.srv.cluster.View().Degraded }

// dirtyNode says whether a node is read with dirty reads in a view.
func dirtyNode(view *cluster.View, node *cluster.Node) bool {
	return view.Degraded && node.Dirty
}

// refusedDirty gives what the client is told where a conn with dirty reads has refused x, which it then has not run; nil elsewhere.
func refusedDirty(b *backendConn, refused *wire.ServerError) *wire.ServerError {
	if !b.dirty {
		return nil
	}
	return degradedError(fmt.Sprintf("its node refuses it (%d)", refused.Code))
}
