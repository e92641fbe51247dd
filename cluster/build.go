package cluster

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"galley/balancer"
)

// build is one run of BuildView.
type build struct {
	rules Rules
	prev  *View
	obs   []Observation // sorted as nodes are, aliases taken out
	view  *View
	fresh []bool // the node's newest answer still stands
}

// BuildView makes the next view from the one before and what was observed. It
// is pure: no clock, no I/O, and nothing of prev or obs is changed. prev may be
// nil.
func BuildView(prev *View, obs []Observation, rules Rules) *View {
	if prev == nil {
		prev = &View{Writer: -1, ConfID: -1, agreed: agreement{claim: claim{conf: -1}}}
	}
	b := &build{rules: rules, prev: prev, obs: sortObservations(obs)}
	b.view = &View{At: rules.Now, Writer: -1, lease: rules.Lease, WriterSince: prev.WriterSince, Nodes: make([]Node, len(b.obs))}
	b.fresh = make([]bool, len(b.obs))
	for i := range b.obs {
		b.fresh[i] = b.judge(i)
		b.view.Nodes[i].stale = !b.fresh[i]
	}
	b.agree()
	for i := range b.view.Nodes {
		b.apart(i)
		b.crossCheck(i)
	}
	for i := range b.view.Nodes {
		b.finish(i)
	}
	b.elect()
	b.chooseReaders()
	b.degrade()
	b.view.Server = commonFacts(b.view, prev.Server)
	b.view.Version = prev.Version
	b.view.Events = differences(prev, b.view)
	if prev.Version == 0 || !sameUse(prev, b.view) {
		b.view.Version++
	}
	return b.view
}

// sortObservations orders by configuration, then by address, and drops what is
// a second address of a node that an earlier one has already.
func sortObservations(obs []Observation) []Observation {
	sorted := slices.Clone(obs)
	slices.SortStableFunc(sorted, func(x, y Observation) int {
		switch {
		case x.Configured && y.Configured:
			return cmp.Or(cmp.Compare(x.Rank, y.Rank), strings.Compare(x.Addr, y.Addr))
		case x.Configured:
			return -1
		case y.Configured:
			return 1
		}
		return strings.Compare(x.Addr, y.Addr)
	})
	seen := map[string]bool{}
	return slices.DeleteFunc(sorted, func(o Observation) bool {
		id := o.Status.GcommUUID
		if id == "" || o.Fault != OK || o.Lost {
			return false
		}
		dup := seen[id]
		seen[id] = true
		return dup
	})
}

// before is the node at this address in the view before, or nil.
func (b *build) before(addr string) *Node {
	for i := range b.prev.Nodes {
		if b.prev.Nodes[i].Addr == addr {
			return &b.prev.Nodes[i]
		}
	}
	return nil
}

// judge fills in a node by its own answers alone and says whether its newest
// answer still stands.
func (b *build) judge(i int) bool {
	o, n := &b.obs[i], &b.view.Nodes[i]
	*n = Node{
		ID: o.Status.GcommUUID, Addr: o.Addr, Name: o.Name, Configured: o.Configured, SeenAs: o.SeenAs, Remote: o.Remote,
		Backend: o.Backend, Status: o.Status, Began: o.Began, LastSeen: o.Ended, Err: o.Err, Share: 1, rank: o.Rank,
	}
	if n.Name == "" {
		n.Name = o.Status.NodeName
	}
	if was := b.before(o.Addr); was != nil {
		n.blocked, n.LostSince, n.Load = was.blocked, was.LostSince, was.Load
		if was.ID == n.ID {
			n.wasIn, n.lastConf, n.lastUUID, n.silent = was.wasIn, was.lastConf, was.lastUUID, was.silent
			n.Evicted, n.evicted, n.incomplete = was.Evicted, was.evicted, was.incomplete
		}
	}
	switch {
	case o.Untrusted:
		n.Reason = NotTrusted
		return false
	case o.Fault != OK:
		n.Reason = o.Fault
		return false
	case !o.Miss.IsZero():
		if at := b.rules.hang(o); !o.Lost && b.rules.Now.Before(at) {
			b.wakeAt(at)
			break
		}
		n.Reason = ProbeTimeout
		return false
	}
	if !o.answered() {
		n.Reason = Starting
		return false
	}
	if !b.used(o.Addr) && b.prev.Version != 0 && o.Ended.Sub(o.Began) >= b.rules.SuspectAfter {
		// The answer of a node that hung may have waited in it since before:
		// it is asked again before it counts.
		n.Reason = ProbeTimeout
		b.view.reprobe = append(b.view.reprobe, o.Addr)
		return false
	}
	n.completeness()
	v := Classify(o.Status)
	n.WriteGrade, n.ReadGrade, n.Reason = v.Write, v.Read, v.Reason
	return true
}

// used says whether the node was usable for anything in the view before.
func (b *build) used(addr string) bool {
	was := b.before(addr)
	return was != nil && was.usable()
}

// usable says whether the node may be used for anything.
func (n *Node) usable() bool { return n.WriteGrade != Never || n.ReadGrade != Never }

// enact brings what the view says of the node into effect.
func (n *Node) enact() {
	switch b := n.Backend; {
	case n.Drained:
		b.SetState(balancer.Draining)
	case b.State() == balancer.Draining:
		b.SetState(balancer.Down)
		fallthrough
	default:
		b.SetHealthy(n.usable())
	}
}

// refuse makes the node unusable.
func (n *Node) refuse(r Reason) { n.WriteGrade, n.ReadGrade, n.Reason = Never, Never, r }

// finish brings in what comes after the judgement: draining, queue, load, and
// since when a node is lost.
func (b *build) finish(i int) {
	o, n := &b.obs[i], &b.view.Nodes[i]
	if n.Drained = o.Drained; n.Drained && n.usable() {
		n.refuse(Draining)
	}
	if b.fresh[i] {
		n.Share, n.blocked = shareOf(n.Status, b.rules.Limits, n.blocked)
		if n.Share == 0 && n.Reason == OK {
			n.Reason = QueueHigh
		}
		n.Load = b.load(o, n.Load)
	}
	switch {
	case n.usable():
		n.LostSince = time.Time{}
	case n.LostSince.IsZero():
		n.LostSince = b.rules.Now
	}
}

// load turns a new answer into reported load. Half of it is what was before:
// Threads_running is one look at a number that jumps.
func (b *build) load(o *Observation, before float64) float64 {
	if was := b.before(o.Addr); was != nil && was.Began.Equal(o.Began) {
		return before
	}
	// Without the probe itself and what galley counts as its own in flight.
	threads := max(float64(o.Status.ThreadsRunning)-1-float64(o.InFlight), 0)
	now := b.rules.ThreadsWeight*threads + b.rules.QueueWeight*float64(o.Status.RecvQueue)
	return (before + now) / 2
}

// wakeAt notes that time alone changes the view at that moment.
func (b *build) wakeAt(at time.Time) {
	if b.view.wake.IsZero() || at.Before(b.view.wake) {
		b.view.wake = at
	}
}
