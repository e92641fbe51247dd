package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const phpTest = "PHP pattern"

// turns is how often the doors take turns in a round of the parts that have clients of ours: so short, because what else runs on a machine changes from second to second.
const turns = 8

// turnTime is the length of a turn.
func (r *runner) turnTime() time.Duration { return time.Duration(r.plan.seconds-1) * time.Second / 4 }

// phpPage is what a PHP page does at the least: connect, two statements of every framework, a row by its key, quit.
func phpPage() round {
	return round{quit: true, steps: []step{query("SET NAMES utf8mb4"), query("SELECT @@sql_mode"), queryByKey("SELECT c FROM pages WHERE id = ")}}
}

// measurePHP runs pages, each over a new connection. Besides the galley of all parts, which spreads what reads over two nodes, there is one that has only the node to which the
// direct clients connect: on a machine that runs all nodes each more of them costs cache, and this one shows what connecting through galley costs without that.
func (r *runner) measurePHP(ctx context.Context, round int, res *results) error {
	oneNode, err := r.site.startGalley(ctx, doorOneNode, r.plan.galley, "", r.site.lab.Addrs()[0])
	if err != nil {
		return err
	}
	defer oneNode.proxy.stop()
	for _, clients := range []int{8, targetClients} {
		if err := r.inTurns(ctx, round, append(slices.Clone(r.site.main()), oneNode), func(ctx context.Context, d *door, warm bool) error {
			return r.php(ctx, d, res.inTurns(phpTest, clients), warm)
		}); err != nil {
			return fmt.Errorf("%s, %d clients: %w", phpTest, clients, err)
		}
	}
	return nil
}

// inTurns has the doors take turns, each time in another order. Before that, all are used for a moment.
func (r *runner) inTurns(ctx context.Context, round int, doors []*door, do func(ctx context.Context, d *door, warm bool) error) error {
	doors = slices.DeleteFunc(slices.Clone(doors), func(d *door) bool { return len(r.plan.doors) > 0 && !slices.Contains(r.plan.doors, d.name) })
	for turn := -1; turn < turns; turn++ {
		for i := range doors {
			d := doors[(i+round+turn+1)%len(doors)]
			ctx, cancel := context.WithTimeout(ctx, r.turnTime()+30*time.Second)
			err := do(ctx, d, turn < 0)
			cancel()
			if err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
		}
	}
	return nil
}

// php lets clients load pages for a turn.
func (r *runner) php(ctx context.Context, d *door, c *cell, warm bool) error {
	h, err := newHerd(r.site, d, c.Clients)
	if err != nil {
		return err
	}
	defer h.close()
	got, used, err := r.watch(ctx, h, phpPage(), warm)
	if err != nil || warm {
		return err
	}
	n := float64(len(got.waits))
	rate := n / got.took.Seconds()
	slices.Sort(got.waits)
	c.figure(connectionsPerSecond).add(d.name, rate)
	c.figure("p50, ms").add(d.name, percentile(got.waits, 0.5))
	c.figure("p99, ms").add(d.name, percentile(got.waits, 0.99))
	used.note(c, d, n, "connection")
	r.say("%-24s %5d  %-22s %7.0f connections/s  CPU each: %s", c.Test, c.Clients, d.name, rate, used.text(n))
	return nil
}

// used is CPU time that was used by whom.
type used struct {
	proxy, nodes, client time.Duration
}

// watch lets a herd play for a turn, or a moment to warm up, and says what CPU that took.
func (r *runner) watch(ctx context.Context, h *herd, what round, warm bool) (played, used, error) {
	long := r.turnTime()
	if len(h.clients) >= crowdClients {
		long *= crowdTurn
	}
	if warm {
		long = 300 * time.Millisecond
	}
	before, err := r.ownClocks(h.door)
	if err != nil {
		return played{}, used{}, err
	}
	got, err := h.during(ctx, what, long)
	if err != nil {
		return played{}, used{}, err
	}
	after, err := r.ownClocks(h.door)
	return got, used{proxy: after.proxy - before.proxy, nodes: after.nodes - before.nodes, client: after.client - before.client}, err
}

// note puts the CPU time into the cell, divided by what was done with it.
func (u used) note(c *cell, d *door, n float64, each string) {
	if d.proxy != nil {
		c.figure("CPU of the proxy, µs per "+each).add(d.name, float64(u.proxy)/1e3/n)
	}
	c.figure("CPU of the nodes, µs per "+each).add(d.name, float64(u.nodes)/1e3/n)
	c.figure("CPU of the clients, µs per "+each).add(d.name, float64(u.client)/1e3/n)
	c.figure("CPU of all, µs per "+each).add(d.name, float64(u.proxy+u.nodes+u.client)/1e3/n)
}

func (u used) text(n float64) string {
	each := func(d time.Duration) float64 { return float64(d) / 1e3 / n }
	return fmt.Sprintf("proxy %5.1f, nodes %5.1f, client %5.1f, all %5.1f µs", each(u.proxy), each(u.nodes), each(u.client), each(u.proxy+u.nodes+u.client))
}
