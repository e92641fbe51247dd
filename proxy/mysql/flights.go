package mysql

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"galley/config"
	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// flights bounds the statements that run at a time: all of them, and those of single users. Who finds no room waits in order. Safe for use by many goroutines.
//
// A statement within a transaction, or of a session that is pinned, is counted and never waits: what it holds could be what those in front of it wait for.
type flights struct {
	on atomic.Bool // There is a limit.

	mu     sync.Mutex
	limit  int // Of all; 0 is none.
	in     int
	lanes  map[string]*lane // Of the users with a limit.
	others lane             // Of all other users.
	turn   uint64           // Counts those that had to wait.

	waiting, refused atomic.Int64
}

// lane is a user's statements.
type lane struct {
	limit, in int
	queue     list.List // Of *ticket, in the order of their turns.
}

// ticket is one statement that waits.
type ticket struct {
	turn  uint64
	ready chan struct{} // Closed when it may run; it is counted then.
}

// set applies limits. What runs already is not counted if there was no limit before.
func (f *flights) set(c *config.MySQL) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limit = c.MaxInFlight
	on := f.limit > 0
	for _, l := range f.lanes {
		l.limit = 0
	}
	for i := range c.Limits {
		of := &c.Limits[i]
		l := f.lanes[of.User]
		if l == nil {
			if of.MaxInFlight == 0 {
				continue
			}
			if f.lanes == nil {
				f.lanes = map[string]*lane{}
			}
			l = &lane{}
			f.lanes[of.User] = l
		}
		l.limit = of.MaxInFlight
		on = on || l.limit > 0
	}
	f.on.Store(on)
	f.admit()
}

func (f *flights) room() bool { return f.limit == 0 || f.in < f.limit }

func (l *lane) room() bool { return l.limit == 0 || l.in < l.limit }

// enter waits until a statement of the user may run, at most for wait, and counts it. The lane is nil where it may not, and full says whose limit it was; unless ctx or halt has ended the wait.
func (f *flights) enter(ctx context.Context, halt <-chan struct{}, user string, wait time.Duration, force bool) (of, full *lane, halted bool) {
	f.mu.Lock()
	l := f.lanes[user]
	if l == nil {
		l = &f.others
	}
	if force || l.queue.Len() == 0 && l.room() && f.room() {
		l.in++
		f.in++
		f.mu.Unlock()
		return l, nil, false
	}
	f.turn++
	t := &ticket{turn: f.turn, ready: make(chan struct{})}
	place := l.queue.PushBack(t)
	f.mu.Unlock()
	f.waiting.Add(1)
	defer f.waiting.Add(-1)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-t.ready:
		return l, nil, false
	case <-timer.C:
	case <-ctx.Done():
	case <-halt:
		halted = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-t.ready: // In the last moment.
		return l, nil, false
	default:
	}
	l.queue.Remove(place)
	if !l.room() {
		return nil, l, halted
	}
	return nil, &f.others, halted
}

// leave takes back one enter, and lets the next ones run.
func (f *flights) leave(l *lane) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l.in--
	f.in--
	f.admit()
}

// admit lets those run for which there is room, in the order of their turns.
func (f *flights) admit() {
	for f.room() {
		next := f.others.first(nil)
		for _, l := range f.lanes {
			next = l.first(next)
		}
		if next == nil {
			return
		}
		t, _ := next.queue.Remove(next.queue.Front()).(*ticket)
		next.in++
		f.in++
		close(t.ready)
	}
}

// first gives the lane of the two whose first one was earlier, of those that have any and room for it.
func (l *lane) first(other *lane) *lane {
	if l.queue.Len() == 0 || !l.room() {
		return other
	}
	if other != nil {
		mine, _ := l.queue.Front().Value.(*ticket)
		its, _ := other.queue.Front().Value.(*ticket)
		if its.turn < mine.turn {
			return other
		}
	}
	return l
}

// takeOff waits until a statement may run. The lane is nil where there is no limit. Its error is a *wire.ServerError for the client, or ends the session.
func (s *session) takeOff(class *classify.Class) (*lane, error) {
	f := &s.srv.flights
	if !f.on.Load() || class.Kind == classify.Kill {
		return nil, nil
	}
	c := s.srv.config()
	s.takeHalts()
	s.shown.held.Store(true)
	of, full, halted := f.enter(s.ctx, s.halt, s.login.user, c.Pool.WaitForConnection, s.trx != nil || s.state.pins != 0)
	s.shown.held.Store(false)
	switch {
	case of != nil:
		return of, nil
	case s.ctx.Err() != nil:
		return nil, endSession(s.stopReason(), context.Cause(s.ctx))
	case halted:
		return nil, errHalted()
	}
	f.refused.Add(1)
	if full == &f.others {
		return nil, wire.NewError(codeTooManyConnections, "Too many statements: galley runs %d at a time (mysql.max_in_flight), and this one has waited %s for its turn", c.MaxInFlight, c.Pool.WaitForConnection)
	}
	return nil, wire.NewError(codeUserConnections, "User '%s' has exceeded the 'max_in_flight' resource (current value: %d)", s.login.user, c.LimitOf(s.login.user).MaxInFlight)
}
