package mysql

import (
	"galley/config"
	"galley/proxy/mysql/classify"
)

// How much a statement must see is what its own hint says, else what the configuration says of its user, else of all.

// awaiting is what a statement waits for before it runs on a node.
type awaiting byte

const (
	awaitNothing awaiting = iota
	awaitKnown            // What galley has acknowledged.
	awaitFresh            // That, and what other galleys have acknowledged: the writer is asked anew.
	awaitGroup            // What the cluster has committed, whoever wrote it where.
)

// levelIn is the session's level for a statement with a hint.
func (s *session) levelIn(hint classify.Consistency) string {
	switch hint {
	case classify.ClusterConsistency:
		return config.Consistent
	case classify.SessionConsistency:
		return config.OwnWrites
	case classify.EventualConsistency:
		return config.Eventual
	case classify.StrictConsistency:
		return config.Strict
	case classify.NoConsistency:
	}
	if conf := s.srv.config(); s.levelBy != conf || s.levelUser != s.login.user {
		s.levelBy, s.levelUser, s.level = conf, s.login.user, conf.ConsistencyOf(s.login.user)
	}
	return s.level
}

// awaits says what x must wait for before it runs on b.
func (s *session) awaits(b *backendConn, x *exchange) awaiting {
	if x.noData || s.trx == b || b.dirty {
		return awaitNothing
	}
	if x.replays && !s.srv.hasLed(b) {
		return awaitGroup // It must see what its transaction has seen on the writer before, on which others may have committed.
	}
	if s.read().strict {
		return awaitGroup
	}
	level := s.levelIn(x.level)
	if level == config.Eventual {
		return awaitNothing
	}
	if level == config.Strict && x.repeatable {
		return awaitGroup
	}
	applied, backend := b.set.applied.Load(), b.node.Backend
	if level == config.OwnWrites {
		if applied < s.srv.causal.needOf(backend, s.wrote) {
			return awaitKnown
		}
		return awaitNothing
	}
	if s.srv.peers() {
		if w := s.srv.cluster.View().WriterNode(); w == nil || w.Backend != backend {
			return awaitFresh
		}
		if !s.srv.hasLed(b) {
			return awaitGroup // It may not yet have what other galleys have acknowledged on the writer before.
		}
	}
	if applied < s.srv.causal.need(backend) {
		return awaitKnown
	}
	return awaitNothing
}

// hasLed says whether b's node is known to have applied, since it is the writer, all that was committed before.
func (s *Server) hasLed(b *backendConn) bool { return s.leads(b.set) }

// leads says the same of a node's conns.
func (s *Server) leads(set *connSet) bool {
	view := s.cluster.View()
	w := view.WriterNode()
	return w != nil && w.Backend == set.node && set.led.Load() == view.WriterSince.UnixNano()
}

// writerHasAll says whether there is a writer that is known to have all that was acknowledged, so that a read there waits for nothing.
func (s *Server) writerHasAll() bool {
	w := s.cluster.View().WriterNode()
	if w == nil {
		return false
	}
	set := s.conns.of(w)
	return set.applied.Load() >= s.causal.need(w.Backend) && (!s.peers() || s.leads(set))
}

// acked gives a write on b its number, before the client is told. A conn that refuses writes has made none, also where a transaction has ended there: its node must not be taken for the one whose
// turn it is, for which every other would then be waited.
func (s *session) acked(b *backendConn) {
	if !b.readOnly {
		s.wrote = s.srv.causal.ack(b.node.Backend)
	}
}
