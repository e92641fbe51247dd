package main

import (
	"context"
	"fmt"
	"slices"
)

// The tests of what sharing backend conns costs a client that gains nothing by it: galley as it is beside galley with mysql.pool.multiplex off.
const (
	sharingText     = "sharing backend conns or not: point select, text"
	sharingPrepared = "sharing backend conns or not: point select, prepared"
)

// measureSharing runs point selects over connections that stay open.
func (r *runner) measureSharing(ctx context.Context, turn int, res *results) error {
	unshared, err := r.site.startGalley(ctx, doorUnshared, r.plan.galley, "  pool: {multiplex: false}\n")
	if err != nil {
		return err
	}
	defer unshared.proxy.stop()
	tests := []struct {
		name        string
		begin, each round
	}{
		{sharingText, round{}, round{steps: []step{queryByKey("SELECT c FROM pages WHERE id=")}}},
		{sharingPrepared, round{steps: []step{prepare("SELECT c FROM pages WHERE id=?")}}, round{steps: []step{executeByKey()}}},
	}
	for _, test := range tests {
		for _, clients := range []int{8, targetClients} {
			herds := map[*door]*herd{}
			defer func() {
				for _, h := range herds {
					h.close()
				}
			}()
			doors := []*door{r.site.find(doorGalley), unshared}
			for _, d := range doors {
				h, err := newHerd(r.site, d, clients)
				if err != nil {
					return err
				}
				herds[d] = h
				if err := h.once(ctx, test.begin); err != nil {
					return err
				}
			}
			err := r.inTurns(ctx, turn, doors, func(ctx context.Context, d *door, warm bool) error {
				_, err := r.selects(ctx, herds[d], test.each, res.inTurns(test.name, clients), warm)
				return err
			})
			if err != nil {
				return fmt.Errorf("%s, %d clients: %w", test.name, clients, err)
			}
			for _, h := range herds {
				h.close()
			}
		}
	}
	return nil
}

// selects lets a herd that is connected run statements for a turn.
func (r *runner) selects(ctx context.Context, h *herd, what round, c *cell, warm bool) (played, error) {
	got, used, err := r.watch(ctx, h, what, warm)
	if err != nil || warm {
		return got, err
	}
	n := float64(len(got.waits))
	rate := n / got.took.Seconds()
	slices.Sort(got.waits)
	c.figure(queriesPerSecond).add(h.door.name, rate)
	c.figure("p50, ms").add(h.door.name, percentile(got.waits, 0.5))
	c.figure("p99, ms").add(h.door.name, percentile(got.waits, 0.99))
	used.note(c, h.door, n, "query")
	r.say("%-52s %5d  %-22s %7.0f queries/s  CPU each: %s", c.Test, c.Clients, h.door.name, rate, used.text(n))
	return got, nil
}
