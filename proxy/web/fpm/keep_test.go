package fpm

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"galley/balancer"
	"galley/proxy/web/fcgi"
	"galley/proxy/web/fcgi/fcgitest"
)

// crowd has requests wait behind one that holds the only worker of a peer, lets it go, and returns what became of each.
type crowd struct {
	pool    *Pool
	peer    *fcgitest.Peer
	hold    chan struct{}
	results chan error
	asked   int
}

// newCrowd starts a peer with one worker, which the first request holds.
func newCrowd(t *testing.T, script func(*fcgitest.Request) fcgitest.Answer) *crowd {
	t.Helper()
	c := &crowd{hold: make(chan struct{}), results: make(chan error, 100)}
	c.peer = fcgitest.Start(t, fcgitest.Options{Workers: 1}, func(r *fcgitest.Request) fcgitest.Answer {
		if r.Params["HOLD"] != "" {
			<-c.hold
			return fcgitest.Answer{Bytes: fcgitest.Page("held")}
		}
		return script(r)
	})
	o := settings(c.peer.Addr())
	o.CheckInterval, o.QueueTime = time.Hour, enough // A look needs the worker.
	c.pool = run(t, Options{Config: o})
	c.pool.keepTime = time.Hour // The machine may be slow.
	until(t, "it is up", c.pool.allUp)
	c.ask(t, &Request{Params: param("HOLD", "1"), Repeatable: true})
	until(t, "the worker is held", func() bool { return c.pool.backend(c.peer.Addr()).Running == 1 })
	return c
}

// ask sends a request that waits, behind all before it.
func (c *crowd) ask(t *testing.T, r *Request) {
	t.Helper()
	waiting := c.asked
	c.asked++
	go func() {
		_, _, err := do(context.WithoutCancel(t.Context()), c.pool, r)
		c.results <- err
	}()
	until(t, "it waits", func() bool { return c.pool.Snapshot().Waiting == waiting })
}

// all lets the worker go and waits for all answers; none may fail.
func (c *crowd) all(t *testing.T) []*fcgitest.Request {
	t.Helper()
	close(c.hold)
	for range c.asked {
		if err := <-c.results; err != nil {
			t.Error(err)
		}
	}
	until(t, "nothing is left", func() bool { b := c.pool.backend(c.peer.Addr()); return b.Running == 0 && b.Load == 0 })
	return c.peer.Requests()
}

// TestWorkersAreHandedOn has many requests wait: they go to the worker on the connection that it has, and that is closed after so many.
func TestWorkersAreHandedOn(t *testing.T) {
	c := newCrowd(t, page("hi"))
	const n = 3 * keepRequests
	for range n {
		c.ask(t, &Request{Site: "s", Repeatable: true})
	}
	before := c.peer.Probes()
	longest, conns := 0, map[int]bool{}
	for _, r := range c.all(t) {
		longest = max(longest, r.Nth)
		conns[r.Conn] = true
	}
	if longest != keepRequests {
		t.Errorf("as many as %d requests on a connection, %d on %d", longest, n, len(conns))
	}
	if asked := c.peer.Probes() - before; asked > len(conns)+maxProbes {
		t.Errorf("a worker was asked for %d times for %d connections", asked, len(conns))
	}
}

// TestNothingIsKeptForNobody sends one request after the other: each has a connection of its own, and none stays.
func TestNothingIsKeptForNobody(t *testing.T) {
	peer := fcgitest.Start(t, fcgitest.Options{Workers: 1}, page("hi"))
	p := run(t, Options{Config: settings(peer.Addr())})
	until(t, "it is up", p.allUp)
	for range 10 {
		if _, _, err := do(t.Context(), p, &Request{Repeatable: true}); err != nil {
			t.Fatal(err)
		}
		blocker := fcgi.NewConn(peer.Dial(t), nil)
		if err := blocker.Probe(time.Now().Add(enough)); err != nil {
			t.Fatal(err) // The worker is held by nobody.
		}
		_ = blocker.Close()
	}
	for _, r := range peer.Requests() {
		if r.Nth != 1 {
			t.Errorf("a request was the %d. on its connection", r.Nth)
		}
	}
}

// TestWhatMustNotRunTwice mixes requests: only what may run twice is sent on a used connection, and nothing after a body.
func TestWhatMustNotRunTwice(t *testing.T) {
	c := newCrowd(t, page("hi"))
	for n := range 40 {
		r := &Request{Params: param("N", strconv.Itoa(n)), Repeatable: n%5 > 0}
		if n%10 == 7 || n%10 == 0 {
			r.Body, r.Params = strings.NewReader("body"), append(r.Params, fcgi.Param{Name: "CONTENT_LENGTH", Value: "4"})
		}
		c.ask(t, r)
	}
	ended, reused, seen := map[int]bool{}, 0, map[int]int{}
	for _, r := range c.all(t) {
		n, _ := strconv.Atoi(r.Params["N"])
		if ended[r.Conn] {
			t.Errorf("after a body came request %d", n)
		}
		ended[r.Conn] = len(r.Body) > 0
		if r.Nth > 1 {
			reused++
			if n%5 == 0 {
				t.Errorf("request %d must not run twice, and was the %d. on its connection", n, r.Nth)
			}
		}
		if r.Params["HOLD"] == "" {
			seen[n]++
		}
	}
	if reused == 0 {
		t.Error("no connection was used again")
	}
	for n := range 40 {
		if seen[n] != 1 {
			t.Errorf("request %d ran %d times", n, seen[n])
		}
	}
}

