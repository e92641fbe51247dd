package fpm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"galley/balancer"
)

// noBackendTime is how long a request waits while no backend lives: a pool that is being restarted is back before.
const noBackendTime = 3 * time.Second

var (
	errQueueFull    = errors.New("too many requests wait for a worker")
	errQueueTimeout = errors.New("no worker became free in time")
	errNoBackend    = errors.New("no backend lives")
	errDrained      = errors.New("all backends of the pool are drained: galley undrain puts them back")
)

// acquire waits for a worker. since is when the request came; one that has
// waited before goes to the head of its site's line.
func (p *Pool) acquire(ctx context.Context, r *Request, since time.Time, moved bool) (*worker, error) {
	settings := p.settings()
	w := &waiter{site: r.Site, since: since, again: r.Repeatable && !moved, got: make(chan *worker, 1)}
	if err := p.enter(w, settings.QueueLength, moved); err != nil {
		return nil, err
	}
	end := since.Add(settings.QueueTime)
	first := min(noBackendTime, settings.QueueTime)
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case got := <-w.got:
			if got == nil {
				return nil, p.full(p.queued())
			}
			return got, nil
		case <-ctx.Done():
			p.give(w)
			return nil, &Error{Reason: ClientGone, Err: context.Cause(ctx)}
		case <-timer.C:
			left := time.Until(end)
			lives := p.lives()
			if lives && left > 0 {
				timer.Reset(left)
				continue
			}
			p.give(w)
			if !lives {
				return nil, p.nobody()
			}
			return nil, &Error{Reason: QueueTimeout, RetryAfter: p.retryAfter(p.queued()), Err: errQueueTimeout}
		}
	}
}

// enter puts a waiter into the queue, if there is room.
func (p *Pool) enter(w *waiter, length int, first bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	// What is being asked for right now is on its way, not waiting: only those for whom nobody is asking fill the queue.
	if p.queue.n-p.fresh >= length && !first && !p.room() {
		out := p.queue.room(w.site)
		if out == nil {
			return p.full(p.queue.n)
		}
		close(out.got)
	}
	p.queue.push(w, first)
	p.topUp()
	return nil
}

// room says whether a backend could be asked at once. The caller holds mu.
func (p *Pool) room() bool {
	for b, m := range p.members {
		if b.Available() && len(m.probes) < maxProbes && m.late == 0 && !p.spare(m) {
			return true
		}
	}
	return false
}

func (p *Pool) full(waiting int) *Error {
	return &Error{Reason: QueueFull, RetryAfter: p.retryAfter(waiting), Err: errQueueFull}
}

// queued is how many wait.
func (p *Pool) queued() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queue.n
}

// give takes a waiter out of the queue; a worker that came in the same moment goes to the next one.
func (p *Pool) give(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.queue.remove(w) {
		return
	}
	select {
	case got := <-w.got:
		if got != nil {
			p.deliver(got)
		}
	default:
	}
}

// deliver hands a worker to the first in the queue. Where nobody waits it is
// let go: nothing has been sent, so that it takes the next connection. The
// caller holds mu.
func (p *Pool) deliver(w *worker) {
	if next := p.queue.first(); next != nil && (w.requests == 0 || next.again) {
		p.queue.pop().got <- w
		return
	}
	_ = w.conn.Close()
	w.member.running.Add(-1)
	w.lease.Release(balancer.Canceled)
}

// release ends the use of a worker, and lets the next request ask for one.
func (p *Pool) release(w *worker, o balancer.Outcome) {
	_ = w.conn.Close()
	w.member.running.Add(-1)
	w.lease.Release(o)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.topUp()
}

// lives says whether any backend does.
func (p *Pool) lives() bool {
	for _, b := range p.backends.Backends() {
		if b.State() == balancer.Up {
			return true
		}
	}
	return false
}

// nobody says why there is no backend.
func (p *Pool) nobody() *Error {
	all, drained := p.backends.Backends(), 0
	for _, b := range all {
		if b.State() == balancer.Draining {
			drained++
		}
	}
	e := &Error{Reason: NoBackend, RetryAfter: noBackendTime, Err: errNoBackend}
	switch {
	case drained == 0:
	case drained == len(all):
		e.Reason, e.Err = Drained, errDrained
	default:
		e.Err = fmt.Errorf("%w: %d are down, and %d drained", errNoBackend, len(all)-drained, drained)
	}
	return e
}

// retryAfter estimates when the queue will have been worked off, in whole seconds from 1 to 30.
func (p *Pool) retryAfter(waiting int) time.Duration {
	workers := 0
	for _, b := range p.backends.Backends() {
		if b.State() == balancer.Up {
			workers += max(b.Weight(), 1)
		}
	}
	took := time.Duration(p.took.Load())
	wait := time.Duration(waiting) * took / time.Duration(max(workers, 1))
	return min(max(wait.Round(time.Second), time.Second), 30*time.Second)
}
