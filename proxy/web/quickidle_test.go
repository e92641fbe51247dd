package web

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// TestQuickLeavesNobodyWaiting: connections that wait for a request are closed when the server is about to stop, and those that net/http has are left to it.
func TestQuickLeavesNobodyWaiting(t *testing.T) {
	b := serve(t, nil)
	const ask = "GET /pic.png HTTP/1.1\r\nHost: example.com\r\n\r\n"
	quick, both, gone := b.dial(t), b.dial(t), b.dial(t)
	for _, c := range []*client{quick, both, gone} {
		c.ask(t, "GET", ask)
	}
	both.ask(t, "GET", ask[:9], ask[9:]) // From then on net/http has it.
	gone.Close()
	b.quicks.leave()
	if _, err := quick.in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("a connection without a request: %v", err)
	}
	if got := both.ask(t, "GET", ask); !strings.HasSuffix(got, "\npng") {
		t.Errorf("a connection that net/http has: %s", got)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		b.quicks.unseen.mu.Lock()
		n := len(b.quicks.unseen.conns)
		b.quicks.unseen.mu.Unlock()
		if n == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d are left", n)
		}
	}
}

// TestQuickHandsNothingOver: what comes when all are closed is not given to net/http.
func TestQuickHandsNothingOver(t *testing.T) {
	u := &unseen{}
	c, late := &conn{}, &conn{}
	if !u.list(c) || len(u.conns) != 1 || !u.forget(c) || len(u.conns) != 0 {
		t.Error("not listed, or not forgotten")
	}
	u.left = true
	if u.list(late) || u.forget(c) || len(u.conns) != 0 {
		t.Error("listed after the end, or handed over although it is closed")
	}
}
