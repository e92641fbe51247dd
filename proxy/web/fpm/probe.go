package fpm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"galley/balancer"
	"galley/proxy/web/fcgi"
)

const (
	// probeTime is how long a place in a backend's backlog is kept.
	probeTime = 30 * time.Second
	// settleTime is how long a backend of unknown mode is watched after its answer to GET_VALUES: PHP up to 8.1 closes at once.
	settleTime = 20 * time.Millisecond
	// firstBackoff and lastBackoff bound the time for which a backend is left alone after a failure.
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = time.Second
	// fullBackoff is the same after a unix socket had no room in its backlog.
	fullBackoff = 20 * time.Millisecond
)

// worker is a worker of php-fpm that has taken a connection.
type worker struct {
	member *member
	conn   *fcgi.Conn
	lease  balancer.Lease
	accept time.Duration
	// since is when it took the connection; requests is how many it was sent there.
	since    time.Time
	requests int
}

// probe is the asking of one backend for a worker.
type probe struct {
	member *member
	lease  balancer.Lease
	late   bool
	ctx    context.Context //nolint:containedctx // the probe is a task that ends with it
	cancel func()
}

// topUp asks for as many workers as there are requests without one. Of those
// asked, the late ones do not count: somebody else is asked in their place.
// The caller holds mu.
func (p *Pool) topUp() {
	for p.fresh < p.queue.n {
		lease, ok := p.choose()
		if !ok {
			return
		}
		m := p.members[lease.Backend()]
		pr := p.newProbe(m, lease)
		m.probes[pr] = true
		p.fresh++
		p.tasks.Add(1)
		go p.ask(pr, m.patience())
	}
}

func (p *Pool) newProbe(m *member, lease balancer.Lease) *probe {
	ctx, cancel := context.WithTimeout(p.life, probeTime)
	return &probe{member: m, lease: lease, ctx: ctx, cancel: cancel}
}

// choose leases a backend to be asked: one that has no late probes, else any,
// and when all are down, one of those. The caller holds mu.
func (p *Pool) choose() (balancer.Lease, bool) {
	now := time.Now()
	full, busy := p.skip[0][:0], p.skip[1][:0]
	panicking := true
	for b, m := range p.members {
		if b.State() == balancer.Up {
			panicking = false
		}
		switch {
		case len(m.probes) >= maxProbes || now.Before(m.notBefore) || p.spare(m):
			full = append(full, b)
		case m.late > 0:
			busy = append(busy, b)
		}
	}
	lates := len(busy)
	busy = append(busy, full...)
	p.skip = [2][]*balancer.Backend{full, busy}
	if len(full) == len(p.members) {
		return balancer.Lease{}, false
	}
	lease, err := p.backends.AcquireFor(balancer.Pick{Skip: busy, Panic: panicking})
	if err != nil && lates > 0 {
		lease, err = p.backends.AcquireFor(balancer.Pick{Skip: full, Panic: panicking})
	}
	return lease, err == nil
}

// ask gets a worker of one backend, however long it takes, and gives it to whoever waits.
func (p *Pool) ask(pr *probe, patience time.Duration) {
	defer p.tasks.Done()
	defer pr.cancel()
	began := time.Now()
	timer := time.AfterFunc(patience, func() { p.markLate(pr) })
	conn, err := p.connect(pr.ctx, pr.member, mode(pr.member.mode.Load()))
	timer.Stop()
	m := pr.member
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(m.probes, pr)
	if pr.late {
		m.late--
		p.rescore()
	} else {
		p.fresh--
	}
	if err != nil {
		outcome := balancer.Canceled
		if pr.ctx.Err() == nil {
			if errors.Is(err, errDial) {
				outcome = balancer.DialFailed
			}
			p.failed(m, err)
			m.trigger()
		}
		pr.lease.Release(outcome)
		p.topUp()
		return
	}
	m.alive()
	took := time.Since(began)
	m.accepts.add(took)
	m.accept.Observe(took.Seconds())
	p.works(m)
	m.running.Add(1)
	p.deliver(&worker{member: m, conn: conn, lease: pr.lease, accept: took, since: time.Now()})
	p.topUp()
}

