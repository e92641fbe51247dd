package cluster

import (
	"context"
	"time"
)

// A writer that has become a donor or was desynced still takes writes, but is
// a last resort: it is left for another node as by a switchover, so that what
// is under way there ends, and nothing is cut.

// lingers says whether the writer stays for now although it is a last resort
// and there is a better node: somebody is to move its role in order.
func (b *build) lingers(current int) bool {
	v := b.view
	better := false
	for i := range v.Nodes {
		better = better || v.Nodes[i].WriteGrade == Usable
	}
	if w := b.prev.WriterNode(); !b.rules.Orderly || !better || w == nil || w.Addr != v.Nodes[current].Addr || v.Nodes[current].WriteGrade != LastResort {
		return false
	}
	since := b.prev.leaving
	if since.IsZero() {
		since = b.rules.Now
	}
	until := since.Add(lingerLimit)
	if !b.rules.Now.Before(until) {
		return false
	}
	b.wakeAt(until)
	v.leaving = since
	return true
}

// Leaving is the writer that is to be left in order, or nil, and since when.
func (v *View) Leaving() (*Node, time.Time) {
	if v.leaving.IsZero() {
		return nil, time.Time{}
	}
	return v.WriterNode(), v.leaving
}

// Run leaves writers in order that have become a last resort, until ctx ends.
// Where galleys agree on the writer their lease does it.
func (s *Switcher) Run(ctx context.Context) error {
	m := s.o.Monitor
	m.orderly.Store(true)
	defer m.orderly.Store(false)
	var done time.Time
	for {
		changed := m.Changed()
		view := m.View()
		if n, since := view.Leaving(); n != nil && since != done {
			done = since
			s.leave(ctx, view, n)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// leave moves the writer's role away from a node. Where that fails, the monitor
// does it.
func (s *Switcher) leave(ctx context.Context, view *View, from *Node) {
	if !s.turn.TryLock() {
		return // An operator is at it.
	}
	defer s.turn.Unlock()
	to, err := successor(view, "")
	if err == nil {
		_, err = s.move(ctx, to, progress{force: true, limit: leaveLimit})
	}
	if err != nil && ctx.Err() == nil {
		s.log.Warn("a writer could not be left in order", "node", from.Addr, "reason", from.Reason, "error", err)
	}
}