// TestWorkersThatLeave has each worker end after its answer, although its connection is to be kept: nothing is lost, and it is soon no longer tried.
func TestWorkersThatLeave(t *testing.T) {
	c := newCrowd(t, func(*fcgitest.Request) fcgitest.Answer {
		return fcgitest.Answer{Bytes: fcgitest.Page("hi"), Leaves: true}
	})
	for n := range 40 {
		c.ask(t, &Request{Params: param("N", strconv.Itoa(n)), Repeatable: true})
	}
	ran := map[string]int{}
	for _, r := range c.all(t) {
		ran[r.Params["N"]]++
	}
	for n := range 40 {
		if ran[strconv.Itoa(n)] != 1 {
			t.Errorf("request %d ran %d times", n, ran[strconv.Itoa(n)])
		}
	}
	b := c.pool.backend(c.peer.Addr())
	if b.State != "up" || b.Failed != 0 {
		t.Errorf("that counts against it: %+v", b)
	}
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	for _, m := range c.pool.members {
		if m.keepNot.Load() == 0 {
			t.Error("it would be tried again")
		}
	}
}

// TestCrashOnAUsedConnection kills a worker by its second request, which runs once more, and no more than that.
func TestCrashOnAUsedConnection(t *testing.T) {
	var runs, used atomic.Int32
	c := newCrowd(t, func(r *fcgitest.Request) fcgitest.Answer {
		runs.Add(1)
		if r.Nth > 1 {
			used.Add(1)
		}
		return fcgitest.Answer{Bytes: fcgitest.Page("hi"), Cut: -1}
	})
	c.ask(t, &Request{Repeatable: true})
	close(c.hold)
	failed := 0
	for range c.asked {
		if err := <-c.results; err != nil {
			failed++
			if reason(err) != LostAfterCommit {
				t.Error(err)
			}
		}
	}
	if runs.Load() != 2 || used.Load() != 1 || failed != 1 {
		t.Errorf("%d runs, %d of them on a used connection, %d failed", runs.Load(), used.Load(), failed)
	}
	if !c.pool.allUp() {
		t.Error("a crash condemns its pool")
	}
}

// TestSitesKeepTheirTurns has one site wait with many requests and another one with few.
func TestSitesKeepTheirTurns(t *testing.T) {
	c := newCrowd(t, page("hi"))
	for range 20 {
		c.ask(t, &Request{Site: "many", Params: param("SITE", "many"), Repeatable: true})
	}
	for range 3 {
		c.ask(t, &Request{Site: "few", Params: param("SITE", "few"), Repeatable: true})
	}
	got := c.all(t)
	for i, r := range got {
		if r.Params["SITE"] == "few" && i > 7 {
			t.Errorf("a request of the site with few was the %d.", i)
		}
	}
}

// TestOtherFrontsGetWorkers has another front ask for the only worker while requests go on and on.
func TestOtherFrontsGetWorkers(t *testing.T) {
	peer := fcgitest.Start(t, fcgitest.Options{Workers: 1}, page("hi"))
	p := run(t, Options{Config: settings(peer.Addr())})
	p.keepTime = time.Hour // The machine may be slow.
	until(t, "it is up", p.allUp)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, _, err := do(context.WithoutCancel(ctx), p, &Request{Repeatable: true}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	until(t, "connections are used again", func() bool {
		return slices.ContainsFunc(peer.Requests(), func(r *fcgitest.Request) bool { return r.Nth > 1 })
	})
	for range 5 {
		other := fcgi.NewConn(peer.Dial(t), nil)
		if err := other.Probe(time.Now().Add(enough)); err != nil {
			t.Fatal(err)
		}
		_ = other.Close()
	}
	cancel()
	wg.Wait()
	for _, r := range peer.Requests() {
		if r.Nth > keepRequests {
			t.Errorf("a request was the %d. on its connection", r.Nth)
		}
	}
}

// TestFit says to which backends workers may be handed on.
func TestFit(t *testing.T) {
	for name, test := range map[string]struct {
		change func(m, other *member)
		want   bool
	}{
		"equal":                          {func(_, _ *member) {}, true},
		"the other has less":             {func(m, _ *member) { m.Begin(); m.Begin() }, false},
		"the other has less and is late": {func(m, o *member) { m.Begin(); m.Begin(); o.late = 1 }, true},
		"the other is down":              {func(m, o *member) { m.Begin(); m.Begin(); o.SetState(balancer.Down) }, true},
		"the other is left alone":        {func(m, o *member) { m.Begin(); m.Begin(); o.notBefore = time.Now().Add(time.Hour) }, true},
		"the other is half as large":     {func(m, o *member) { m.Begin(); o.SetWeight(2) }, true},
		"drained":                        {func(m, _ *member) { m.SetState(balancer.Draining) }, false},
		"down":                           {func(m, _ *member) { m.SetState(balancer.Down) }, false},
		"in slow start":                  {func(m, _ *member) { m.SetShare(0.5) }, false},
		"at its limit":                   {func(m, _ *member) { m.SetLimit(1) }, true},
		"above its limit":                {func(m, o *member) { m.SetLimit(1); m.Begin(); o.Begin() }, false},
		"closed what was kept":           {func(m, _ *member) { m.keepNot.Store(time.Now().Add(time.Hour).UnixNano()) }, false},
	} {
		m, other := newMember("a:1", "", settings("a:1").Backends[0]), newMember("b:1", "", settings("b:1").Backends[0])
		p := &Pool{members: map[*balancer.Backend]*member{m.Backend: m, other.Backend: other}}
		for b := range maps.Keys(p.members) {
			b.SetWeight(4)
			b.SetState(balancer.Up)
			b.Begin()
		}
		test.change(m, other)
		if got := p.fit(m); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	m := newMember("a:1", "", settings("a:1").Backends[0])
	m.SetState(balancer.Up)
	if (&Pool{}).fit(m) {
		t.Error("one that is no member any more fits")
	}
}
