package cluster

import (
	"context"
	"fmt"
	"slices"
)

// sharedDrains are Drains of all galleys: they are kept beside the lease and
// outlive galley. Without a lease they are this galley's own; what was drained
// then is put beside the lease when there is one.
type sharedDrains struct {
	*LocalDrains
	lease *Lease
}

// drainOrder is a change of the set that Run is to make.
type drainOrder struct {
	in    bool
	names []string
	done  chan error // takes one error without waiting
}

// Drain puts a node into the set.
func (d *sharedDrains) Drain(ctx context.Context, addr string) error {
	return d.change(ctx, addr, true)
}

// Undrain takes a node out of the set.
func (d *sharedDrains) Undrain(ctx context.Context, addr string) error {
	return d.change(ctx, addr, false)
}

func (d *sharedDrains) change(ctx context.Context, addr string, in bool) error {
	l := d.lease
	if !l.Kept() {
		if in {
			return d.LocalDrains.Drain(ctx, addr)
		}
		return d.LocalDrains.Undrain(ctx, addr)
	}
	names := []string{addr}
	if n := l.monitor.View().at(addr); n != nil {
		if names = drainNames(n); in {
			names = names[len(names)-1:]
		}
	}
	o := drainOrder{in: in, names: names, done: make(chan error, 1)}
	l.mu.Lock()
	l.drains = append(l.drains, o)
	l.mu.Unlock()
	l.wake()
	select {
	case err := <-o.done:
		if err != nil {
			return fmt.Errorf("sharing the drain of %s: %w", addr, err)
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// drainNames are how a node may be named in the set: by how this galley dials
// it, and by what the node says of itself, which is the same for all galleys
// and comes last.
func drainNames(n *Node) []string {
	names := []string{n.Addr}
	if n.Status.NodeName != "" {
		names = append(names, "name:"+n.Status.NodeName)
	}
	return names
}

// carryOut makes the changes that were asked for, if there are any.
func (l *Lease) carryOut(ctx context.Context, view *View) error {
	l.mu.Lock()
	orders := l.drains
	l.drains = nil
	l.mu.Unlock()
	if len(orders) == 0 {
		return nil
	}
	var failed error
	for _, o := range orders {
		err := l.store.drain(ctx, o.in, o.names...)
		if err != nil {
			failed = err
		}
		defer func() { o.done <- err }() // When the list has it.
	}
	if err := l.look(ctx, view); err != nil {
		return err
	}
	l.showDrains(view)
	return failed
}

// shareLocal puts what was drained without a lease beside it.
func (l *Lease) shareLocal(ctx context.Context, view *View) (drained []string, err error) {
	for _, addr := range l.shared.Drained() {
		if n := view.at(addr); n != nil {
			names := drainNames(n)
			if err := l.store.drain(ctx, true, names[len(names)-1]); err != nil {
				return nil, err
			}
		}
	}
	return l.store.drained(ctx)
}

// showDrains brings the list into effect, as galley dials the nodes.
func (l *Lease) showDrains(view *View) {
	var addrs []string
	for i := range view.Nodes {
		n := &view.Nodes[i]
		if slices.ContainsFunc(drainNames(n), func(name string) bool { return slices.Contains(l.drained, name) }) {
			addrs = append(addrs, n.Addr)
		}
	}
	d := l.shared
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(addrs, d.addrs) {
		d.set(addrs)
	}
}
