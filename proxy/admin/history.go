package admin

import (
	"math"
	"time"
)

// maxNodeSeries bounds the memory for nodes that come and go; a Galera cluster is far smaller.
const maxNodeSeries = 64

// staleProbe is how old a node's figures may be to be drawn; nodes are polled every half second by default.
const staleProbe = 5 * time.Second

// history keeps what the graphs show: the last five minutes, one sample a second. Its owner (the board) serialises use.
type history struct {
	queries, reads, writes, errors *ring // a second
	sessions, active, waiting      *ring
	p50, p99                       *ring // seconds
	nodes                          map[string]*nodeHistory
	web                            webHistory
	window                         latencyWindow
	before                         MySQL
	at                             time.Time
}

type nodeHistory struct {
	recvQueue *ring
	paused    *ring // share of time, 0 to 1
	queries   *ring // a second
	before    uint64
	missed    int // samples since the node was last seen
}

func newHistory() *history {
	return &history{
		queries: newRing(), reads: newRing(), writes: newRing(), errors: newRing(),
		sessions: newRing(), active: newRing(), waiting: newRing(),
		p50: newRing(), p99: newRing(),
		nodes: make(map[string]*nodeHistory), web: newWebHistory(),
	}
}

func (h *history) traffic() []*ring {
	return []*ring{h.queries, h.reads, h.writes, h.errors, h.sessions, h.active, h.waiting, h.p50, h.p99}
}

func (n *nodeHistory) rings() []*ring { return []*ring{n.recvQueue, n.paused, n.queries} }

// add takes one sample. Seconds for which there was none (a machine that slept) become a gap.
func (h *history) add(now time.Time, s Snapshot) {
	elapsed := 0.0
	if !h.at.IsZero() {
		elapsed = now.Sub(h.at).Seconds()
		if gap := int(math.Round(elapsed)) - 1; gap > 0 {
			h.skip(gap)
		}
	}
	h.at = now

	m := s.MySQL
	h.queries.push(rate(h.before.QueriesTotal, m.QueriesTotal, elapsed))
	h.reads.push(rate(h.before.ReadsTotal, m.ReadsTotal, elapsed))
	h.writes.push(rate(h.before.WritesTotal, m.WritesTotal, elapsed))
	h.errors.push(rate(h.before.ErrorsTotal, m.ErrorsTotal, elapsed))
	h.sessions.push(float64(m.Sessions))
	h.active.push(float64(m.ActiveSessions))
	h.waiting.push(float64(waitingAtAll(m)))
	p50, p99 := h.window.add(m.Latency)
	h.p50.push(p50)
	h.p99.push(p99)
	h.before = m
	h.addNodes(s.Nodes, elapsed)
	h.web.add(s.Web, elapsed)
}

func (h *history) addNodes(rows []NodeRow, elapsed float64) {
	seen := make(map[string]bool, len(rows))
	for _, row := range rows {
		n := h.nodes[row.ID]
		since := elapsed
		if n == nil {
			if len(h.nodes) >= maxNodeSeries {
				continue
			}
			n = &nodeHistory{recvQueue: newRing(), paused: newRing(), queries: newRing()}
			h.nodes[row.ID] = n
			since = 0
		}
		seen[row.ID] = true
		n.missed = 0
		n.queries.push(rate(n.before, row.Queries, since))
		n.before = row.Queries
		if stale(row) {
			n.recvQueue.skip(1)
			n.paused.skip(1)
			continue
		}
		n.recvQueue.push(float64(row.RecvQueue))
		n.paused.push(row.FlowControlPaused)
	}
	for id, n := range h.nodes {
		if seen[id] {
			continue
		}
		for _, r := range n.rings() {
			r.skip(1)
		}
		if n.missed++; n.missed >= historyLen {
			delete(h.nodes, id)
		}
	}
}

// stale tells whether a node does not answer, or never has, so that its figures say nothing of now.
func stale(n NodeRow) bool {
	return n.State == "" || n.ProbeAge > staleProbe || n.ProbeAge == 0 && n.ProbeDuration == 0
}

func (h *history) skip(n int) {
	for _, r := range h.traffic() {
		r.skip(n)
	}
	for _, node := range h.nodes {
		for _, r := range node.rings() {
			r.skip(n)
		}
	}
	for _, r := range h.web.rings() {
		r.skip(n)
	}
}

// rate is a counter's growth a second; NaN when there is nothing to compare with or the counter went back.
func rate(before, now uint64, seconds float64) float64 {
	if seconds <= 0 || now < before {
		return math.NaN()
	}
	return float64(now-before) / seconds
}
