package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipeListener hands out one end of each pipe, so that a real http.Server runs under synctest's clock.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error { close(l.closed); return nil }

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9306} }

func (l *pipeListener) dial(t *testing.T, path string) (net.Conn, *bufio.Reader) {
	t.Helper()
	ours, theirs := net.Pipe()
	l.conns <- theirs
	if _, err := ours.Write([]byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	return ours, bufio.NewReader(ours)
}

// nextEvent reads up to the end of the next event and gives its sections.
func nextEvent(t *testing.T, r *bufio.Reader) map[string]string {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			var sections map[string]string
			if err := json.Unmarshal([]byte(data), &sections); err != nil {
				t.Fatal(err)
			}
			return sections
		}
	}
}

// A live page gets everything at once, then each second what changed, for longer than any of the server's timeouts,
// and ends when the server does.
func TestLivePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakeSource(healthy())
		listener := newPipeListener()
		s := newTestServer(t, func(o *Options) { o.Source = source })
		s.tcp = listener
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()

		conn, r := listener.dial(t, "/events")
		defer conn.Close()
		first := nextEvent(t, r)
		if len(first) != len(sections()) || !strings.Contains(first["headline"], "All good: 3 nodes") {
			t.Fatalf("the first event has %d sections: %s", len(first), first["headline"])
		}
		for range 90 {
			nextEvent(t, r)
		}
		later := healthy()
		later.Problems = []Problem{{Severity: SeverityError, Text: "Something <b>bad</b>."}}
		source.now.Store(&later)
		changed := nextEvent(t, r)
		if !strings.Contains(changed["problems"], "Something &lt;b&gt;bad&lt;/b&gt;.") || changed["past"] != "" {
			t.Errorf("the change is missing, unescaped, or not alone: %v", changed)
		}
		drained := make(chan struct{})
		go func() { defer close(drained); _, _ = io.Copy(io.Discard, r) }()
		ending := time.Now()
		cancel()
		if err := <-done; err != nil || time.Since(ending) >= shutdownTimeout {
			t.Errorf("Run: %v, %v after the end; live pages must not hold it up", err, time.Since(ending))
		}
		<-drained // the stream has ended
	})
}

// A page that lags is dropped when its backlog is full, not at some write's deadline.
func TestLaggingPageIsDropped(t *testing.T) {
	l := newLive()
	page, _ := l.join()
	for i := range liveBacklog + 1 {
		if l.count() != 1 {
			t.Fatalf("dropped after %d events", i)
		}
		if err := l.publish(nil); err != nil {
			t.Fatal(err)
		}
	}
	for range liveBacklog {
		<-page
	}
	if _, ok := <-page; ok || l.count() != 0 {
		t.Error("a full page is kept")
	}
	l.leave(page) // its handler still leaves by itself
}

// A page that does not read is cut, and nobody waits for it.
func TestSlowLivePageIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := newPipeListener()
		s := newTestServer(t, func(o *Options) { o.Source = movingSource{time.Now()} })
		s.tcp = listener
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		slow, _ := listener.dial(t, "/events")
		defer slow.Close()
		quick, r := listener.dial(t, "/events")
		defer quick.Close()
		nextEvent(t, r)
		synctest.Wait()
		if s.live.count() != 2 {
			t.Errorf("%d pages listen, want 2", s.live.count())
		}
		for range 20 {
			nextEvent(t, r)
		}
		if s.live.count() != 1 {
			t.Errorf("%d pages listen, want 1", s.live.count())
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestLivePagesAreBounded(t *testing.T) {
	s := newTestServer(t, nil)
	for range maxLive {
		if _, ok := s.live.join(); !ok {
			t.Fatal("refused too early")
		}
	}
	if w := ask(s, false, request(http.MethodGet, "/events")); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("one too many: %d", w.Code)
	}
	s.live.close()
	if _, ok := s.live.join(); ok || s.live.count() != 0 {
		t.Error("a page joined after the end")
	}
}

// Who joins between two events gets a whole one next, whatever the others had already.
func TestJoiningPageGetsAllSections(t *testing.T) {
	l := newLive()
	all := map[string]string{"a": "1", "b": "2"}
	one, _ := l.join()
	for range 2 {
		if err := l.publish(all); err != nil {
			t.Fatal(err)
		}
	}
	two, _ := l.join()
	if err := l.publish(all); err != nil {
		t.Fatal(err)
	}
	const whole, empty = "event: sections\ndata: {\"a\":\"1\",\"b\":\"2\"}\n\n", "event: sections\ndata: {}\n\n"
	for i, want := range []string{whole, empty, whole} {
		if got := string(<-one); got != want {
			t.Errorf("event %d: %q, want %q", i, got, want)
		}
	}
	if got := string(<-two); got != whole {
		t.Errorf("the second page got %q", got)
	}
}
