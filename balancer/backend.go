// Package balancer is what both sides of galley share to spread work: a
// Backend with its state and load, a Pool of backends, policies that choose
// one, the Lease that says one is in use, and the Checker, a probe loop.
//
// It is no connection pool and knows no protocol: it never dials, reads or
// writes. Who dials a backend, and what healthy means for it, is its caller's
// affair.
//
// The one thing to know first: the read side (Backend, Pool.Acquire, policies,
// Lease) takes no lock and allocates nothing; whoever watches the backends
// writes atomics into them or swaps the pool's set.
package balancer

import (
	"math"
	"sync/atomic"
)

// State says whether a backend may be given work.
type State int32

// The states of a backend. A new backend is Down until somebody has seen that
// it works.
const (
	Down     State = iota // gets nothing
	Up                    // gets work
	Draining              // keeps what it has, gets nothing new
)

// String gives the word used in logs, metrics and on the page.
func (s State) String() string {
	switch s {
	case Down:
		return "down"
	case Up:
		return "up"
	case Draining:
		return "draining"
	}
	return "unknown"
}

// Backend is one address that work can be sent to, with what is known of it at
// this moment. All methods may be called from any goroutine at any time.
type Backend struct {
	addr     string
	hash     uint64
	weight   atomic.Int64
	limit    atomic.Int64
	state    atomic.Int32
	failures atomic.Int32
	inFlight atomic.Int64
	reported atomic.Uint64 // float64 bits
	share    atomic.Uint64 // float64 bits
}

// NewBackend makes a backend that is Down, idle, and due its whole share of
// work. A negative weight counts as zero.
func NewBackend(addr string, weight int) *Backend {
	b := &Backend{addr: addr, hash: Key(addr)}
	b.SetWeight(weight)
	b.SetShare(1)
	return b
}

// Addr is the address given to NewBackend; it never changes.
func (b *Backend) Addr() string { return b.addr }

// Weight is how much work the backend should get in proportion to others;
// zero means none.
func (b *Backend) Weight() int { return int(b.weight.Load()) }

// SetWeight changes the weight; negative counts as zero.
func (b *Backend) SetWeight(weight int) { b.weight.Store(int64(max(weight, 0))) }

// Limit is how much the backend may have in flight from this galley; zero
// means no limit.
func (b *Backend) Limit() int { return int(b.limit.Load()) }

// SetLimit changes the limit; zero or less means no limit.
func (b *Backend) SetLimit(limit int) { b.limit.Store(int64(max(limit, 0))) }

// State is the state that was set last.
func (b *Backend) State() State { return State(b.state.Load()) }

// SetState changes the state, whatever it was.
func (b *Backend) SetState(s State) { b.state.Store(int32(s)) }

// SetHealthy moves the backend between Down and Up. A backend that is
// Draining stays so: a probe must not undo what an operator has asked for.
func (b *Backend) SetHealthy(healthy bool) {
	if healthy {
		b.state.CompareAndSwap(int32(Down), int32(Up))
	} else {
		b.state.CompareAndSwap(int32(Up), int32(Down))
	}
}

// InFlight is how much galley itself has running on the backend now.
func (b *Backend) InFlight() int64 { return b.inFlight.Load() }

// Begin counts one more in flight; each Begin needs its End.
func (b *Backend) Begin() { b.inFlight.Add(1) }

// End counts one less in flight.
func (b *Backend) End() { b.inFlight.Add(-1) }

// Reported is the load that the backend itself reported last, without what
// this galley has in flight there.
func (b *Backend) Reported() float64 { return math.Float64frombits(b.reported.Load()) }

// SetReported stores the load reported by the backend. What is negative or no
// number counts as zero.
func (b *Backend) SetReported(load float64) {
	if !(load > 0) {
		load = 0
	}
	b.reported.Store(math.Float64bits(load))
}

// Share is the part, from 0 to 1, of its normal work that the backend should
// get now.
func (b *Backend) Share() float64 { return math.Float64frombits(b.share.Load()) }

// SetShare changes the share; it is held between 0 and 1.
func (b *Backend) SetShare(share float64) {
	if !(share > 0) {
		share = 0
	}
	b.share.Store(math.Float64bits(min(share, 1)))
}

// Load is what galley has in flight plus what the backend reported.
func (b *Backend) Load() float64 { return float64(b.inFlight.Load()) + b.Reported() }

// Failures counts the failed outcomes since the last success: passive health.
func (b *Backend) Failures() int { return int(b.failures.Load()) }

// Available says whether the backend may be given work now: it is Up and below
// its limit.
func (b *Backend) Available() bool {
	return State(b.state.Load()) == Up && b.belowLimit()
}

func (b *Backend) belowLimit() bool {
	limit := b.limit.Load()
	return limit == 0 || b.inFlight.Load() < limit
}

// capacity is what the backend's work is measured against.
func (b *Backend) capacity() float64 {
	return float64(b.weight.Load()) * b.Share()
}

// note carries an outcome into passive health.
func (b *Backend) note(o Outcome) {
	switch {
	case o.Failed():
		b.failures.Add(1)
	case o == Success:
		if b.failures.Load() != 0 {
			b.failures.Store(0)
		}
	}
}
