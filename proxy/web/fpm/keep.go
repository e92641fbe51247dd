package fpm

import (
	"time"

	"galley/balancer"
)

// A worker that has answered is given the next request on the connection that it has, where one waits: that spares a connection, and the question whether
// a worker is there. It is never kept without a request, as it would be nobody else's then, and not for long with one after the other: what other fronts
// have in the backlog is taken by a worker only when its connection is closed.
const (
	// keepRequests and keepTime bound how much a connection is used.
	keepRequests = 16
	keepTime     = 200 * time.Millisecond
	// keepBreaks is after how many connections in a row that the backend closed on the next request it is no longer tried, for keepPause.
	keepBreaks = 3
	keepPause  = 10 * time.Second
)

// reused says that the worker had requests before on the same connection.
func (w *worker) reused() bool { return w.requests > 1 }

// keeps says whether a worker's connection is to be left open after its present request.
func (p *Pool) keeps(w *worker) bool {
	return mode(w.member.mode.Load()) == modeAsks && w.requests < keepRequests && time.Since(w.since) < p.keepTime
}

// hand gives a worker that has answered to the request whose turn it is, and says whether it did. The worker may just be ending (pm.max_requests, a stop) and
// close the connection on the request; nobody can tell that from a crash. So only what may run twice is given one, and not a second time.
func (p *Pool) hand(w *worker) bool {
	if !p.keeps(w) || !w.conn.Again() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.queue.first()
	if next == nil || !next.again || !p.fit(w.member) {
		return false
	}
	w.accept = 0
	p.queue.pop().got <- w
	return true
}

// fit says whether a worker of the backend may have the next request although the backend was not chosen for it: it would be, as no other one that has
// workers is less loaded. The caller holds mu.
func (p *Pool) fit(m *member) bool {
	if p.members[m.Backend] != m || m.State() != balancer.Up || m.Share() < 1 || m.Limit() > 0 && m.InFlight() > int64(m.Limit()) || p.spare(m) {
		return false
	}
	now := time.Now()
	if now.UnixNano() < m.keepNot.Load() {
		return false
	}
	load, capacity := m.Load()-1, float64(m.Weight())
	for b, o := range p.members {
		if o == m || o.late > 0 || !b.Available() || now.Before(o.notBefore) || p.spare(o) {
			continue
		}
		if b.Load()*capacity < load*float64(b.Weight())*b.Share() {
			return false
		}
	}
	return true
}

// broke lets a reused worker go that has taken nothing: it has ended (pm.max_requests, a reload), or its pool has. That says nothing of the pool.
func (p *Pool) broke(w *worker) {
	m := w.member
	if m.keepBroke.Add(1) >= keepBreaks {
		m.keepBroke.Store(0)
		m.keepNot.Store(time.Now().Add(keepPause).UnixNano())
	}
	p.release(w, balancer.Canceled)
}

// stayed notes that a reused worker has answered.
func (m *member) stayed() {
	m.reused.Add(1)
	if m.keepBroke.Load() != 0 {
		m.keepBroke.Store(0)
	}
}
