package cluster

import (
	"slices"
	"time"
)

// What the monitor remembers: enough for the page's history of the writer and
// ten minutes of graphs at the usual interval.
const (
	maxEvents  = 500
	maxSamples = 1200
)

// past is the monitor's memory of events and measurements, under its lock.
type past struct {
	events []Event
	nodes  map[string]*track
}

// track is what was measured of one node.
type track struct {
	began    time.Time
	pausedNS int64
	paused   time.Duration // in flow control since galley started
	fcSent   int64
	asked    int64 // pauses that the node has asked for since galley started, as far as they were seen
	samples  []Sample
}

func (p *past) init() { p.nodes = map[string]*track{} }

// add notes a view's events, and a sample for each node that has answered
// anew.
func (p *past) add(v *View, obs []Observation) {
	p.note(v.Events...)
	for addr := range p.nodes {
		if v.at(addr) == nil {
			delete(p.nodes, addr)
		}
	}
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if n.LastSeen.IsZero() {
			continue
		}
		t := p.nodes[n.Addr]
		if t == nil {
			t = &track{pausedNS: n.Status.PausedNS, fcSent: n.Status.FCSent}
			p.nodes[n.Addr] = t
		}
		if n.Began.Equal(t.began) {
			continue
		}
		at := slices.IndexFunc(obs, func(o Observation) bool { return o.Addr == n.Addr })
		t.add(n, obs[at].InFlight)
	}
}

// note notes events.
func (p *past) note(events ...Event) {
	p.events = append(p.events, events...)
	if over := len(p.events) - maxEvents; over > 0 {
		p.events = slices.Delete(p.events, 0, over)
	}
}

// add notes one answer.
func (t *track) add(n *Node, inFlight int64) {
	// The counter starts again with the node.
	delta := time.Duration(n.Status.PausedNS - t.pausedNS)
	if delta < 0 {
		delta = time.Duration(n.Status.PausedNS)
	}
	part := 0.0
	if since := n.Began.Sub(t.began); !t.began.IsZero() && since > 0 {
		part = min(float64(delta)/float64(since), 1)
	}
	asked := pausesAsked(t.fcSent, n.Status.FCSent)
	t.asked += asked
	t.fcSent = n.Status.FCSent
	t.paused += delta
	t.pausedNS, t.began = n.Status.PausedNS, n.Began
	t.samples = append(t.samples, Sample{
		At: n.LastSeen, RecvQueue: n.Status.RecvQueue, SendQueue: n.Status.SendQueue, Paused: part, Asked: asked > 0 || n.Status.FCRequested,
		ThreadsRunning: n.Status.ThreadsRunning, InFlight: inFlight, Load: n.Load,
	})
	if over := len(t.samples) - maxSamples; over > 0 {
		t.samples = slices.Delete(t.samples, 0, over)
	}
}

// pausesAsked is how often a node has asked for a pause between two probes. The
// counter begins again with the node, and for whoever reads it on some versions.
func pausesAsked(was, is int64) int64 {
	if is < was {
		return is
	}
	return is - was
}

// list copies the events.
func (p *past) list() []Event { return slices.Clone(p.events) }

// samples copies a node's samples.
func (p *past) samples(addr string) []Sample {
	if t := p.nodes[addr]; t != nil {
		return slices.Clone(t.samples)
	}
	return nil
}

// asked is how many pauses a node has asked for since galley started.
func (p *past) asked(addr string) int64 {
	if t := p.nodes[addr]; t != nil {
		return t.asked
	}
	return 0
}

// paused is how long a node has been in flow control since galley started.
func (p *past) paused(addr string) time.Duration {
	if t := p.nodes[addr]; t != nil {
		return t.paused
	}
	return 0
}
