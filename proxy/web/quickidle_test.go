package web

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// TestQuickLeavesNobodyWaiting: connections that wait for a request are closed when the server is about to stop, and those that net/http has are left to it.
func TestQuickLeavesNobodyWaiting(t *testing.T) {
	b := serve(t, nil)
	const ask = "GET /pic.png HTTP/1.1\r\nHost: example.com\r\n\r\n"
	first := b.dial(t)
	first.ask(t, "GET", ask) // By net/http, as it was not in memory.
	var quick *client
	for before := b.quicks.answers.Load(); b.quicks.answers.Load() == before; {
		quick = b.dial(t)
		quick.ask(t, "GET", ask)
	}
	both := b.dial(t)
	both.ask(t, "GET", ask)
	both.ask(t, "GET", "GET /a-page HTTP/1.1\r\nHost: example.com\r\n\r\n")
	gone := b.dial(t)
	gone.ask(t, "GET", ask)
	gone.Close()
	b.quicks.leave()
	if _, err := quick.in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("a connection without a request: %v", err)
	}
	for _, c := range []*client{first, both} {
		if got := c.ask(t, "GET", ask); !strings.HasSuffix(got, "\npng") {
			t.Errorf("a connection that net/http has: %s", got)
		}
	}
	b.quicks.unseen.mu.Lock()
	defer b.quicks.unseen.mu.Unlock()
	if n := len(b.quicks.unseen.conns); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// TestQuickHandsNothingOver: what comes when all are closed is not given to net/http.
func TestQuickHandsNothingOver(t *testing.T) {
	s := &Server{}
	c := &conn{d: &door{s: s}}
	for step, want := range []int{1, 1, 0, 0, 0} {
		ok := false
		if step == 2 || step == 3 {
			ok = c.hand()
		} else {
			ok = c.answeredHere()
		}
		if n := len(s.quicks.unseen.conns); !ok || n != want {
			t.Errorf("step %d: %v, %d are listed", step, ok, n)
		}
	}
	s.quicks.unseen.left = true
	if late := (&conn{d: &door{s: s}}); late.answeredHere() {
		t.Error("listed after the end")
	}
	gone := &conn{d: &door{s: s}}
	gone.quick.listed.Store(true)
	if gone.hand() {
		t.Error("handed over although it is closed")
	}
}
