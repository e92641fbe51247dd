package balancer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errProbe = errors.New("no answer")

// runChecker runs a checker inside a synctest bubble and stops it at the end.
func runChecker(t *testing.T, opts CheckerOptions) *Checker {
	t.Helper()
	c, err := NewChecker(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return c
}

func TestCheckerRefusesBadOptions(t *testing.T) {
	probe := func(context.Context) error { return nil }
	for name, o := range map[string]CheckerOptions{
		"no probe":    {Interval: 1, Timeout: 1},
		"no interval": {Probe: probe, Timeout: 1},
		"no timeout":  {Probe: probe, Interval: 1},
	} {
		if _, err := NewChecker(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestCheckerRiseAndFall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results := []error{nil, errProbe, nil, nil, errProbe, errProbe, nil, errProbe, errProbe, errProbe}
		var mu sync.Mutex
		var changes []State
		heard := func() []State {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(changes)
		}
		i := 0
		runChecker(t, CheckerOptions{
			Interval: time.Second, Timeout: time.Second, Rise: 2, Fall: 3,
			Probe: func(context.Context) error {
				err := results[min(i, len(results)-1)]
				i++
				return err
			},
			Changed: func(s State, _ error) {
				mu.Lock()
				defer mu.Unlock()
				changes = append(changes, s)
			},
		})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if want := []State{Up}; !slices.Equal(heard(), want) {
			t.Errorf("after five probes %v, want %v", changes, want)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if want := []State{Up, Down}; !slices.Equal(heard(), want) {
			t.Errorf("at the end %v, want %v", changes, want)
		}
	})
}

func TestCheckerInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		runChecker(t, CheckerOptions{
			Interval: time.Second, Timeout: time.Second,
			Probe: func(context.Context) error { n++; return nil },
		})
		time.Sleep(100*time.Second + time.Millisecond)
		synctest.Wait()
		if n < 95 || n > 107 {
			t.Errorf("%d probes in 100 s at 1 s", n)
		}
	})
}

func TestCheckerTrigger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun []time.Duration
		start := time.Now()
		c := runChecker(t, CheckerOptions{
			Interval: time.Hour, Timeout: time.Minute, MinGap: 100 * time.Millisecond,
			Probe: func(ctx context.Context) error {
				begun = append(begun, time.Since(start))
				select {
				case <-ctx.Done():
				case <-time.After(10 * time.Millisecond):
				}
				return nil
			},
		})
		time.Sleep(time.Second)
		c.Trigger()
		synctest.Wait()
		for range 50 { // during the probe: all of them are one more probe
			c.Trigger()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		want := []time.Duration{0, time.Second, 1100 * time.Millisecond}
		if !slices.Equal(begun, want) {
			t.Errorf("probes began at %v, want %v", begun, want)
		}
	})
}

func TestCheckerBacksOffFromAHungBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		runChecker(t, CheckerOptions{
			Interval: 500 * time.Millisecond, Timeout: time.Second, Backoff: 30 * time.Second,
			Probe: func(ctx context.Context) error { n++; <-ctx.Done(); return ctx.Err() },
		})
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if n > 120 {
			t.Errorf("%d probes broken off in half an hour", n)
		}
		if n < 50 {
			t.Errorf("only %d probes in half an hour: a node that is back would not be seen", n)
		}
	})
}

func TestCheckerEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changed := false
		c, err := NewChecker(CheckerOptions{
			Interval: time.Second, Timeout: time.Hour,
			Probe:   func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			Changed: func(State, error) { changed = true },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run returned %v", err)
		}
		if changed {
			t.Error("the end of Run was taken for a failed probe")
		}
	})
}
