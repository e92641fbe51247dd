package main

import (
	"context"
	"fmt"
	"slices"
)

const crowdTest = "many active clients on 60 backend conns"

const (
	crowdConns   = 60
	crowdClients = 2000
	// crowdTurn is how many times as long their turn lasts, so that each comes to its statement many times.
	crowdTurn = 4
)

// The figures of fairness. A wait is from sending a statement to having its answer.
const (
	longestWait = "longest wait to the median wait"
	slowest     = "statements of the slowest client to those of the median client"
)

// measureCrowd compares many clients with as many as there are backend conns. This galley knows one node only, so that there are 60 in all. Beside it stand as many clients of that
// node without a proxy: so many sockets cost the clients as well, whose CPU is the same here.
func (r *runner) measureCrowd(ctx context.Context, turn int, res *results) error {
	many, err := r.site.startGalley(ctx, doorGalley, r.plan.galley, fmt.Sprintf("  pool: {max_per_node: %d}\n", crowdConns), r.site.lab.Addrs()[0])
	if err != nil {
		return err
	}
	defer many.proxy.stop()
	few := *many
	few.name = doorFew
	doors := []*door{many, &few}
	sizes := map[*door]int{many: crowdClients, &few: crowdConns}
	if r.plan.other != "" {
		other, err := r.site.startGalley(ctx, doorOther, r.plan.other, fmt.Sprintf("  pool: {max_per_node: %d}\n", crowdConns), r.site.lab.Addrs()[0])
		if err != nil {
			return err
		}
		defer other.proxy.stop()
		doors, sizes[other] = append(doors, other), crowdClients
	}
	c := res.inTurns(crowdTest, crowdClients)
	herds := map[*door]*herd{}
	direct := r.site.find(doorDirect)
	doors, sizes[direct] = append(doors, direct), crowdClients
	for d, n := range sizes {
		h, err := newHerd(r.site, d, n)
		if err != nil {
			return err
		}
		defer h.close()
		herds[d] = h
		if err := h.once(ctx, round{steps: []step{query("SET NAMES utf8mb4")}}); err != nil {
			return err
		}
	}
	each := round{steps: []step{queryByKey("SELECT c FROM pages WHERE id=")}}
	return r.inTurns(ctx, turn, doors, func(ctx context.Context, d *door, warm bool) error {
		got, err := r.selects(ctx, herds[d], each, c, warm)
		if err != nil || warm {
			return err
		}
		slices.Sort(got.each)
		c.figure("longest wait, ms").add(d.name, got.waits[len(got.waits)-1])
		c.figure(longestWait).add(d.name, got.waits[len(got.waits)-1]/percentile(got.waits, 0.5))
		c.figure(slowest).add(d.name, got.each[0]/percentile(got.each, 0.5))
		r.say("  p50 %.1f, p99 %.1f, longest wait %.1f ms; statements of the slowest client %.0f, of the median one %.0f", percentile(got.waits, 0.5), percentile(got.waits, 0.99),
			got.waits[len(got.waits)-1], got.each[0], percentile(got.each, 0.5))
		return nil
	})
}
