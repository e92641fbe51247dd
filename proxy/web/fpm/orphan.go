package fpm

import (
	"time"

	"galley/balancer"
)

const (
	// orphanTime bounds how long a script whose client has gone is read from.
	orphanTime = 10 * time.Minute
	// sendTime bounds how long the rest of its body is still sent.
	sendTime = 30 * time.Second
	// maxHold bounds for how long the worker of a script that was closed upon counts as busy.
	maxHold = 10 * time.Second
)

// abandon leaves a script that may be running without anybody who wants its
// answer. Closing the connection ends it at its next output: that is right for
// what may be run again. Anything else is read to its end, so that it can
// finish. Either way its worker counts as busy: until its end, or for as long
// as a request usually takes.
func (p *Pool) abandon(w *worker, r *Request, began time.Time) {
	w.member.orphans.Add(1)
	w.conn.Resume()
	if r.Repeatable || !w.conn.Sent(sendTime) || !p.adopt(w) {
		_ = w.conn.Close()
		hold := min(max(time.Duration(p.took.Load())-time.Since(began), 0), maxHold)
		time.AfterFunc(hold, func() {
			w.member.orphans.Add(-1)
			p.release(w, balancer.Canceled)
		})
		return
	}
	go p.readOn(w)
}

// adopt takes a worker in whose answer nobody wants, unless Run has ended.
func (p *Pool) adopt(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life.Err() != nil {
		return false
	}
	p.orphans[w] = true
	p.tasks.Add(1)
	return true
}

// readOn reads an answer that nobody wants.
func (p *Pool) readOn(w *worker) {
	defer p.tasks.Done()
	timer := time.AfterFunc(orphanTime, w.conn.Interrupt)
	defer timer.Stop()
	w.conn.SetTimeout(0)
	_ = w.conn.Discard()
	w.member.orphans.Add(-1)
	p.mu.Lock()
	delete(p.orphans, w)
	p.mu.Unlock()
	p.release(w, balancer.Canceled)
}
