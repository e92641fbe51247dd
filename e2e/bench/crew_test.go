package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// crewAt is a crew of the server that h is.
func crewAt(t *testing.T, h http.HandlerFunc, n int) *crew {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := newCrew(&door{name: "test", reads: strings.TrimPrefix(server.URL, "http://")}, page{host: "site.test", path: "/x"}, n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

func TestCrew(t *testing.T) {
	c := crewAt(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "site.test" || r.URL.Path != "/x" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(make([]byte, 300<<10))
	}, 200)
	got, err := c.once(t.Context())
	if err != nil || got.errors > 0 || len(got.waits) != 200 || got.bytes != 200*300<<10 {
		t.Fatalf("once: %v, %d answers, %d bytes, %d errors: %v", err, len(got.waits), got.bytes, got.errors, got.first)
	}
	got, err = c.during(t.Context(), 50*time.Millisecond, 3)
	if err != nil || got.errors > 0 || len(got.waits) < 3 || got.took < 50*time.Millisecond {
		t.Fatalf("during: %v, %+v", err, got)
	}
	if got, err = c.cut(t.Context(), 50*time.Millisecond); err != nil || got.errors > 0 || got.bytes == 0 {
		t.Fatalf("cut: %v, %d bytes, %d errors: %v", err, got.bytes, got.errors, got.first)
	}
	if _, err := c.once(t.Context()); err != nil { // Over other connections.
		t.Fatal(err)
	}
}

func TestCrewCountsErrors(t *testing.T) {
	var asked atomic.Int64
	c := crewAt(t, func(w http.ResponseWriter, _ *http.Request) {
		switch asked.Add(1) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			panic(http.ErrAbortHandler)
		case 3:
			w.Header().Set("Connection", "close")
		}
		_, _ = w.Write([]byte("ok"))
	}, 6)
	got, err := c.once(t.Context())
	if err != nil || got.errors != 2 || len(got.waits) != 4 || got.first == nil {
		t.Errorf("%v: %d good, %d errors: %v", err, len(got.waits), got.errors, got.first)
	}
}

func TestCrewWithoutServer(t *testing.T) {
	c := crewAt(t, func(http.ResponseWriter, *http.Request) {}, 2)
	c.to.Port = 1
	got, err := c.once(t.Context())
	if err != nil || got.errors != 2 {
		t.Errorf("%v: %d errors: %v", err, got.errors, got.first)
	}
}
