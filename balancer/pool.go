package balancer

import (
	"errors"
	"sync/atomic"
)

// ErrNoBackend says that no backend of the pool may be given work now.
var ErrNoBackend = errors.New("no backend available")

// Outcome is how the work on a leased backend ended.
type Outcome uint8

// The outcomes. DialFailed and Lost count against the backend; a refused or
// canceled piece of work says nothing about its health.
const (
	Success    Outcome = iota // the backend answered, be it with an error of the work's own
	DialFailed                // no connection could be made: nothing was sent
	Lost                      // the connection failed after something was sent
	Refused                   // the backend answered that it takes no work now
	Canceled                  // the client went away or galley gave up
)

// String gives the word used in logs, metrics and on the page.
func (o Outcome) String() string {
	switch o {
	case Success:
		return "success"
	case DialFailed:
		return "dial_failed"
	case Lost:
		return "lost"
	case Refused:
		return "refused"
	case Canceled:
		return "canceled"
	}
	return "unknown"
}

// Failed says whether the outcome counts against the backend.
func (o Outcome) Failed() bool { return o == DialFailed || o == Lost }

// Pool is a set of backends and the policy that chooses among them. Acquire
// may be called from any goroutine; Set from one at a time.
type Pool struct {
	policy  Policy
	outcome func(*Backend, Outcome)
	set     atomic.Pointer[[]*Backend]
}

// NewPool makes an empty pool.
func NewPool(policy Policy) *Pool {
	p := &Pool{policy: policy}
	p.set.Store(&[]*Backend{})
	return p
}

// OnOutcome names the function that hears of each released lease, for instance
// to trigger a probe. Call it before the pool is used.
func (p *Pool) OnOutcome(f func(*Backend, Outcome)) { p.outcome = f }

// Set replaces the backends. A backend whose address the pool already has is
// kept as it is, with its load and state, and takes over weight and limit of
// the one given. What was put into place is returned.
func (p *Pool) Set(backends []*Backend) []*Backend {
	old := *p.set.Load()
	next := make([]*Backend, len(backends))
	for i, b := range backends {
		next[i] = b
		for _, o := range old {
			if o.addr == b.addr {
				o.SetWeight(b.Weight())
				o.SetLimit(b.Limit())
				next[i] = o
				break
			}
		}
	}
	p.set.Store(&next)
	return next
}

// Backends is the present set, in order; it must not be changed.
func (p *Pool) Backends() []*Backend { return *p.set.Load() }

// Acquire leases a backend chosen by the policy, or fails with ErrNoBackend.
func (p *Pool) Acquire() (Lease, error) { return p.AcquireFor(Pick{}) }

// AcquireExcept is Acquire for a further attempt: those in skip have had
// theirs.
func (p *Pool) AcquireExcept(skip ...*Backend) (Lease, error) {
	return p.AcquireFor(Pick{Skip: skip})
}

// AcquireFor leases a backend for the pick.
func (p *Pool) AcquireFor(pick Pick) (Lease, error) {
	b := p.policy(*p.set.Load(), pick)
	if b == nil {
		return Lease{}, ErrNoBackend
	}
	b.Begin()
	return Lease{backend: b, pool: p}, nil
}

// Lease is the use of one backend for one piece of work. It is a value with
// one owner: hand it on, but do not use both copies. The zero Lease holds
// nothing.
type Lease struct {
	backend *Backend
	pool    *Pool
}

// Backend is what was leased; nil once released.
func (l *Lease) Backend() *Backend { return l.backend }

// Release ends the use and tells passive health how it went. Only the first
// call counts.
func (l *Lease) Release(o Outcome) {
	b := l.backend
	if b == nil {
		return
	}
	l.backend = nil
	b.End()
	b.note(o)
	if l.pool.outcome != nil {
		l.pool.outcome(b, o)
	}
}
