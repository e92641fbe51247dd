package cluster

import (
	"context"
	"slices"
	"sync"
)

// Drains is the set of nodes that operators have taken out, by the addresses
// at which galley dials them. It outlives probes, restarts of the nodes and,
// where it is kept in the cluster, of galley.
type Drains interface {
	// Drained lists the nodes. It does no I/O, and the list is not changed
	// after it was given.
	Drained() []string
	// Changed gives a channel that is closed when the list next changes. Take
	// it before looking at the list, and anew each time.
	Changed() <-chan struct{}
	// Drain puts a node into the set; it has no effect on one that is in it.
	Drain(ctx context.Context, addr string) error
	// Undrain takes a node out of the set; it has no effect on one that is not
	// in it.
	Undrain(ctx context.Context, addr string) error
}

// LocalDrains are Drains of one galley alone: they end with it. Safe for use by
// many goroutines.
type LocalDrains struct {
	mu      sync.Mutex
	addrs   []string
	changed chan struct{}
}

// NewLocalDrains makes an empty set.
func NewLocalDrains() *LocalDrains { return &LocalDrains{changed: make(chan struct{})} }

// Drained lists the nodes.
func (d *LocalDrains) Drained() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.addrs
}

// Changed gives a channel that is closed at the next change.
func (d *LocalDrains) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

// Drain puts a node into the set.
func (d *LocalDrains) Drain(_ context.Context, addr string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(d.addrs, addr) {
		d.set(append(slices.Clone(d.addrs), addr))
	}
	return nil
}

// Undrain takes a node out of the set.
func (d *LocalDrains) Undrain(_ context.Context, addr string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Contains(d.addrs, addr) {
		d.set(slices.DeleteFunc(slices.Clone(d.addrs), func(a string) bool { return a == addr }))
	}
	return nil
}

// set replaces the list; d.mu is held.
func (d *LocalDrains) set(addrs []string) {
	d.addrs = addrs
	close(d.changed)
	d.changed = make(chan struct{})
}
