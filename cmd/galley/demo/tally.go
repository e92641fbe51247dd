package demo

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Noticed is what clients noticed in a span of time.
type Noticed struct {
	Reads, Writes           int            // Operations that succeeded.
	Errors                  map[string]int // By kind.
	ReadPause, WritePause   time.Duration  // The longest time from one success of a client to its next.
	ReadErrors, WriteErrors int
}

// Count is the number of errors.
func (n *Noticed) Count() int { return n.ReadErrors + n.WriteErrors }

// Kinds lists the errors by kind.
func (n *Noticed) Kinds() string {
	if len(n.Errors) == 0 {
		return "none"
	}
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(n.Errors)) {
		parts = append(parts, fmt.Sprintf("%d × %s", n.Errors[kind], kind))
	}
	return strings.Join(parts, ", ")
}

// tally collects what the clients notice. Its methods may be called from any goroutine.
type tally struct {
	mu      sync.Mutex
	whole   Noticed
	window  Noticed
	clients map[int]*progress // By client.
}

// progress is when a client last succeeded.
type progress struct {
	last   time.Time
	writes bool
}

func newTally() *tally {
	return &tally{whole: Noticed{Errors: map[string]int{}}, window: Noticed{Errors: map[string]int{}}, clients: map[int]*progress{}}
}

// begin notes that a client starts to work.
func (t *tally) begin(client int, writes bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clients[client] = &progress{last: time.Now(), writes: writes}
}

// succeeded counts an operation.
func (t *tally) succeeded(client int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, now := t.clients[client], time.Now()
	for _, n := range []*Noticed{&t.whole, &t.window} {
		n.add(p, now)
		if p.writes {
			n.Writes++
		} else {
			n.Reads++
		}
	}
	p.last = now
}

// add brings in the pause that ends now.
func (n *Noticed) add(p *progress, now time.Time) {
	pause := now.Sub(p.last)
	if p.writes {
		n.WritePause = max(n.WritePause, pause)
		return
	}
	n.ReadPause = max(n.ReadPause, pause)
}

// failed counts an error.
func (t *tally) failed(client int, kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	writes := t.clients[client].writes
	for _, n := range []*Noticed{&t.whole, &t.window} {
		n.Errors[kind]++
		if writes {
			n.WriteErrors++
		} else {
			n.ReadErrors++
		}
	}
}

// open begins a window: what is noticed from now on.
func (t *tally) open() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.window = Noticed{Errors: map[string]int{}}
}

// seen gives the window so far, pauses that have not ended included.
func (t *tally) seen() Noticed {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.snapshot(t.window)
}

// all gives everything since the start.
func (t *tally) all() Noticed {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.snapshot(t.whole)
}

func (t *tally) snapshot(n Noticed) Noticed {
	n.Errors = maps.Clone(n.Errors)
	now := time.Now()
	for _, p := range t.clients {
		n.add(p, now)
	}
	return n
}

// allSince says whether every client has succeeded after a moment.
func (t *tally) allSince(at time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.clients {
		if !p.last.After(at) {
			return false
		}
	}
	return true
}
