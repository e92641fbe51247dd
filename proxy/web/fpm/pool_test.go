package fpm

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"galley/config"
	"galley/proxy/web/fcgi"
	"galley/proxy/web/fcgi/fcgitest"
)

// enough is how long a test waits for what must come.
const enough = time.Minute

// settings are those of a pool of some peers.
func settings(addresses ...string) config.FPMPool {
	c := config.DefaultFPMPool()
	c.Name = "php"
	c.CheckInterval = 100 * time.Millisecond
	for _, a := range addresses {
		c.Backends = append(c.Backends, config.FPMBackend{Address: a, Weight: 1})
	}
	return c
}

// run starts a pool and ends it with the test.
func run(t *testing.T, o Options) *Pool {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { _ = p.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return p
}

// until waits for something to be so.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(enough); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", enough, what)
		}
	}
}

// backend is what the snapshot says of one.
func (p *Pool) backend(address string) BackendSnapshot {
	for _, b := range p.Snapshot().Backends {
		if b.Address == address {
			return b
		}
	}
	return BackendSnapshot{}
}

func (p *Pool) allUp() bool {
	for _, b := range p.Snapshot().Backends {
		if b.State != "up" {
			return false
		}
	}
	return len(p.Snapshot().Backends) > 0
}

// do sends a request and reads all of its answer.
func do(ctx context.Context, p *Pool, r *Request) (body, backend string, err error) {
	resp, err := p.Do(ctx, r)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = resp.Body.Close() }()
	all, err := io.ReadAll(resp.Body)
	return string(all), resp.Backend, err
}

// failure is the error that Do promises, or an empty one.
func failure(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{}
}

func reason(err error) Reason { return failure(err).Reason }

func page(body string) func(*fcgitest.Request) fcgitest.Answer {
	return func(*fcgitest.Request) fcgitest.Answer { return fcgitest.Answer{Bytes: fcgitest.Page(body)} }
}

func param(name, value string) []fcgi.Param { return []fcgi.Param{{Name: name, Value: value}} }

func TestDo(t *testing.T) {
	for name, old := range map[string]bool{"asks": false, "old PHP": true} {
		t.Run(name, func(t *testing.T) {
			a, b := fcgitest.Start(t, fcgitest.Options{Old: old}, page("hi")), fcgitest.Start(t, fcgitest.Options{Network: "unix", Old: old}, page("hi"))
			p := run(t, Options{Config: settings(a.Addr(), b.Addr())})
			until(t, "both are up", p.allUp)
			until(t, "it is known what they are", func() bool { return p.backend(a.Addr()).Asks == !old && p.backend(b.Addr()).Asks == !old })
			for range 100 {
				body, _, err := do(t.Context(), p, &Request{Site: "s", Params: param("CONTENT_LENGTH", "2"), Body: strings.NewReader("xy")})
				if err != nil || body != "hi" {
					t.Fatalf("%q %v", body, err)
				}
			}
			if x, y := len(a.Requests()), len(b.Requests()); x < 10 || y < 10 || x+y != 100 {
				t.Errorf("%d and %d of 100 requests", x, y)
			}
			if got := string(a.Requests()[0].Body); got != "xy" {
				t.Errorf("body %q", got)
			}
			until(t, "nothing is left", func() bool {
				for _, s := range p.Snapshot().Backends {
					if s.Running != 0 || s.Asking != 0 || s.Load != 0 || s.Served == 0 {
						return false
					}
				}
				return true
			})
		})
	}
}

// TestTheFreeBackendWins has one backend whose only worker is busy: requests go to the other one.
func TestTheFreeBackendWins(t *testing.T) {
	busy, free := fcgitest.Start(t, fcgitest.Options{Workers: 1}, page("busy")), fcgitest.Start(t, fcgitest.Options{}, page("hi"))
	p := run(t, Options{Config: settings(busy.Addr(), free.Addr())})
	until(t, "both are up", p.allUp)
	blocker := fcgi.NewConn(busy.Dial(t), nil)
	if err := blocker.Probe(time.Now().Add(enough)); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if _, backend, err := do(t.Context(), p, &Request{}); err != nil || backend != free.Addr() {
			t.Fatalf("%s %v", backend, err)
		}
		if s := p.backend(busy.Addr()); s.Asking > maxProbes {
			t.Fatalf("%d connections wait in its backlog", s.Asking)
		}
	}
	if n := len(busy.Requests()); n != 0 {
		t.Errorf("%d requests went to the busy backend", n)
	}
	_ = blocker.Close()
}

