package torture

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// window is the time of one fault, or all the time between them, and what the clients saw then.
type window struct {
	name         string
	cuts         bool
	began, ended time.Time
	ops          int
	errors       map[string]int
	longest      time.Duration // The longest operation that succeeded.
	floor        time.Duration // And the longest directly on a node that survived.
}

func newWindow(name string, cuts bool) *window {
	return &window{name: name, cuts: cuts, began: time.Now(), errors: map[string]int{}}
}

func (h *harness) begin(f Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.during = newWindow(f.Name, f.Cuts)
	h.passed = append(h.passed, h.during)
}

// aftermath is how long behind a fault what happens is still counted as its effect.
const aftermath = 2 * time.Second

func (h *harness) finish() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.during.ended = time.Now()
}

// at is the window to which an operation belongs: the fault that it met, be it at its end only.
func (h *harness) at(began, ended time.Time) *window {
	for _, w := range slices.Backward(h.passed) {
		if ended.After(w.began) && (w.ended.IsZero() || began.Before(w.ended.Add(aftermath))) {
			return w
		}
	}
	return h.quiet
}

// note counts one operation.
func (h *harness) note(load string, began, ended time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops[load]++
	w := h.at(began, ended)
	w.ops++
	if err == nil {
		w.longest = max(w.longest, ended.Sub(began))
		return
	}
	kind := load + ":" + kindOf(err)
	var before notCommitted
	switch {
	case errors.As(err, &before):
	case errors.As(err, &readFailed{}):
	case outcomeOf(err) == Unknown:
		kind += " (unknown)"
	}
	if !h.first[w.name+kind] {
		h.first[w.name+kind] = true
		h.opts.Say("  %s, %s: %v", w.name, kind, err)
	}
	w.errors[kind]++
}

// watchFloors writes on every node directly, each to its own row, for comparison: so long Galera itself needs.
func (h *harness) watchFloors(ctx context.Context, busy *sync.WaitGroup) {
	for _, name := range slices.Sorted(maps.Keys(h.opts.Floors)) {
		busy.Go(func() { h.watchFloor(ctx, name) })
	}
}

func (h *harness) watchFloor(ctx context.Context, name string) {
	db := open(h.opts.Floors[name])
	defer db.Close()
	for n := 0; ctx.Err() == nil; n++ {
		began := time.Now()
		opCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), opLimit)
		_, err := db.ExecContext(opCtx, "REPLACE INTO torture_floor VALUES (?, ?)", name, n)
		cancel()
		ended := time.Now()
		if err == nil {
			h.mu.Lock()
			w := h.at(began, ended)
			w.floor = max(w.floor, ended.Sub(began))
			h.mu.Unlock()
		}
		wait(ctx, 4*pause)
	}
}
