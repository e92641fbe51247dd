package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"galley/config"
	"galley/proxy/web/fpm"
)

// running is a script that runs until its client has gone, or it is let go.
type running struct{ began, gone, free chan struct{} }

func (b *bench) holds() *running {
	r := &running{began: make(chan struct{}, 8), gone: make(chan struct{}, 8), free: make(chan struct{})}
	b.pool.runs(func(ctx context.Context, _ *fpm.Request) (*fpm.Response, error) {
		r.began <- struct{}{}
		select {
		case <-ctx.Done():
			r.gone <- struct{}{}
			return nil, &fpm.Error{Reason: fpm.ClientGone, Err: context.Cause(ctx)}
		case <-r.free:
			return page(200, "free"), nil
		}
	})
	return r
}

const runIt = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"

// TestQuickSeesClientsGo: as net/http does, whether the client closes, resets or only says that nothing more will come.
func TestQuickSeesClientsGo(t *testing.T) {
	b := serve(t, nil)
	for name, leave := range map[string]func(*net.TCPConn) error{
		"closes": (*net.TCPConn).Close, "says that it has ended": (*net.TCPConn).CloseWrite,
		"resets": func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) },
	} {
		for _, pieces := range [][]string{{runIt}, {runIt[:9], runIt[9:]}} {
			for _, before := range []bool{false, true} { // It has asked for something on the same connection before.
				r := b.holds()
				c := b.dial(t)
				if before {
					close(r.free)
					c.ask(t, "GET", runIt)
					<-r.began
					r = b.holds()
				}
				for _, piece := range pieces {
					if _, err := io.WriteString(c, piece); err != nil {
						t.Fatal(err)
					}
					time.Sleep(5 * time.Millisecond)
				}
				<-r.began
				if err := leave(c.Conn.(*net.TCPConn)); err != nil {
					t.Fatal(err)
				}
				select {
				case <-r.gone:
				case <-time.After(30 * time.Second):
					t.Errorf("%s, in %d pieces, before: %v: its script runs on", name, len(pieces), before)
				}
			}
		}
	}
}

// TestQuickSeesClientsThatHaveGone: the end has come together with the request.
func TestQuickSeesClientsThatHaveGone(t *testing.T) {
	b := serve(t, nil)
	for _, before := range []bool{false, true} {
		r := b.holds()
		c := b.dial(t)
		if before {
			close(r.free)
			c.ask(t, "GET", runIt)
			<-r.began
			r = b.holds()
		}
		if _, err := io.WriteString(c, runIt); err != nil {
			t.Fatal(err)
		}
		_ = c.Conn.(*net.TCPConn).CloseWrite()
		<-r.began
		select {
		case <-r.gone:
		case <-time.After(30 * time.Second):
			t.Errorf("before: %v: its script runs on", before)
		}
	}
}

// TestQuickAnswersWhatWasSentBeforeTheEnd: a client that has sent another request before its end waits for both answers.
func TestQuickAnswersWhatWasSentBeforeTheEnd(t *testing.T) {
	b := serve(t, nil)
	for range 20 {
		r := b.holds()
		c := b.dial(t)
		if _, err := io.WriteString(c, runIt); err != nil {
			t.Fatal(err)
		}
		<-r.began
		if _, err := io.WriteString(c, "GET /pic.png HTTP/1.1\r\nHost: example.com\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		_ = c.Conn.(*net.TCPConn).CloseWrite()
		time.Sleep(10 * time.Millisecond) // The end comes before the answer.
		close(r.free)
		if got := c.answer(t, "GET"); !strings.HasSuffix(got, "free") {
			t.Errorf("the first: %s", got)
		}
		if got := c.answer(t, "GET"); !strings.HasSuffix(got, "png") {
			t.Errorf("the second: %s", got)
		}
	}
	select {
	case <-b.holds().gone:
		t.Error("taken for gone")
	default:
	}
}

// TestQuickStops: what runs at a stop comes to its end within the grace, and its client hears that the connection ends. Later it is cut.
func TestQuickStops(t *testing.T) {
	for _, in := range []bool{true, false} {
		b := &bench{pool: &fakePool{}, dir: t.TempDir(), log: &logBuffer{}}
		b.put(t, "index.php", "<?php")
		stop, done := b.start(t, func(c *config.Web) {
			if c.Grace = 30 * time.Second; !in {
				c.Grace = 100 * time.Millisecond
			}
		})
		r := b.holds()
		c := b.dial(t)
		if _, err := io.WriteString(c, runIt); err != nil {
			t.Fatal(err)
		}
		<-r.began
		stop()
		if in {
			for !b.quicks.leaving.Load() {
				time.Sleep(time.Millisecond)
			}
			close(r.free)
		}
		resp, err := http.ReadResponse(c.in, nil)
		switch {
		case in && (err != nil || resp.StatusCode != http.StatusOK || !resp.Close):
			t.Errorf("within the grace: %v, %v", resp, err)
		case !in && err == nil:
			t.Errorf("after the grace: %v", resp)
		}
		if err == nil {
			_ = resp.Body.Close()
		}
		if !in {
			select {
			case <-r.gone:
			case <-time.After(30 * time.Second):
				t.Error("its script runs on")
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestQuickLeavesTheUnwatched: a connection that cannot be watched is net/http's from its next request on, and a stop lets that come to its end.
func TestQuickLeavesTheUnwatched(t *testing.T) {
	b := serve(t, nil)
	b.quicks.watch.close()
	r := b.holds()
	close(r.free)
	c := b.dial(t)
	c.ask(t, "GET", runIt)
	<-r.began
	r = b.holds()
	if _, err := io.WriteString(c, runIt); err != nil {
		t.Fatal(err)
	}
	<-r.began
	b.quicks.leave()
	close(r.free)
	if got := c.answer(t, "GET"); !strings.HasSuffix(got, "free") {
		t.Errorf("the answer: %s", got)
	}
}