// TestKilled stops one of two peers while requests go on: none is lost, and the backend is used again when it is back.
func TestKilled(t *testing.T) {
	a, b := fcgitest.Start(t, fcgitest.Options{}, page("hi")), fcgitest.Start(t, fcgitest.Options{}, page("hi"))
	p := run(t, Options{Config: settings(a.Addr(), b.Addr())})
	until(t, "both are up", p.allUp)
	a.Stop()
	for range 100 {
		if _, _, err := do(t.Context(), p, &Request{}); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "it is down", func() bool { s := p.backend(a.Addr()); return s.State == "down" && s.Reason == reasonRefused })
	again := fcgitest.Start(t, fcgitest.Options{Network: "tcp", Address: a.Addr()}, page("again"))
	until(t, "it is up again", p.allUp)
	if s := p.backend(again.Addr()); s.Reason != reasonSlowStart || s.Share > 0.5 {
		t.Errorf("back as %+v", s)
	}
}

// TestAllDown lets requests wait for a pool that comes back, and fail when it does not.
func TestAllDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a free port
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	c := settings(address)
	c.QueueTime = 100 * time.Millisecond
	p := run(t, Options{Config: c})
	until(t, "it is down", func() bool { return p.backend(address).Reason == reasonRefused })
	if _, _, err := do(t.Context(), p, &Request{}); reason(err) != NoBackend {
		t.Fatalf("got %v", err)
	}
	c.QueueTime, c.CheckInterval = enough, 150*time.Millisecond
	if err := p.Reload(c); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		_, _, err := do(t.Context(), p, &Request{})
		result <- err
	}()
	until(t, "it waits", func() bool { return p.Snapshot().Waiting == 1 })
	fcgitest.Start(t, fcgitest.Options{Network: "tcp", Address: address}, page("hi"))
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestDrain(t *testing.T) {
	a, b := fcgitest.Start(t, fcgitest.Options{}, page("hi")), fcgitest.Start(t, fcgitest.Options{}, page("hi"))
	p := run(t, Options{Config: settings(a.Addr(), b.Addr())})
	until(t, "both are up", p.allUp)
	if err := p.Drain(a.Addr()); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		if _, backend, err := do(t.Context(), p, &Request{}); err != nil || backend != b.Addr() {
			t.Fatalf("%s %v", backend, err)
		}
	}
	if s := p.backend(a.Addr()); s.State != "draining" || s.Reason != reasonDrained || s.Share != 0 {
		t.Errorf("got %+v", s)
	}
	if err := p.Undrain(a.Addr()); err != nil {
		t.Fatal(err)
	}
	until(t, "it is up again", p.allUp)
	if err := p.Drain("10.9.9.9:1"); !errors.Is(err, ErrUnknownBackend) {
		t.Errorf("got %v", err)
	}
}

// TestDrainOfAll: a request is told whether nobody lives, or an operator has taken out who does.
func TestDrainOfAll(t *testing.T) {
	a, b := fcgitest.Start(t, fcgitest.Options{}, page("hi")), fcgitest.Start(t, fcgitest.Options{}, page("hi"))
	c := settings(a.Addr(), b.Addr())
	c.QueueTime = 50 * time.Millisecond
	p := run(t, Options{Config: c})
	until(t, "both are up", p.allUp)
	for _, addr := range []string{a.Addr(), b.Addr()} {
		if err := p.Drain(addr); err != nil {
			t.Fatal(err)
		}
	}
	failed := func(want Reason, text string) {
		t.Helper()
		_, _, err := do(t.Context(), p, &Request{})
		if e, ok := errors.AsType[*Error](err); !ok || e.Reason != want || e.HTTPStatus() != http.StatusServiceUnavailable || e.RetryAfter == 0 || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v", err)
		}
	}
	failed(Drained, "undrain")
	b.Stop()
	if err := p.Undrain(b.Addr()); err != nil {
		t.Fatal(err)
	}
	until(t, "one is known to be down", func() bool { return p.backend(b.Addr()).LastError != "" })
	failed(NoBackend, "1 are down, and 1 drained")
}
