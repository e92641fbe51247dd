package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"galley/config"
	"galley/proxy/admin"
	"galley/proxy/web/fpm"
)

// TestDrainOfABackend asks a web tier alone, whose two backends are down, by the commands.
func TestDrainOfABackend(t *testing.T) {
	var backends []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		backends = append(backends, l.Addr().String())
	}
	c := load(t, "web:\n  listen: 127.0.0.1:0\n  pools: [{name: php, backends: ["+strings.Join(backends, ", ")+"]}]\n  sites: [{hosts: ['*'], root: "+t.TempDir()+", pool: php}]\n"+
		"admin: {listen: 127.0.0.1:0, token: 0123456789abcdef0123}\n")
	o, err := newWebOnly(c, "", hclog.NewNullLogger(), func() (*config.Config, error) { return c, nil })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	if err := o.admin.Listen(); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- o.run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serving ends with %v", err)
		}
	}()
	t.Setenv(tokenVariable, "0123456789abcdef0123")
	ask := func(args ...string) (string, error) {
		var out bytes.Buffer
		cmd := newRoot()
		cmd.SetOut(&out)
		cmd.SetArgs(append(args, "--address", o.admin.Addr()))
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	until(t, "the pool has backends", func() bool { s := o.web.snapshot(); return len(s.Pools) == 1 && len(s.Pools[0].Backends) == 2 })
	key := "php/" + backends[1]
	text, err := ask("drain", key, "--wait")
	if err != nil || !strings.Contains(text, key+" is drained") {
		t.Fatalf("%v: %s", err, text)
	}
	if text, err = ask("drain", key); err != nil || text != key+" is drained already: nothing is changed.\n" {
		t.Errorf("drained twice: %v: %s", err, text)
	}
	if _, err = ask("health"); err == nil || !strings.Contains(err.Error(), "no php-fpm backend is up") {
		t.Errorf("health without a backend: %v", err)
	}
	text, err = ask("status")
	if err != nil || !strings.Contains(text, "is draining: drained.") || !strings.Contains(text, "galley undrain "+key) || !strings.Contains(text, "The pool php has no usable backend") || strings.Contains(text, "NODE") {
		t.Errorf("%v: %s", err, text)
	}
	if text, err = ask("undrain", key); err != nil || !strings.Contains(text, "put back") {
		t.Errorf("%v: %s", err, text)
	}
	if text, err = ask("undrain", key); err != nil || text != key+" is not drained: nothing is changed.\n" {
		t.Errorf("put back twice: %v: %s", err, text)
	}
	if s := o.web.snapshot(); s.Pools[0].Backends[0].State == admin.BackendDraining || s.Pools[0].Backends[1].State == admin.BackendDraining {
		t.Error("a backend is still drained")
	}
	for _, wrong := range []string{"php/10.9.8.7:9000", "perl/" + backends[0], "n1"} {
		if text, err := ask("drain", wrong); err == nil {
			t.Errorf("%s: drained what is not there: %s", wrong, text)
		}
	}
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.After(20 * time.Second)
	for !is() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not so in time: %s", what)
		}
	}
}

