package mysql

import (
	"cmp"
	"slices"
	"time"
)

// SessionRow is one session as the status page shows it.
type SessionRow struct {
	ID      uint32
	User    string
	Client  string
	Schema  string
	State   string        // "idle", "running", "in transaction", "waiting for a node", "waiting for a connection", "waiting for its turn".
	For     time.Duration // It has been doing that, as far as that was seen.
	Node    string        // Where the last command ran.
	Holds   []string      // The nodes to which it has a conn now.
	Pins    string
	Age     time.Duration
	InTrans bool
}

// show publishes what others may see of the session.
func (s *session) show(b *backendConn) {
	if s.shown.node.Load() != b.node {
		s.shown.node.Store(b.node)
	}
	s.showHold()
	if s.state.shownAt != s.state.changes {
		s.showTimeout()
	}
	if *s.shown.schema.Load() != s.state.schema {
		schema := s.state.schema
		s.shown.schema.Store(&schema)
	}
}

// showHold publishes what keeps the session on a conn.
func (s *session) showHold() {
	if inTrans := s.trx != nil; s.shown.inTrans.Load() != inTrans {
		s.shown.inTrans.Store(inTrans)
	}
	if p, before := uint32(s.state.pins), s.shown.pins.Load(); before != p {
		s.shown.pins.Store(p)
		s.srv.metrics.pinned(pins(p &^ before))
	}
}

// row gives the session's row; it may be called from any goroutine.
func (s *session) row(now time.Time) SessionRow {
	r := SessionRow{
		ID: s.id, User: s.userName(), Client: s.shown.addr, Age: now.Sub(s.shown.since), Pins: pins(s.shown.pins.Load()).String(), State: "idle", For: s.since(now),
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
	case s.waiter.in.Load() != nil:
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

// interest is how soon a session is shown: first those that keep a conn between statements, then those that run something, then those that wait for one.
func (s *session) interest() int {
	switch {
	case s.shown.pins.Load() != 0 || s.shown.inTrans.Load():
		return 0
	case s.waiter.in.Load() != nil || s.shown.waiting.Load() || s.shown.held.Load():
		return 2
	case s.shown.busy.busy():
		return 1
	}
	return 3
}

// ranked is a session with its place in the list of sessions, as it was at a moment.
type ranked struct {
	*session
	interest int
}

func (a ranked) compare(b ranked) int {
	return cmp.Or(cmp.Compare(a.interest, b.interest), a.shown.since.Compare(b.shown.since), cmp.Compare(a.id, b.id))
}

// foremost gives the first limit sessions. There may be thousands more, and the status page's history asks each second: they are looked at once, and not sorted.
func (s *Server) foremost(limit int) []ranked {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := min(limit, len(s.sessions))
	if most <= 0 {
		return nil
	}
	first := make([]ranked, 0, 2*most)
	var last ranked // Of the first most, once so many are known.
	for _, c := range s.sessions {
		r := ranked{c, c.interest()}
		if last.session != nil && r.compare(last) > 0 {
			continue
		}
		if first = append(first, r); len(first) == cap(first) {
			slices.SortFunc(first, ranked.compare)
			first = first[:most]
			last = first[most-1]
		}
	}
	slices.SortFunc(first, ranked.compare)
	return first[:min(most, len(first))]
}

// Sessions gives at most limit sessions, those first that have conns for which others may wait, then those that wait; of alike ones the oldest first.
func (s *Server) Sessions(limit int) []SessionRow {
	all := s.foremost(limit)
	now, held := time.Now(), s.conns.holders()
	rows := make([]SessionRow, 0, len(all))
	for _, c := range all {
		row := c.row(now)
		row.Holds = held[c.session]
		slices.Sort(row.Holds)
		rows = append(rows, row)
	}
	return rows
}

func (s *session) userName() string {
	if u := s.shown.user.Load(); u != nil {
		return *u
	}
	return ""
}

// Stats is the door's counters and gauges at one moment.
type Stats struct {
	Sessions, Active, Waiting, Queued                       int64 // Waiting is for a node, Queued for a conn.
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
		if c.waiter.in.Load() != nil {
			st.Queued++
		}
	}
	return st
}
