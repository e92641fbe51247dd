package mysql

import (
	"time"

	"galley/cluster"
)

// SessionRow is one session as the status page shows it.
type SessionRow struct {
	ID      uint32
	User    string
	Client  string
	Schema  string
	State   string // "idle", "running", "in transaction", "waiting for a node", "waiting for its turn".
	Node    string
	Pins    string
	Age     time.Duration
	InTrans bool
}

// show publishes what others may see of the session.
func (s *session) show(b *backendConn) {
	if s.shown.node.Load() != b.node {
		s.shown.node.Store(b.node)
	}
	if inTrans := s.trx != nil; s.shown.inTrans.Load() != inTrans {
		s.shown.inTrans.Store(inTrans)
	}
	if p := uint32(s.state.pins); s.shown.pins.Load() != p {
		s.shown.pins.Store(p)
	}
	if s.state.shownAt != s.state.changes {
		s.showTimeout()
	}
	if *s.shown.schema.Load() != s.state.schema {
		schema := s.state.schema
		s.shown.schema.Store(&schema)
	}
}

// row gives the session's row; it may be called from any goroutine.
func (s *session) row(now time.Time) SessionRow {
	r := SessionRow{
		ID: s.id, User: s.userName(), Client: s.shown.addr, Age: now.Sub(s.shown.since), Pins: pins(s.shown.pins.Load()).String(), State: "idle",
		InTrans: s.shown.inTrans.Load(),
	}
	if schema := s.shown.schema.Load(); schema != nil {
		r.Schema = *schema
	}
	if node := s.shown.node.Load(); node != nil {
		r.Node = node.Addr
	}
	switch {
	case s.shown.waiting.Load():
		r.State = "waiting for a node"
	case s.shown.queued.Load():
		r.State = "waiting for a connection"
	case s.shown.held.Load():
		r.State = "waiting for its turn"
	case s.shown.busy.busy():
		r.State = "running"
	case r.InTrans:
		r.State = "in transaction"
	}
	return r
}

func (s *session) userName() string {
	if u := s.shown.user.Load(); u != nil {
		return *u
	}
	return ""
}

// Stats is the door's counters and gauges at one moment.
type Stats struct {
	Sessions, Active, Waiting                               int64
	SessionsTotal, Statements, Reads, Errors, Lost, Retries uint64
	Latency                                                 []Bucket // Cumulative; the last one's Bound is 0 and stands for all.
}

// Bucket is one step of a cumulative histogram.
type Bucket struct {
	Bound time.Duration
	Count uint64
}

// Stats gives the counters.
func (s *Server) Stats() Stats {
	m := &s.metrics
	st := Stats{
		Waiting: m.waiting.Load(), SessionsTotal: m.sessions.Load(), Reads: m.reads.Load(), Errors: m.errors.Load(),
		Lost: m.lostConns.Load(), Retries: m.retries.Load(),
	}
	for r := range routeReasons {
		st.Statements += m.statements[r].Load()
	}
	total := uint64(0)
	for i, bound := range m.bounds {
		total += m.latency[i].Load()
		st.Latency = append(st.Latency, Bucket{Bound: bound, Count: total})
	}
	st.Latency = append(st.Latency, Bucket{Count: total + m.latency[latencyBuckets].Load()})
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Sessions = int64(len(s.sessions))
	for _, c := range s.sessions {
		if c.shown.busy.busy() {
			st.Active++
		}
	}
	return st
}

// NodeStats gives how many backend conns are open to a node, and how many commands were sent to it.
func (s *Server) NodeStats(node *cluster.Node) (conns int, commands uint64) {
	set := s.conns.of(node)
	return set.len(), set.commands.Load()
}