// markLate lets another backend be asked besides one that has not answered.
func (p *Pool) markLate(pr *probe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !pr.member.probes[pr] || pr.late {
		return
	}
	pr.late = true
	pr.member.late++
	p.fresh--
	p.rescore()
	p.topUp()
}

// errDial marks what went wrong before there was a connection.
var errDial = errors.New("connect")

// connect dials a backend and waits until a worker has taken the connection, if
// the backend is one that says so. With modeUnknown it finds out whether it is.
func (p *Pool) connect(ctx context.Context, m *member, kind mode) (*fcgi.Conn, error) {
	dialCtx, cancel := context.WithTimeout(ctx, p.settings().ConnectTimeout)
	nc, err := p.dial(dialCtx, m.network, m.dial)
	cancel()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDial, err)
	}
	conn := fcgi.NewConn(nc, &p.buffers)
	if kind == modeOld {
		return conn, nil
	}
	stop := context.AfterFunc(ctx, conn.Interrupt)
	deadline, _ := ctx.Deadline()
	err = conn.Probe(deadline)
	if err == nil && kind == modeUnknown && !conn.StaysOpen(settleTime) {
		err = errClosesAfterProbe
		m.mode.Store(int32(modeOld))
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	m.mode.Store(int32(modeAsks))
	return conn, nil
}

// errClosesAfterProbe says that the backend's mode has just been learned and the connection is lost.
var errClosesAfterProbe = errors.New("closes after GET_VALUES: older than PHP 8.2")

// failed counts a failed attempt against a backend. The caller holds mu.
func (p *Pool) failed(m *member, err error) {
	m.lastError = err.Error()
	switch {
	case errors.Is(err, errClosesAfterProbe):
		return
	case errors.Is(err, syscall.EAGAIN):
		// A unix socket whose backlog is full.
		p.leave(m, fullBackoff)
		return
	case errors.Is(err, errDial):
		if m.refused++; m.refused >= 2 {
			p.down(m, reasonRefused)
		}
	case errors.Is(err, fcgi.ErrTimeout):
		return // its place in the backlog became too old
	case errors.Is(err, fcgi.ErrMalformed):
		p.down(m, reasonNotFastCGI)
	default:
		p.down(m, reasonClosed)
	}
	m.backoff = min(max(2*m.backoff, firstBackoff), lastBackoff)
	p.leave(m, m.backoff)
}

// leave lets a backend alone for some time. The caller holds mu.
func (p *Pool) leave(m *member, length time.Duration) {
	m.notBefore = time.Now().Add(length)
	time.AfterFunc(length, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.topUp()
	})
}

// works notes that a worker of the backend has answered. The caller holds mu.
func (p *Pool) works(m *member) {
	m.refused, m.silent, m.backoff, m.notBefore = 0, 0, 0, time.Time{}
	if m.State() != balancer.Down {
		return
	}
	if m.reason == reasonRefused || m.reason == reasonClosed {
		m.started = time.Now()
	}
	p.log.Info("fpm backend is up", "pool", p.name, "backend", m.Addr(), "was", m.reason)
	m.reason = reasonOK
	m.SetHealthy(true)
	m.ramp(p.settings().SlowStart, time.Now())
	p.rescore()
	p.topUp()
}

// down takes a backend out until a look finds it alive. The caller holds mu.
func (p *Pool) down(m *member, reason string) {
	if m.State() == balancer.Up {
		p.log.Warn("fpm backend is down", "pool", p.name, "backend", m.Addr(), "reason", reason, "error", m.lastError)
	}
	m.reason = reason
	m.SetHealthy(false)
}

// dialer is what dials unless somebody else was passed in.
func dialer() func(ctx context.Context, network, address string) (net.Conn, error) {
	// Reads have a time limit, so that no kernel needs to look whether the backend is there.
	return (&net.Dialer{KeepAlive: -1}).DialContext
}
