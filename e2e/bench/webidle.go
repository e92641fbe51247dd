package main

import (
	"context"
	"fmt"
	"time"
)

// webIdleMost is how many idle clients of the web are measured, unless fewer are asked for.
const webIdleMost = 5000

// The figures of idle clients.
const (
	perClientFile = "memory of the front, KB per client, after a file"
	perClientPage = "memory of the front, KB per client, after a page of PHP"
)

// measureWebIdle measures what kept connections cost with fresh fronts: with nothing but a small file asked for over each, and then with a page as well.
func (r *runner) measureWebIdle(ctx context.Context, stage *webStage, res *results) error {
	c := res.web(webIdle, min(r.plan.idle, webIdleMost))
	for _, name := range []string{doorNginx, doorCaddy, doorGalley, doorOther} {
		start := stage.starters(r.site)[name]
		if start == nil || r.plan.quick && name != doorGalley {
			continue
		}
		if err := r.webIdleAt(ctx, stage, start, c); err != nil {
			return fmt.Errorf("%s, %s: %w", webIdle, name, err)
		}
	}
	return nil
}

func (r *runner) webIdleAt(ctx context.Context, stage *webStage, start func() (*door, error), c *cell) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	d, err := start()
	if err != nil {
		return err
	}
	defer d.proxy.stop()
	if err := stage.check(ctx, d); err != nil {
		return err
	}
	var hello, file page
	for _, p := range pages() {
		switch p.test {
		case webHello:
			hello = p
		case webSmall:
			file = p
		}
	}
	// What the first connections set up is not a price per connection.
	first, err := newCrew(d, hello, abreast)
	if err != nil {
		return err
	}
	if _, err := first.once(ctx); err != nil {
		return err
	}
	first.close()
	crew, err := newCrew(d, file, c.Clients)
	if err != nil {
		return err
	}
	defer crew.close()
	before, err := settled(ctx, d)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		page   page
		figure string
	}{{file, perClientFile}, {hello, perClientPage}} {
		crew.visit(step.page)
		got, err := crew.once(ctx)
		if err != nil {
			return err
		}
		if got.errors > 0 {
			return fmt.Errorf("%d errors: %w", got.errors, got.first)
		}
		size, err := settled(ctx, d)
		if err != nil {
			return err
		}
		per := float64(size-before) / 1e3 / float64(c.Clients)
		c.figure(step.figure).add(d.name, per)
		r.say("%s %d, %-12s %s: %.1f", webIdle, c.Clients, d.name, step.figure, per)
	}
	return nil
}

// settled is the memory of a front that has come to rest, in bytes.
func settled(ctx context.Context, d *door) (int64, error) {
	if err := pause(ctx, settle); err != nil {
		return 0, err
	}
	var all int64
	pids, err := family(d.pid())
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		size, err := resident(pid)
		if err != nil {
			return 0, err
		}
		all += size
	}
	return all, nil
}