func TestLastInUse(t *testing.T) {
	up := func(address, source, state string) fpm.BackendSnapshot {
		return fpm.BackendSnapshot{Address: address, Source: source, State: state}
	}
	tests := map[string]struct {
		backends []fpm.BackendSnapshot
		address  string
		want     bool
	}{
		"one of two":           {[]fpm.BackendSnapshot{up("a", "a", "up"), up("b", "b", "up")}, "a", false},
		"the other is down":    {[]fpm.BackendSnapshot{up("a", "a", "up"), up("b", "b", "down")}, "a", true},
		"the other is drained": {[]fpm.BackendSnapshot{up("a", "a", "up"), up("b", "b", "draining")}, "a", true},
		"it is down itself":    {[]fpm.BackendSnapshot{up("a", "a", "down"), up("b", "b", "down")}, "a", false},
		"a name for all":       {[]fpm.BackendSnapshot{up("a", "x", "up"), up("b", "x", "up")}, "x", true},
		"a name for some":      {[]fpm.BackendSnapshot{up("a", "x", "up"), up("b", "x", "up"), up("c", "c", "up")}, "x", false},
		"not there":            {[]fpm.BackendSnapshot{up("a", "a", "up")}, "z", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := lastInUse(&fpm.Snapshot{Backends: tt.backends}, tt.address); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// What is for nodes stays so, and what has a slash goes to the pools.
func TestActionsForNodesAndBackends(t *testing.T) {
	tier := &webTier{pools: map[string]*runningPool{}}
	asked := ""
	actions := tier.onBackends([]admin.Action{{Name: "drain", Run: func(_ context.Context, params map[string]string) (string, error) {
		asked = params["node"]
		return "", nil
	}}})
	if len(actions) != 2 || actions[0].OnBackend == nil || actions[1].Name != "undrain" {
		t.Fatalf("%+v", actions)
	}
	if _, err := actions[0].Run(t.Context(), map[string]string{"node": "n1"}); err != nil || asked != "n1" {
		t.Errorf("%v, asked for %q", err, asked)
	}
	if _, err := actions[0].Run(t.Context(), map[string]string{"node": "php/10.0.0.1:9000"}); err == nil || !strings.Contains(err.Error(), "no pool") || asked != "n1" {
		t.Errorf("%v, asked for %q", err, asked)
	}
	var none *webTier
	if got := none.onBackends(nil); got != nil {
		t.Errorf("%+v", got)
	}
}

func TestWaitForABackend(t *testing.T) {
	var s statusAnswer
	if err := json.Unmarshal([]byte(`{"web": {"pools": [{"name": "php", "backends": [
		{"address": "10.0.0.1:9000", "source": "web.internal:9000", "state": "draining", "reason": "drained", "running": 2},
		{"address": "10.0.0.2:9000", "source": "web.internal:9000", "state": "up", "running": 1},
		{"address": "10.0.0.3:9000", "source": "10.0.0.3:9000", "state": "draining", "running": 0}]}]}}`), &s); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string][2]string{
		"php/10.0.0.1:9000":     {"2 requests still run there.", "10.0.0.1:9000 is not used yet: drained."},
		"php/10.0.0.2:9000":     {"1 request still runs there.", ""},
		"php/10.0.0.3:9000":     {"", "10.0.0.3:9000 is not used yet: ."},
		"php/web.internal:9000": {"3 requests still run there.", "10.0.0.1:9000 is not used yet: drained."},
		"other/10.0.0.1:9000":   {"", "There is no such backend."},
	} {
		if left, unused := s.leftOn(key), s.unused(key); left != want[0] || unused != want[1] {
			t.Errorf("%s: %q and %q", key, left, unused)
		}
	}
}

func TestWebProblems(t *testing.T) {
	now := time.Now()
	pool := func(change func(*admin.WebPool)) *admin.Web {
		p := admin.WebPool{Name: "php", Backends: []admin.WebBackend{{Address: "10.0.0.1:9000", State: "up"}, {Address: "10.0.0.2:9000", State: "down", Reason: "not_fastcgi", ReasonText: "What answers there is not php-fpm."}}}
		change(&p)
		return &admin.Web{Pools: []admin.WebPool{p}}
	}
	tests := map[string]struct {
		web  *admin.Web
		want []string
	}{
		"no web tier": {nil, nil},
		"fine":        {pool(func(*admin.WebPool) {}), nil},
		"no backend": {
			pool(func(p *admin.WebPool) { p.Backends = p.Backends[1:] }),
			[]string{"error: The pool php has no usable backend: 10.0.0.2:9000 is down (not fastcgi). What answers there is not php-fpm."},
		},
		"refuses": {
			pool(func(p *admin.WebPool) {
				p.LastRefused, p.Failures = now.Add(-5*time.Second), []admin.ReasonCount{{Reason: "queue_full", Count: 12}, {Reason: "timeout", Count: 1}}
			}),
			[]string{"error: The pool php has refused requests, the last 5 s ago; since galley started: 12 queue_full, 1 timeout. There is more work"},
		},
		"refused once": {pool(func(p *admin.WebPool) { p.LastRefused = now.Add(-time.Hour) }), nil},
		"unknown name": {pool(func(p *admin.WebPool) {
			p.Unresolved = []admin.Unresolved{{Name: "web.internal:9000", Error: "no such host"}}
		}), []string{"warning: The backend web.internal:9000 of the pool php cannot be looked up: no such host"}},
		"certificates": {
			&admin.Web{Certificates: []admin.WebCertificate{
				{Source: "file", Error: "the certificate expired on 2026-01-01", Severe: true}, {Hosts: []string{"a.test"}, Source: "acme", Error: "no such host"}, {Hosts: []string{"b.test"}, Source: "acme"},
			}},
			[]string{
				"error: The certificate of all sites: the certificate expired on 2026-01-01. Replace its file",
				"warning: ACME brings no certificate for a.test: no such host. The authority itself cannot be reached",
			},
		},
		"no directory": {
			&admin.Web{Sites: []admin.WebSite{{Name: "a.test", Root: "/srv/a"}, {Name: "b.test", Root: "/srv/gone", NoRoot: true}}},
			[]string{"error: The site b.test cannot use /srv/gone: when it was last asked"},
		},
		"database gone": {&admin.Web{Database: "there is no writer: none", Pools: pool(func(*admin.WebPool) {}).Pools}, []string{"warning: The database keeps pages waiting: there is no writer: none."}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := webProblems(now, tt.web)
			if len(got) != len(tt.want) {
				t.Fatalf("%+v", got)
			}
			for i, p := range got {
				if text := p.Severity + ": " + p.Text + " " + p.Do; !strings.HasPrefix(text, tt.want[i]) {
					t.Errorf("got %q, want %q", text, tt.want[i])
				}
			}
		})
	}
}
