package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"galley/cluster"
)

const (
	// pausedMuch is the part of the time in flow control from which on the database counts as in trouble.
	pausedMuch = 0.5
	// pausedOver is over how long it is taken: a few probes, so that one write set that is large does not count.
	pausedOver = 3 * time.Second
	// troubleAge is for how long an answer is good: it is asked for each page.
	troubleAge = 250 * time.Millisecond
)

// databaseTrouble says why a page that needs the database should rather not be made now; empty for no reason. history gives a node's past.
func databaseTrouble(view *cluster.View, history func(addr string) []cluster.Sample) string {
	w := view.WriterNode()
	if w == nil {
		return "there is no writer: " + words(view.WriterReason)
	}
	samples := history(w.Addr)
	if len(samples) == 0 {
		return ""
	}
	from := samples[len(samples)-1].At.Add(-pausedOver)
	sum, n := 0.0, 0
	for _, s := range samples {
		if s.At.After(from) {
			sum += s.Paused
			n++
		}
	}
	if paused := sum / float64(n); paused > pausedMuch {
		return fmt.Sprintf("the cluster was paused by flow control for %.0f%% of the last seconds", 100*paused)
	}
	return ""
}

// troubleWatch keeps the last answer for those who ask often. It may be used from any goroutine.
type troubleWatch struct {
	last atomic.Pointer[troubleSeen]
}

type troubleSeen struct {
	at   time.Time
	text string
}

// of gives the answer, from look where the last one is too old.
func (t *troubleWatch) of(look func() string) string {
	if s := t.last.Load(); s != nil && time.Since(s.at) < troubleAge {
		return s.text
	}
	s := &troubleSeen{at: time.Now(), text: look()}
	t.last.Store(s)
	return s.text
}

// databaseTrouble is that of the cluster now. It is cheap, and may be asked for each request.
func (g *galley) databaseTrouble() string {
	return g.troubled.of(func() string { return databaseTrouble(g.monitor.View(), g.monitor.History) })
}

// noTrouble is for a galley that knows of no database.
func noTrouble() string { return "" }
