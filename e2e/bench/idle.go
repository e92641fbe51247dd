package main

import (
	"context"
	"database/sql/driver"
	"fmt"
	"sync"
	"time"
)

const idleTest = "idle connections"

// settle is how long memory is given to come to rest.
const settle = 4 * time.Second

// idleWorkers open connections side by side.
const idleWorkers = 16

// measureIdle measures what logged-in clients that do nothing cost, with fresh proxies.
func (r *runner) measureIdle(ctx context.Context, res *results) error {
	hap, err := r.site.startHAProxy(ctx, doorHAProxy, 0)
	if err != nil {
		return err
	}
	defer hap.proxy.stop()
	gal, err := r.site.startGalley(ctx, doorGalley, r.plan.galley)
	if err != nil {
		return err
	}
	defer gal.proxy.stop()
	c := res.cell(idleTest, r.plan.idle)
	for _, d := range []*door{hap, gal} {
		if err := r.idle(ctx, d, c); err != nil {
			return fmt.Errorf("%s, %s: %w", idleTest, d.name, err)
		}
	}
	return nil
}

// memory is what the processes hold at a moment, in bytes.
type memory struct {
	proxy, nodes int64
}

func (r *runner) memory(ctx context.Context, d *door) (memory, error) {
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return memory{}, ctx.Err()
	}
	var m memory
	var err error
	if m.proxy, err = resident(d.pid()); err != nil {
		return memory{}, err
	}
	for _, n := range r.site.lab.Nodes() {
		size, err := resident(n.PID())
		if err != nil {
			return memory{}, err
		}
		m.nodes += size
	}
	return m, nil
}

func (r *runner) idle(ctx context.Context, d *door, c *cell) error {
	conns := make([]driver.Conn, r.plan.idle)
	defer closeAll(conns)
	// What the first connections set up is not a price per connection.
	if err := each(ctx, conns[:min(len(conns), 2*idleWorkers)], func(ctx context.Context, _ *driver.Conn) error { return r.site.ping(ctx, d.reads) }); err != nil {
		return err
	}
	before, err := r.memory(ctx, d)
	if err != nil {
		return err
	}
	began := time.Now()
	err = each(ctx, conns, func(ctx context.Context, conn *driver.Conn) error {
		var err error
		*conn, err = r.site.connect(ctx, d.reads, nil)
		return err
	})
	if err != nil {
		return err
	}
	took := time.Since(began)
	connected, err := r.memory(ctx, d)
	if err != nil {
		return err
	}
	if err := each(ctx, conns, func(ctx context.Context, conn *driver.Conn) error { return exhaust(ctx, *conn, "SELECT 1") }); err != nil {
		return err
	}
	asked, err := r.memory(ctx, d)
	if err != nil {
		return err
	}
	per := func(after, before int64) float64 { return float64(after-before) / 1e3 / float64(len(conns)) }
	c.figure(perConnection).add(d.name, per(connected.proxy, before.proxy))
	c.figure("memory of the nodes, KB per connection, after the login").add(d.name, per(connected.nodes, before.nodes))
	c.figure("memory of the proxy, KB per connection, after one statement").add(d.name, per(asked.proxy, before.proxy))
	c.figure("memory of the nodes, KB per connection, after one statement").add(d.name, per(asked.nodes, before.nodes))
	c.figure("memory of the proxy, MB in all").add(d.name, float64(asked.proxy)/1e6)
	r.say("%d idle connections, %-8s after the login %.1f KB each (nodes %.1f), after one statement %.1f KB (nodes %.1f); all open after %.1f s", len(conns), d.name,
		per(connected.proxy, before.proxy), per(connected.nodes, before.nodes), per(asked.proxy, before.proxy), per(asked.nodes, before.nodes), took.Seconds())
	return nil
}

// each runs do on all of conns, several at a time, and stops at the first error.
func each(ctx context.Context, conns []driver.Conn, do func(context.Context, *driver.Conn) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for first := range idleWorkers {
		wg.Go(func() {
			for i := first; i < len(conns) && ctx.Err() == nil; i += idleWorkers {
				if err := do(ctx, &conns[i]); err != nil {
					cancel(fmt.Errorf("connection %d of %d: %w", i+1, len(conns), err))
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func closeAll(conns []driver.Conn) {
	var wg sync.WaitGroup
	for first := range idleWorkers {
		wg.Go(func() {
			for i := first; i < len(conns); i += idleWorkers {
				if conns[i] != nil {
					_ = conns[i].Close()
				}
			}
		})
	}
	wg.Wait()
}
