package main

import (
	"context"
	"sync"
	"time"

	"galley/cluster/clusterlab"
)

const (
	// tendEvery is how often the demo looks for nodes that are gone.
	tendEvery = time.Second
	// tendAfter is how long a node stays away that somebody has killed: long enough to see what happens without it.
	tendAfter = 10 * time.Second
)

// tend starts nodes again that somebody has killed, as an init system would. The script has its own mind about that.
func (d *theDemo) tend(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	gone := map[*clusterlab.Node]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, n := range d.lab.Nodes() {
			if n.PID() != 0 {
				delete(gone, n)
				continue
			}
			since, known := gone[n]
			if !known {
				gone[n] = time.Now()
				d.screen.line("%s  ** %s is gone; it is started again in %s", clock(time.Now()), n.Name(), tendAfter)
			}
			if !known || time.Since(since) < tendAfter {
				continue
			}
			gone[n] = time.Now().Add(24 * time.Hour) // It is tried once.
			wg.Go(func() { d.restart(ctx, n) })
		}
	}
}

// restart starts a node and says if it does not work.
func (d *theDemo) restart(ctx context.Context, n *clusterlab.Node) {
	if err := n.Start(ctx); err != nil && ctx.Err() == nil {
		d.screen.line("%s  ** %s", clock(time.Now()), printable(err.Error()))
	}
}
