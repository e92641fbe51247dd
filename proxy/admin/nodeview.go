package admin

import (
	"fmt"
	"math"
)

// nodeView is one node's card.
type nodeView struct {
	ID, Name, Addr, Role, State string
	Level                       level
	Reason, Text                string
	Queue, Paused               chart
	RecvQueue, SendQueue        string
	PausedShare, Limit          string
	Queries, InFlight           string
	Share                       string
	ShareWidth                  int // of 100
	Running, Connections        string
	Pool                        poolView
	Behind, Version             string
	Probe                       string
	Stale                       bool // its figures are those of its last answer, long ago
	Discovered                  bool
	Buttons                     []buttonView
}

func newNodeView(n NodeRow, h *nodeHistory, newest int64) nodeView {
	name := firstOf(n.Name, n.Addr, n.ID)
	v := nodeView{
		ID: n.ID, Name: name, Addr: n.Addr, Role: n.Role, State: firstOf(n.State, "no answer"), Level: nodeLevel(n),
		Reason: humanReason(n.Reason), Text: n.ReasonText,
		RecvQueue: count(float64(n.RecvQueue)), SendQueue: count(float64(n.SendQueue)),
		PausedShare: percent(n.FlowControlPaused), Queries: none,
		InFlight: count(float64(n.InFlight)), Pool: newPoolView(n.Pool),
		Share: percent(n.Share), ShareWidth: int(math.Round(min(max(n.Share, 0), 1) * 100)),
		Running:     count(float64(n.ThreadsRunning)),
		Connections: count(float64(n.ThreadsConnected)) + " of " + count(float64(n.MaxConnections)),
		Behind:      count(float64(max(newest-n.LastCommitted, 0))), Version: n.Version,
		Probe:      seconds(n.ProbeDuration.Seconds()),
		Discovered: n.Discovered,
	}
	if stale(n) {
		v.forget(n)
	}
	if n.FCLimit > 0 {
		v.Limit = count(n.FCLimit)
	}
	queue, paused := newRing(), newRing()
	if h != nil {
		queue, paused = h.recvQueue, h.paused
		v.Queries = count(h.queries.last())
	}
	v.Queue, v.Paused = queueChart(name, n, queue), pausedChart(name, n, paused)
	return v
}

// forget takes out what was true at the last answer and says nothing of now.
func (v *nodeView) forget(n NodeRow) {
	v.Stale = true
	v.RecvQueue, v.SendQueue, v.PausedShare, v.Running, v.Connections, v.Behind = none, none, none, none, none, none
	switch {
	case n.ProbeAge == 0 && n.ProbeDuration == 0:
		v.Probe, v.State = "no answer yet", "no answer"
	case n.ProbeAge > staleProbe:
		v.Probe, v.State = "no answer for "+age(n.ProbeAge), "no answer"
	default:
		v.Probe = "no answer"
	}
}

// queueChart shows the flow-control limit only when the queue has come near it: a line far above says nothing.
func queueChart(name string, n NodeRow, r *ring) chart {
	values := r.series()
	highest := maxOf(values)
	p := plot{
		label:  fmt.Sprintf("Receive queue of %s over five minutes: now %d, highest %s", name, n.RecvQueue, count(highest)),
		format: count, least: 10,
		lines: []plotLine{{class: "queue", values: values, area: true}},
	}
	if highest*2 > n.FCLimit {
		p.limit = n.FCLimit
	}
	return newChart(p)
}

func pausedChart(name string, n NodeRow, r *ring) chart {
	values := r.series()
	return newChart(plot{
		label: fmt.Sprintf("Share of time that %s was paused by flow control over five minutes: now %s, highest %s",
			name, percent(n.FlowControlPaused), percent(maxOf(values))),
		format: percent, least: 1, fixed: true,
		lines: []plotLine{{class: "paused", values: values, area: true}},
	})
}

func newestCommit(rows []NodeRow) int64 {
	newest := int64(0)
	for _, n := range rows {
		newest = max(newest, n.LastCommitted)
	}
	return newest
}
