package lease

import (
	"os"
	"testing"
	"time"
)

// modelLimit bounds the states of one start; GALLEY_MODEL=all takes more ticks, and as many states as the memory of a usual machine holds.
const (
	modelLimit    = 30_000
	modelLimitAll = 1_500_000
)

func TestModel(t *testing.T) {
	limit, more := modelLimit, int8(0)
	if os.Getenv("GALLEY_MODEL") == "all" {
		limit, more = modelLimitAll, 1
	}
	all := 0
	for _, c := range []struct {
		name  string
		start world
	}{
		{"two galleys start", newWorld(2, bounds{ticks: 1})},
		{"one loses sight of a node", settled(2, bounds{ticks: 2 + 2*more, sights: 1})},
		{"each loses sight of a node", settled(2, bounds{ticks: 1 + more, sights: 2})},
		{"a galley dies", settled(2, bounds{ticks: 1 + 2*more, sights: 1, deaths: 1})},
		{"an answer is lost", settled(2, bounds{ticks: 1 + 2*more, sights: 1, losses: 1})},
		{"an answer is late", settled(2, bounds{ticks: 1 + 2*more, sights: 1, lates: 1})},
		{"the writer dies under writes", settled(2, bounds{ticks: 1 + 2*more, sights: 1, crashes: 1, writes: 1})},
		{"an operator moves it", settled(2, bounds{ticks: 1 + 2*more, orders: 2})},
		{"three galleys start", newWorld(3, bounds{})},
		{"one of three loses sight of a node", settled(3, bounds{ticks: 1 + more, sights: 1})},
		{"two of three lose sight of nodes", settled(3, bounds{ticks: 1, sights: 2})},
		{"one of three dies", settled(3, bounds{ticks: 1, sights: 1, deaths: 1})},
		{"an operator moves it under three", settled(3, bounds{ticks: 1 + more, orders: 1})},
	} {
		began := time.Now()
		states, wrong := explore(c.start, none, limit)
		whole := "all"
		if states > limit {
			whole = "the first"
		}
		t.Logf("%s: %s %d states in %v", c.name, whole, states, time.Since(began))
		all += states
		if wrong != "" {
			t.Errorf("%s: %s", c.name, wrong)
		}
	}
	t.Logf("%d states in all; the invariants hold in each of them", all)
}

// TestModelFindsFlaws sees that the checker is worth something: it finds each rule that is broken on purpose.
func TestModelFindsFlaws(t *testing.T) {
	sight := settled(2, bounds{ticks: 4, sights: 1})
	writes := settled(2, bounds{ticks: 2, sights: 1, crashes: 1, writes: 1})
	for f, start := range map[flaw]world{
		ackTooEarly: settled(2, bounds{ticks: 1, orders: 1}), noFence: sight, blindConfirm: sight, noWait: settled(2, bounds{ticks: 2, sights: 1}),
		busyAck: writes, sendsTwice: writes, tellsTooEarly: writes,
	} {
		states, wrong := explore(start, f, 60_000)
		if wrong == "" {
			t.Errorf("%s: not found in %d states", f, states)
			continue
		}
		t.Logf("%s: found among %d states", f, states)
	}
}
