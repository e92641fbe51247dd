package admin

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// start runs a server and gives the function that ends it and waits.
func start(t *testing.T, s *Server) func() {
	t.Helper()
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Run does not end")
		}
	}
}

func TestOptions(t *testing.T) {
	run := func(context.Context, map[string]string) (string, error) { return "", nil }
	tests := map[string]struct {
		change func(*Options)
		want   string
	}{
		"fine":             {func(*Options) {}, ""},
		"localhost":        {func(o *Options) { o.Listen = "localhost:0" }, ""},
		"v6 loopback":      {func(o *Options) { o.Listen = "[::1]:0" }, ""},
		"everywhere":       {func(o *Options) { o.Listen = ":9306" }, "set admin.token"},
		"wildcard":         {func(o *Options) { o.Listen = "0.0.0.0:9306" }, "set admin.token"},
		"v6 wildcard":      {func(o *Options) { o.Listen = "[::]:9306" }, "set admin.token"},
		"a network":        {func(o *Options) { o.Listen = "10.0.0.1:9306" }, "set admin.token"},
		"a name":           {func(o *Options) { o.Listen = "db.example:9306" }, "set admin.token"},
		"token":            {func(o *Options) { o.Listen, o.Token = "0.0.0.0:9306", testToken }, ""},
		"no port":          {func(o *Options) { o.Listen = "127.0.0.1" }, "missing port"},
		"nothing":          {func(o *Options) { o.Listen = "" }, "neither listen nor socket"},
		"no source":        {func(o *Options) { o.Source = nil }, "no source"},
		"no gatherer":      {func(o *Options) { o.Gatherer = nil }, "no gatherer"},
		"long socket":      {func(o *Options) { o.Socket = "/" + strings.Repeat("x", 100) }, "at most"},
		"unnamed action":   {func(o *Options) { o.Actions = []Action{{Run: run}} }, "action"},
		"idle action":      {func(o *Options) { o.Actions = []Action{{Name: "a"}} }, "action"},
		"same action":      {func(o *Options) { o.Actions = []Action{{Name: "a", Run: run}, {Name: "a", Run: run}} }, "taken"},
		"action's own way": {func(o *Options) { o.Actions = []Action{{Name: "a/../b", Run: run}} }, "action"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			base := newTestServer(t, nil).opts
			tt.change(&base)
			_, err := New(base)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestServerServesOverTCP(t *testing.T) {
	source := newFakeSource(healthy())
	registry := prometheus.NewRegistry()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "galley_test_nodes", Help: "For the test."})
	registry.MustRegister(gauge)
	s := newTestServer(t, func(o *Options) { o.Source, o.Gatherer = source, registry })
	if s.Addr() != "127.0.0.1:0" {
		t.Errorf("before Listen: %s", s.Addr())
	}
	stop := start(t, s)
	defer stop()
	get := func(path string) (int, string, http.Header) {
		t.Helper()
		resp, err := http.Get("http://" + s.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body), resp.Header
	}
	if code, body, _ := get("/healthz"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("healthz: %d %q", code, body)
	}
	if code, body, _ := get("/metrics"); code != http.StatusOK || !strings.Contains(body, "galley_test_nodes 0") {
		t.Errorf("metrics: %d %q", code, body)
	}
	if code, body, _ := get("/readyz"); code != http.StatusOK || body != "ready\n" {
		t.Errorf("readyz: %d %q", code, body)
	}
	stopping := healthy()
	stopping.Ready, stopping.NotReady = false, "shutting down"
	source.now.Store(&stopping)
	if code, body, _ := get("/readyz"); code != http.StatusServiceUnavailable || body != "not ready: shutting down\n" {
		t.Errorf("readyz: %d %q", code, body)
	}
	code, page, _ := get("/")
	if code != http.StatusOK {
		t.Fatalf("page: %d", code)
	}
	for _, part := range strings.Split(page, `"/assets/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		code, body, h := get("/assets/" + name)
		if code != http.StatusOK || body == "" || !strings.Contains(h.Get("Cache-Control"), "immutable") {
			t.Errorf("asset %s: %d, %s", name, code, h.Get("Cache-Control"))
		}
	}
}

func TestListenGivesBackWhatItOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no", "such", "directory", "s")
	s := newTestServer(t, func(o *Options) { o.Socket = path })
	if err := s.Listen(); err == nil || s.tcp != nil {
		t.Errorf("got %v; the TCP listener must be closed again", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s = newTestServer(t, func(o *Options) { o.Listen = taken.Addr().String() })
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}

func TestCappedListener(t *testing.T) {
	inner := newPipeListener()
	l := newCappedListener(inner, 1)
	go func() {
		for range 2 {
			_, theirs := net.Pipe()
			inner.conns <- theirs
		}
	}()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		second <- err
	}()
	select {
	case <-second:
		t.Fatal("accepted one too many")
	case <-time.After(20 * time.Millisecond):
	}
	first.Close()
	first.Close() // gives one slot back, not two
	if err := <-second; err != nil {
		t.Fatal(err)
	}
	third := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		third <- err
	}()
	l.Close()
	if err := <-third; err == nil {
		t.Error("Accept goes on after Close")
	}
}
