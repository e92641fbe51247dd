package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"galley/e2e/torture"
)

// losesSight has the galleys lose sight of nodes, each of another one, while the nodes see each other and the galleys too, through the rest: none of them may take the writer to where the
// others cannot follow, and there must never be two.
func (l *Lab) losesSight(name string, hold time.Duration, which func(galley, writer, first, second int) int) torture.Fault {
	return torture.Fault{
		Name: name, Hold: hold,
		Act: func(ctx context.Context, r *rand.Rand) error {
			writer, _, err := l.roles(ctx)
			if err != nil {
				return err
			}
			w, others := 0, []int{}
			for i, n := range l.Cluster.Nodes() {
				if n == writer {
					w = i
				} else {
					others = append(others, i)
				}
			}
			if len(others) < 2 {
				return fmt.Errorf("only %d nodes", len(others)+1)
			}
			r.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
			for i, at := range r.Perm(len(l.Galleys)) {
				if node := which(i, w, others[0], others[1]); node >= 0 {
					l.Galleys[at].relays[node].cut()
				}
			}
			return nil
		},
		Heal: func(ctx context.Context) error {
			for _, g := range l.Galleys {
				for _, r := range g.relays {
					r.heal()
				}
			}
			return l.settle(ctx)
		},
	}
}

// sights are the partitions between galleys and nodes.
func (l *Lab) sights() []torture.Fault {
	return []torture.Fault{
		l.losesSight("a galley loses sight of the writer", 6*time.Second, func(galley, writer, _, _ int) int {
			if galley == 0 {
				return writer
			}
			return -1
		}),
		l.losesSight("galleys lose sight of different nodes", 6*time.Second, func(galley, writer, first, _ int) int {
			if galley == 0 {
				return writer
			}
			return first
		}),
		l.losesSight("galleys lose sight of different readers", 4*time.Second, func(galley, _, first, second int) int {
			if galley == 0 {
				return first
			}
			return second
		}),
	}
}

// moves is how often the galleys have agreed on another writer.
func (l *Lab) moves(ctx context.Context) (int64, error) {
	var last error
	for _, n := range l.Cluster.Nodes() {
		db, err := openRoot(l.Cluster.RootDSN(n))
		if err != nil {
			return 0, err
		}
		var epoch int64
		// Each move is two changes: it begins, and it ends or is taken back.
		last = db.QueryRowContext(ctx, "SELECT epoch FROM galley.lease").Scan(&epoch)
		_ = db.Close()
		if last == nil {
			return epoch / 2, nil
		}
	}
	return 0, fmt.Errorf("read the lease: %w", last)
}
