package cluster

import (
	"net/netip"
	"time"

	"galley/balancer"
)

// Observation is what the monitor knows of one address: the newest answer, and
// how the newest probe is going. It is a value; BuildView keeps nothing of it
// but what it copies.
type Observation struct {
	Addr       string
	Name       string
	Configured bool
	Rank       int // order in the configuration
	Backend    *balancer.Backend
	Untrusted  bool // a member that gets no credentials: never probed
	Drained    bool // an operator has taken it out
	SeenAs     netip.Addr
	Remote     netip.AddrPort

	// The newest answer. Began is taken before the probe is sent: what the
	// answer says held at some moment between Began and Ended.
	Status       Status
	Began, Ended time.Time
	InFlight     int64 // galley's own statements there at Ended

	// Miss is the begin of the first probe that has had no answer since the
	// newest answer; zero when there is none.
	Miss time.Time
	// Fault is what the newest probe failed with, OK if it did not fail or
	// merely had no answer in time; Refused, that nothing listens there.
	Fault   Reason
	Refused bool
	Err     string
	// Lost says that a probe has failed outright since the newest answer: that
	// answer does not stand any more, however the next probe goes.
	Lost bool
}

// answered says whether the node has ever answered.
func (o *Observation) answered() bool { return !o.Ended.IsZero() }

// Rules are what BuildView decides by, besides what was observed.
type Rules struct {
	Now     time.Time
	Started time.Time // when the monitor began
	Limits  Limits
	// Move is the address of the node that is to become the writer, if it is
	// fit; empty where the writer is to stay.
	Move string
	// Lease says which node may be written to; nil where galley decides alone.
	Lease *Lease
	// Orderly says that somebody moves the writer's role away from a node that
	// has become a last resort (Switcher.Run).
	Orderly bool
	// ReadsOnWriter lets the writer be one of the readers.
	ReadsOnWriter bool
	// DegradedReads has nodes read that are in no primary component, where no
	// node is in one.
	DegradedReads bool
	// ThreadsWeight and QueueWeight turn Threads_running and the receive
	// queue into load.
	ThreadsWeight, QueueWeight float64
	Interval                   time.Duration // between probes
	SuspectAfter               time.Duration // no answer for so long: hangs
	// Settle is how long after a new view was first seen a probe must begin
	// to count against a node that is not in it: nodes install a view a
	// moment apart.
	Settle time.Duration
	// Forget is how long nobody must have been seen in the known view before
	// an older or foreign one is accepted without further proof.
	Forget time.Duration
	// Startup is how long the first choice of a writer waits for nodes that
	// have not answered yet, so that the configured order counts.
	Startup time.Duration
}

// hang gives the moment from which a node without answer is held to hang.
func (r *Rules) hang(o *Observation) time.Time {
	if !o.answered() {
		return o.Miss.Add(r.SuspectAfter)
	}
	// The usual probe begins one interval after the last answer, so both
	// bounds fall together; the second keeps a long interval from making one
	// slow answer a hang.
	late := o.Miss.Add(max(r.SuspectAfter-r.Interval, r.SuspectAfter/2))
	if last := o.Ended.Add(r.SuspectAfter); last.After(late) {
		return last
	}
	return late
}
