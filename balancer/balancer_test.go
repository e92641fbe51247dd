package balancer

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"sync"
	"testing"
)

func up(addr string, weight int) *Backend {
	b := NewBackend(addr, weight)
	b.SetState(Up)
	return b
}

func TestBackendState(t *testing.T) {
	b := NewBackend("a", 1)
	if b.State() != Down || b.Available() {
		t.Fatalf("a new backend is %v, available %v", b.State(), b.Available())
	}
	b.SetHealthy(true)
	if b.State() != Up || !b.Available() {
		t.Fatalf("healthy backend is %v", b.State())
	}
	b.SetState(Draining)
	for _, healthy := range []bool{true, false} {
		b.SetHealthy(healthy)
		if b.State() != Draining || b.Available() {
			t.Fatalf("a probe (healthy %v) made a draining backend %v", healthy, b.State())
		}
	}
}

func TestBackendNumbers(t *testing.T) {
	b := up("a", -3)
	if b.Weight() != 0 {
		t.Errorf("weight %d", b.Weight())
	}
	for in, want := range map[float64]float64{-1: 0, 0.25: 0.25, 7: 1, math.NaN(): 0} {
		if b.SetShare(in); b.Share() != want {
			t.Errorf("share %v became %v, want %v", in, b.Share(), want)
		}
	}
	if b.SetReported(math.NaN()); b.Reported() != 0 {
		t.Errorf("reported %v", b.Reported())
	}
	b.SetReported(2.5)
	b.Begin()
	b.Begin()
	b.End()
	if b.Load() != 3.5 || b.InFlight() != 1 {
		t.Errorf("load %v, in flight %d", b.Load(), b.InFlight())
	}
	b.SetLimit(1)
	if b.Available() {
		t.Error("available at its limit")
	}
}

func TestFirst(t *testing.T) {
	a, b := NewBackend("a", 1), up("b", 1)
	if got := First([]*Backend{a, b}, Pick{}); got != b {
		t.Errorf("chose %v, want b: a is down", got)
	}
	if got := First([]*Backend{a, b}, Pick{Skip: []*Backend{b}}); got != nil {
		t.Errorf("chose %v, want none", got)
	}
}

// spread counts what a policy chooses in n draws.
func spread(p Policy, n int, bs ...*Backend) map[string]int {
	got := map[string]int{}
	for range n {
		if b := p(bs, Pick{}); b != nil {
			got[b.Addr()]++
		}
	}
	return got
}

func TestLeastLoaded(t *testing.T) {
	const n = 20000
	type node struct {
		weight   int
		inFlight int
		reported float64
		share    float64
	}
	for name, c := range map[string]struct {
		nodes []node
		want  []float64 // parts of the draws
	}{
		"idle and equal":         {[]node{{1, 0, 0, 1}, {1, 0, 0, 1}, {1, 0, 0, 1}}, []float64{1. / 3, 1. / 3, 1. / 3}},
		"idle, weights 1 and 3":  {[]node{{1, 0, 0, 1}, {3, 0, 0, 1}}, []float64{.25, .75}},
		"less than one apart":    {[]node{{1, 0, .9, 1}, {1, 0, 0, 1}}, []float64{.5, .5}},
		"one statement apart":    {[]node{{1, 1, 0, 1}, {1, 0, 0, 1}}, []float64{0, 1}},
		"reported counts":        {[]node{{1, 0, 8, 1}, {1, 5, 0, 1}}, []float64{0, 1}},
		"weight divides load":    {[]node{{4, 8, 0, 1}, {1, 4, 0, 1}}, []float64{1, 0}},
		"share divides load":     {[]node{{1, 4, 0, .2}, {1, 8, 0, 1}}, []float64{0, 1}},
		"no share, no work":      {[]node{{1, 0, 0, 0}, {1, 99, 0, 1}}, []float64{0, 1}},
		"no weight, no work":     {[]node{{0, 0, 0, 1}, {1, 99, 0, 1}}, []float64{0, 1}},
		"nobody has any share":   {[]node{{1, 0, 0, 0}, {1, 0, 0, 0}}, []float64{0, 0}},
		"idle with a tenth left": {[]node{{1, 0, 0, .1}, {1, 0, 0, 1}}, []float64{1. / 11, 10. / 11}},
	} {
		t.Run(name, func(t *testing.T) {
			bs := make([]*Backend, len(c.nodes))
			for i, node := range c.nodes {
				b := up(strconv.Itoa(i), node.weight)
				b.SetReported(node.reported)
				b.SetShare(node.share)
				for range node.inFlight {
					b.Begin()
				}
				bs[i] = b
			}
			got := spread(LeastLoaded, n, bs...)
			for i, want := range c.want {
				if part := float64(got[strconv.Itoa(i)]) / n; math.Abs(part-want) > .02 {
					t.Errorf("node %d got %.3f of the work, want %.3f", i, part, want)
				}
			}
		})
	}
}

func TestLeastLoadedSkips(t *testing.T) {
	a, b, c := up("a", 1), up("b", 1), up("c", 1)
	b.SetState(Draining)
	for range 100 {
		if got := LeastLoaded([]*Backend{a, b, c}, Pick{Skip: []*Backend{a}}); got != c {
			t.Fatalf("chose %v, want c", got)
		}
	}
}

