package fpm

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"galley/proxy/web/fcgi"
	"galley/proxy/web/fcgi/fcgitest"
)

// TestLost breaks each request off at a place and counts how often it was run.
func TestLost(t *testing.T) {
	answer := fcgitest.Page("hello")
	for name, test := range map[string]struct {
		cut        int
		repeatable bool
		reason     Reason
		runs       int
	}{
		"before the answer, POST": {-1, false, LostAfterCommit, 1},
		"before the answer, GET":  {-1, true, LostAfterCommit, 2},
		"in the header, POST":     {20, false, LostAfterCommit, 1},
		"in the header, GET":      {20, true, LostAfterCommit, 2},
		"in the body, POST":       {40, false, Truncated, 1},
		"in the body, GET":        {40, true, Truncated, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var runs atomic.Int32
			script := func(r *fcgitest.Request) fcgitest.Answer {
				if r.Params["CRASH"] == "" {
					return fcgitest.Answer{Bytes: answer}
				}
				runs.Add(1)
				return fcgitest.Answer{Bytes: answer, Cut: test.cut}
			}
			a, b := fcgitest.Start(t, fcgitest.Options{}, script), fcgitest.Start(t, fcgitest.Options{}, script)
			p := run(t, Options{Config: settings(a.Addr(), b.Addr())})
			until(t, "both are up", p.allUp)
			_, _, err := do(t.Context(), p, &Request{Repeatable: test.repeatable, Params: param("CRASH", "1")})
			if reason(err) != test.reason || int(runs.Load()) != test.runs {
				t.Errorf("%v after %d runs", err, runs.Load())
			}
			// The crash condemns nobody.
			if !p.allUp() {
				t.Errorf("after a crash: %+v", p.Snapshot().Backends)
			}
			if _, _, err := do(t.Context(), p, &Request{}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRejectedGoesElsewhere(t *testing.T) {
	var rejections atomic.Int32
	full := fcgitest.Start(t, fcgitest.Options{}, func(*fcgitest.Request) fcgitest.Answer {
		rejections.Add(1)
		return fcgitest.Answer{Bytes: fcgitest.End(fcgi.Overloaded)}
	})
	p := run(t, Options{Config: settings(full.Addr())})
	until(t, "it is up", p.allUp)
	if _, _, err := do(t.Context(), p, &Request{}); reason(err) != Refused || rejections.Load() != maxMoves+1 {
		t.Errorf("%v after %d tries", err, rejections.Load())
	}
}

// TestClientGone cancels after the commit point: a POST runs to its end, a GET is closed upon.
func TestClientGone(t *testing.T) {
	for _, repeatable := range []bool{false, true} {
		hold := make(chan struct{})
		peer := fcgitest.Start(t, fcgitest.Options{}, func(*fcgitest.Request) fcgitest.Answer {
			return fcgitest.Answer{Bytes: fcgitest.Stdout("X: y\n"), Hold: hold}
		})
		p := run(t, Options{Config: settings(peer.Addr())})
		until(t, "it is up", p.allUp)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() {
			_, _, err := do(ctx, p, &Request{Repeatable: repeatable})
			result <- err
		}()
		until(t, "it runs", func() bool { return len(peer.Requests()) == 1 })
		cancel()
		if err := <-result; reason(err) != ClientGone {
			t.Errorf("got %v", err)
		}
		if s := p.backend(peer.Addr()); !repeatable && (s.Orphans != 1 || s.Running != 1) {
			t.Errorf("while the script goes on: %+v", s)
		}
		close(hold)
		until(t, "the worker is free", func() bool { s := p.backend(peer.Addr()); return s.Orphans == 0 && s.Running == 0 && s.Load == 0 })
	}
}

func TestReadTimeout(t *testing.T) {
	hold := make(chan struct{})
	peer := fcgitest.Start(t, fcgitest.Options{}, func(r *fcgitest.Request) fcgitest.Answer {
		head := "A: b\n"
		if r.Params["BODY"] != "" {
			head += r.Params["BODY"] + "\nx"
		}
		return fcgitest.Answer{Bytes: fcgitest.Stdout(head), Hold: hold}
	})
	t.Cleanup(func() { close(hold) })
	c := settings(peer.Addr())
	c.ReadTimeout = 30 * time.Millisecond
	p := run(t, Options{Config: c})
	until(t, "it is up", p.allUp)
	if _, _, err := do(t.Context(), p, &Request{Repeatable: true}); reason(err) != Timeout || failure(err).HTTPStatus() != 504 {
		t.Errorf("got %v", err)
	}
	if _, _, err := do(t.Context(), p, &Request{Params: param("BODY", "C: d\n"), Repeatable: true}); reason(err) != Timeout {
		t.Errorf("got %v", err)
	}
	if n := len(peer.Requests()); n != 2 {
		t.Errorf("%d runs: a timeout was repeated", n)
	}
	// A stream may be silent.
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, _, err := do(ctx, p, &Request{Params: param("BODY", "X-Accel-Buffering: no\n"), Repeatable: true}); reason(err) != ClientGone {
		t.Errorf("got %v", err)
	}
}

// TestQueue has one worker and more requests than may wait.
func TestQueue(t *testing.T) {
	hold := make(chan struct{})
	peer := fcgitest.Start(t, fcgitest.Options{Workers: 1}, func(r *fcgitest.Request) fcgitest.Answer {
		if r.Params["HOLD"] != "" {
			return fcgitest.Answer{Bytes: fcgitest.Page("held"), Hold: hold}
		}
		return fcgitest.Answer{Bytes: fcgitest.Page("hi")}
	})
	c := settings(peer.Addr())
	c.QueueLength, c.QueueTime = 4, enough
	p := run(t, Options{Config: c})
	until(t, "it is up", p.allUp)
	first, err := p.Do(t.Context(), &Request{Site: "a", Params: param("HOLD", "1")})
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error, 20)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ask := func(ctx context.Context, site string, waiting int) {
		go func() {
			_, _, err := do(ctx, p, &Request{Site: site})
			results <- err
		}()
		until(t, fmt.Sprint(waiting, " wait"), func() bool { return p.Snapshot().Waiting == waiting })
		until(t, "the backend is known to be late", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.fresh == 0 })
	}
	for n := 1; n <= 4; n++ {
		ask(ctx, "a", n)
	}
	if _, _, err := do(t.Context(), p, &Request{Site: "a"}); reason(err) != QueueFull || failure(err).RetryAfter < time.Second {
		t.Fatalf("the fifth got %v", err)
	}
	// Another site finds room at the cost of the one with the most.
	gone := make(chan error, 1)
	go func() { gone <- <-results }()
	go func() {
		_, _, err := do(t.Context(), p, &Request{Site: "b"})
		results <- err
	}()
	if err := <-gone; reason(err) != QueueFull {
		t.Fatalf("the newest of a got %v", err)
	}
	s := p.Snapshot()
	if of := s.WaitingOf; of["a"] != 3 || of["b"] != 1 {
		t.Errorf("waiting: %v", of)
	}
	if s.Failed[QueueFull] != 2 || s.LastRefused.IsZero() || s.LongestWait <= 0 || s.QueueLength != 4 || s.Given != 1 {
		t.Errorf("the snapshot does not tell of it: %+v", s)
	}
	cancel()
	for range 3 {
		if err := <-results; reason(err) != ClientGone {
			t.Errorf("cancelled: %v", err)
		}
	}
	close(hold)
	_ = first.Body.Close()
	if err := <-results; err != nil {
		t.Errorf("b: %v", err)
	}
	if n := len(peer.Requests()); n != 2 {
		t.Errorf("%d requests were run: what was cancelled or refused ran", n)
	}
}

func TestQueueTimeout(t *testing.T) {
	hold := make(chan struct{})
	peer := fcgitest.Start(t, fcgitest.Options{Workers: 1}, func(*fcgitest.Request) fcgitest.Answer {
		return fcgitest.Answer{Bytes: fcgitest.Stdout("A: b\n\nx"), Hold: hold}
	})
	t.Cleanup(func() { close(hold) })
	c := settings(peer.Addr())
	c.QueueTime = 50 * time.Millisecond
	p := run(t, Options{Config: c})
	until(t, "it is up", p.allUp)
	resp, err := p.Do(t.Context(), &Request{Repeatable: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := do(t.Context(), p, &Request{}); reason(err) != QueueTimeout || failure(err).HTTPStatus() != 503 {
		t.Errorf("got %v", err)
	}
	_ = resp.Body.Close()
}
