package mysql

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestWidth: fewer conns work where a node serves as much by them, and all of them where what is served depends on how many there are.
func TestWidth(t *testing.T) {
	const conns = 60
	cpuBound := func(int) float64 { return 70 }                             // A turn.
	cached := func(n int) float64 { return 70 + 30*float64(conns-n)/conns } // Fewer are faster.
	waiting := func(n int) float64 { return float64(n) }                    // Each takes its time.
	mixed := func(n int) float64 { return min(float64(n), 30) }             // 30 keep the node busy.
	stuck := func(int) float64 { return 0 }                                 // All wait for one another.
	for name, c := range map[string]struct {
		serves   func(n int) float64
		from     int
		min, max int
	}{
		"CPU":                {cpuBound, 0, narrowest, narrowest},
		"caches":             {cached, 0, narrowest, narrowest},
		"waits":              {waiting, 0, conns, conns},
		"waits, from narrow": {waiting, narrowest, conns, conns},
		"mixed":              {mixed, 0, 26, 45},
		"mixed, from narrow": {mixed, narrowest, 26, 45},
		"nothing":            {stuck, 0, conns, conns},
		"nothing any more":   {stuck, narrowest, conns, conns},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			now := time.Now()
			w := width{most: c.from, last: now}
			all, turns := 0, 0
			for i := range 6000 {
				working := w.now()
				if working == 0 {
					working = conns
				}
				if i >= 3000 { // Settled by then.
					all, turns = all+working, turns+1
				}
				now = now.Add(turnTime)
				w.turn(now, uint64(c.serves(working)*10*(0.95+r.Float64()/10)), working, conns)
			}
			// Trials take away some of the time.
			if mean := float64(all) / float64(turns); mean < float64(c.min)*0.97 || mean > float64(c.max)*1.1 {
				t.Errorf("%.1f conns work in the mean, want %d to %d", mean, c.min, c.max)
			}
		})
	}
}
