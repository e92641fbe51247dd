package mysql

import (
	"time"

	"galley/cluster"
)

// The sessions that wait for a conn sleep in a receive on a channel of their own, thousands of them at times. What they do not see for themselves is seen for all of them at once:
// that there may be more conns by now, that one has waited for too long, that the view has changed. Who ends a session, or its statement, wakes it.

// minAlarm is the shortest time between two looks at a queue.
const minAlarm = time.Millisecond

// watchQueue has the queue looked at as soon as its first one may have more than it had. The set's mutex is held.
func (c *connSet) watchQueue(now time.Time) {
	first := c.queue.first
	if first == nil || c.alarmed || c.gone {
		return
	}
	waited := now.Sub(first.since)
	limit := c.srv.config().Pool.WaitForConnection
	next := growAfter
	if waited < growAfter {
		next -= waited
	}
	next = max(minAlarm, min(next, limit-waited))
	if c.alarmed = true; c.alarm == nil {
		c.alarm = time.AfterFunc(next, c.lookAfter)
		return
	}
	c.alarm.Reset(next)
}

// lookAfter ends the waits that have lasted for too long, and has conns opened for others where it is time.
func (c *connSet) lookAfter() {
	now := time.Now()
	limit := c.srv.config().Pool.WaitForConnection
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alarmed = false
	for w := c.queue.first; w != nil && now.Sub(w.since) >= limit; w = c.queue.first {
		c.queue.remove(w)
		w.ch <- delivery{late: true}
	}
	c.turn(now)
	c.pump(now)
	c.watchQueue(now)
}

// review wakes those whose conn would go elsewhere in view.
func (c *connSet) review(view *cluster.View) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := c.queue.first; w != nil; w = w.next {
		if !w.servedIn(view) {
			c.wakeUp(w)
		}
	}
}

// wake has s look up from its wait for a conn, if that is what it does.
func (s *session) wake() {
	set := s.waiter.in.Load()
	if set == nil {
		return
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	if s.waiter.in.Load() == set {
		set.wakeUp(&s.waiter)
	}
}

// wakeUp wakes w, which keeps its place. The set's mutex is held.
func (c *connSet) wakeUp(w *waiter) {
	if !w.woken {
		w.woken = true
		w.ch <- delivery{woken: true}
	}
}

// wasWoken notes that w has looked up.
func (c *connSet) wasWoken(w *waiter) {
	c.mu.Lock()
	w.woken = false
	c.mu.Unlock()
}

// leaveQueue takes w out of the queue. Where it had been given something already, that is returned.
func (c *connSet) leaveQueue(w *waiter) (d delivery, got bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.in.Load() == c {
		c.queue.remove(w)
	} else {
		got = true
	}
	if w.woken {
		w.woken = false
		<-w.ch // It came first.
	}
	if got {
		d = <-w.ch
	}
	return d, got
}
