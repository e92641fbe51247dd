package cluster

import (
	"context"
	"fmt"
	"slices"
)

// DrainOutcome tells what a drain has done so far: sessions may still have what they
// began on the node.
type DrainOutcome struct {
	Addr     string
	Already  bool // it was drained before
	Switched *Switched
}

// Drain takes a node out, by its address or its name: no new session, statement
// or transaction goes there any more, and what is there ends at its own pace.
// If it is the writer, another one becomes it first.
func (s *Switcher) Drain(ctx context.Context, key string, force bool) (DrainOutcome, error) {
	if !s.turn.TryLock() {
		return DrainOutcome{}, errBusy
	}
	defer s.turn.Unlock()
	v := s.o.Monitor.View()
	n := v.Node(key)
	if n == nil {
		return DrainOutcome{}, unknownNode(v, key)
	}
	out := DrainOutcome{Addr: n.Addr, Already: n.Drained}
	if n.Drained {
		return out, nil
	}
	first, err := mayDrain(v, n)
	if err != nil {
		return out, err
	}
	if first {
		to, err := successor(v, "")
		if err != nil {
			return out, err
		}
		done, err := s.move(ctx, to, progress{force: force, limit: s.o.Timeout()})
		if err != nil {
			return out, err
		}
		out.Switched = &done
	}
	return out, s.setDrained(ctx, n.Addr, true)
}

// Undrain puts a node back that was taken out.
func (s *Switcher) Undrain(ctx context.Context, key string) (addr string, err error) {
	if !s.turn.TryLock() {
		return "", errBusy
	}
	defer s.turn.Unlock()
	v := s.o.Monitor.View()
	addr = key
	if n := v.Node(key); n != nil {
		addr = n.Addr
	}
	if !slices.Contains(s.o.Monitor.drains.Drained(), addr) {
		if v.Node(key) == nil {
			return "", unknownNode(v, key)
		}
		return "", fmt.Errorf("node %s is not drained: %w", addr, ErrUnchanged)
	}
	return addr, s.setDrained(ctx, addr, false)
}

// setDrained changes the set, and returns when the view has it.
func (s *Switcher) setDrained(ctx context.Context, addr string, drained bool) error {
	m := s.o.Monitor
	change := m.drains.Undrain
	if drained {
		change = m.drains.Drain
	}
	if err := change(ctx, addr); err != nil {
		return fmt.Errorf("noting the drain of node %s: %w", addr, err)
	}
	for {
		changed := m.Changed()
		if n := m.View().at(addr); n == nil || n.Drained == drained {
			return nil
		}
		select {
		case <-changed:
		case <-m.stopped:
			return errStopped
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