func TestTwoChoices(t *testing.T) {
	a, b, c := up("a", 1), up("b", 1), up("c", 2)
	got := spread(TwoChoices, 20000, a, b, c)
	if part := float64(got["c"]) / 20000; math.Abs(part-.5) > .02 {
		t.Errorf("idle: c has weight 2 of 4 and got %.3f", part)
	}
	a.SetReported(9)
	b.SetReported(3)
	c.SetReported(4)
	got = spread(TwoChoices, 20000, a, b, c)
	if got["a"] != 0 || got["b"] == 0 || got["c"] <= got["b"] {
		t.Errorf("the one with the most load is never the better of two, the least one is drawn most: %v", got)
	}
	if chosen := TwoChoices([]*Backend{a, b}, Pick{Skip: []*Backend{b}}); chosen != a {
		t.Errorf("chose %v", chosen)
	}
	c.SetShare(0)
	if chosen := TwoChoices([]*Backend{c}, Pick{}); chosen != nil {
		t.Errorf("chose %v", chosen)
	}
}

func TestPanic(t *testing.T) {
	down, draining, full := NewBackend("a", 1), NewBackend("b", 1), NewBackend("c", 1)
	draining.SetState(Draining)
	full.SetLimit(1)
	full.Begin()
	for name, policy := range map[string]Policy{"first": First, "least": LeastLoaded, "two": TwoChoices, "hash": Hash} {
		if got := policy([]*Backend{draining, full, down}, Pick{Panic: true}); got != down {
			t.Errorf("%s: in panic chose %v", name, got)
		}
		if got := policy([]*Backend{draining, full, down}, Pick{}); got != nil {
			t.Errorf("%s: chose %v", name, got)
		}
	}
}

func TestHashMovesOnlyTheKeysOfTheLost(t *testing.T) {
	bs := []*Backend{up("a", 1), up("b", 1), up("c", 1)}
	count := map[string]int{}
	for i := range 3000 {
		pick := Pick{Key: Key("user" + strconv.Itoa(i))}
		bs[1].SetState(Up)
		before := Hash(bs, pick)
		count[before.Addr()]++
		bs[1].SetState(Down)
		after := Hash(bs, pick)
		if before != bs[1] && after != before {
			t.Fatalf("key %d moved from %s to %s when b was lost", i, before.Addr(), after.Addr())
		}
	}
	for addr, n := range count {
		if n < 850 || n > 1150 {
			t.Errorf("%s got %d of 3000 keys", addr, n)
		}
	}
}

func TestPoolSetKeepsWhatStays(t *testing.T) {
	p := NewPool(First)
	if _, err := p.Acquire(); !errors.Is(err, ErrNoBackend) {
		t.Fatalf("empty pool: %v", err)
	}
	a := up("a", 1)
	p.Set([]*Backend{a})
	l, err := p.Acquire()
	if err != nil || l.Backend() != a || a.InFlight() != 1 {
		t.Fatalf("lease %v, %v", l, err)
	}
	got := p.Set([]*Backend{NewBackend("b", 1), NewBackend("a", 5)})
	if got[1] != a || a.Weight() != 5 || a.State() != Up || a.InFlight() != 1 {
		t.Errorf("a was not kept: %v", got)
	}
	p.Set(nil)
	l.Release(Success)
	if a.InFlight() != 0 {
		t.Errorf("in flight %d after release", a.InFlight())
	}
}

func TestLease(t *testing.T) {
	p := NewPool(First)
	a, b := up("a", 1), up("b", 1)
	p.Set([]*Backend{a, b})
	var heard []Outcome
	p.OnOutcome(func(_ *Backend, o Outcome) { heard = append(heard, o) })

	l, err := p.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	l.Release(DialFailed)
	l.Release(Success)
	l.Release(Lost)
	if a.InFlight() != 0 || a.Failures() != 1 {
		t.Errorf("in flight %d, failures %d: only the first release counts", a.InFlight(), a.Failures())
	}
	if l, err = p.AcquireExcept(a); err != nil || l.Backend() != b {
		t.Fatalf("except a: %v, %v", l, err)
	}
	l.Release(Canceled)
	if _, err = p.AcquireExcept(a, b); !errors.Is(err, ErrNoBackend) {
		t.Errorf("except all: %v", err)
	}
	l, _ = p.Acquire()
	l.Release(Success)
	if a.Failures() != 0 {
		t.Errorf("failures %d after a success", a.Failures())
	}
	if want := []Outcome{DialFailed, Canceled, Success}; !slices.Equal(heard, want) {
		t.Errorf("heard %v, want %v", heard, want)
	}
}

func TestPoolFromManyGoroutines(t *testing.T) {
	p := NewPool(LeastLoaded)
	a, b := up("a", 1), up("b", 1)
	p.Set([]*Backend{a, b})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				if l, err := p.Acquire(); err == nil {
					l.Release(Success)
				}
			}
		})
	}
	for i := range 200 {
		p.Set([]*Backend{a, b}[i%2:])
		a.SetHealthy(i%3 == 0)
	}
	wg.Wait()
	if a.InFlight() != 0 || b.InFlight() != 0 {
		t.Errorf("in flight %d and %d at the end", a.InFlight(), b.InFlight())
	}
}

func TestAcquireDoesNotAllocate(t *testing.T) {
	for name, policy := range map[string]Policy{"first": First, "least": LeastLoaded, "two": TwoChoices, "hash": Hash} {
		p := NewPool(policy)
		p.Set([]*Backend{up("a", 1), up("b", 1), up("c", 1)})
		if n := testing.AllocsPerRun(100, func() {
			l, _ := p.Acquire()
			l.Release(Success)
		}); n != 0 {
			t.Errorf("%s: %v allocations per lease", name, n)
		}
	}
}

func BenchmarkAcquire(b *testing.B) {
	for name, policy := range map[string]Policy{"First": First, "LeastLoaded": LeastLoaded, "Hash": Hash} {
		b.Run(name, func(b *testing.B) {
			p := NewPool(policy)
			p.Set([]*Backend{up("a", 1), up("b", 1), up("c", 1)})
			b.ReportAllocs()
			for b.Loop() {
				l, _ := p.Acquire()
				l.Release(Success)
			}
		})
	}
}
