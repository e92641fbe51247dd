package mysql

import (
	"galley/balancer"
	"galley/cluster"
	"galley/proxy/mysql/classify"
)

// A node that is not the writer any more, because it hangs or because galleys have agreed on another, may still do what was sent there. But a transaction of which no COMMIT was sent can
// never be committed once its conn is closed: whenever the node goes on, it finds the conn closed behind the last statement that it got, and rolls back. So a statement that is in flight
// within such a transaction is given up and the whole transaction run again on the writer, with the others that go first (precede.go): it need not wait until the group has evicted the
// node. All of a node are given up at once, as what one of them held on the old node the next would get there. What commits by itself, and COMMIT, are waited for until the node is evicted.

// movable says whether what runs next on b may be moved elsewhere while nothing of its answer has been forwarded.
func (s *session) movable(b *backendConn, x *exchange) runState {
	switch {
	case x.repeatable && s.trx == nil && s.state.pins == 0 && x.cmd.Whole():
		return runMovable
	case s.trx == nil && x.locking && s.state.pins == 0 && x.cmd.Whole():
		return runInTrx
	case s.trx != b || s.log == nil || s.log.reads:
	case s.replayable(b, x, false) == hinderedNot, s.rollsBack(x):
		return runInTrx
	}
	return runStays
}

// rollsBack says whether x does nothing but end the session's transaction as its loss does.
func (s *session) rollsBack(x *exchange) bool {
	return x.of == classify.Rollback && !x.onceOnly && s.state.pins == 0 && !x.forwarded
}

// hangs says whether a node does not answer, and another one is the writer.
func hangs(view *cluster.View, node *cluster.Node) bool {
	w := view.WriterNode()
	return node.Reason == cluster.ProbeTimeout && w != nil && w.Backend != node.Backend
}

// writesIn says whether b is a conn to the writer. A statement that has chosen it and waits there for what was committed must not stay with a node that hangs: it has not begun.
func (b *backendConn) writesIn(view *cluster.View) bool {
	w := view.WriterNode()
	return w != nil && w.Backend == b.node.Backend
}

// losesRole says whether what is open on a node is lost as far as writing goes: it hangs, or galleys have agreed on another writer and do not wait for it.
func losesRole(view *cluster.View, node *cluster.Node) bool {
	return hangs(view, node) || view.Permit(node.Backend) == cluster.Refused
}

// moveTransactions takes the transactions that can be run again off nodes that are not the writer any more.
func (s *Server) moveTransactions(view *cluster.View) {
	for i := range view.Nodes {
		node := &view.Nodes[i]
		if !losesRole(view, node) {
			continue
		}
		if n := s.conns.of(node).move(runInTrx); n > 0 {
			s.log.Info("transactions are moved off a node that is not the writer any more", "node", node.Addr, "reason", node.Reason, "transactions", n)
		}
	}
}

// onHung says whether x is part of a transaction on a node that hangs, and would better be run with it elsewhere than be sent there.
func (s *session) onHung(b *backendConn, x *exchange) bool {
	if s.trx != b || s.log == nil || b.node.Backend.State() == balancer.Up {
		return false
	}
	view := s.srv.cluster.View()
	now := view.Node(b.node.Addr)
	return now != nil && hangs(view, now) && s.replayable(b, x, true) == hinderedNot
}
