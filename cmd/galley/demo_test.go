package main

import (
	"bytes"
	"net"
	"strings"
	"testing"
)

func TestFreeOr(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	usual := taken.Addr().String()
	if got, err := freeOr("", usual); err != nil || got != "127.0.0.1:0" {
		t.Errorf("taken: got %q, %v", got, err)
	}
	if got, err := freeOr(usual, "127.0.0.1:1"); err != nil || got != usual {
		t.Errorf("asked for: got %q, %v", got, err)
	}
	taken.Close()
	if got, err := freeOr("", usual); err != nil || got != usual {
		t.Errorf("free: got %q, %v", got, err)
	}
}

// TestScreen: on a terminal the status is renewed in place, and lines that stay do not mix with it.
func TestScreen(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out, tty: true}
	s.status("one")
	s.status("two")
	s.line("stays")
	s.status("three")
	if want := "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[Kstays\n\r\x1b[Kthree"; out.String() != want {
		t.Errorf("terminal: got %q, want %q", out.String(), want)
	}
	out.Reset()
	s = newScreen(&out)
	s.status("one")
	s.line("stays")
	if want := "one\nstays\n"; out.String() != want {
		t.Errorf("file: got %q, want %q", out.String(), want)
	}
}

// TestDemoRefusesAnUnknownScript: before it starts anything.
func TestDemoRefusesAnUnknownScript(t *testing.T) {
	cmd := newRoot()
	cmd.SetOut(&bytes.Buffer{})
	cmd.SetArgs([]string{"demo", "--script", "fire"})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "failover") {
		t.Errorf("got %v", err)
	}
}
