package admin

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// healthyWeb is a web tier with two backends, one site of WordPress and one of files.
func healthyWeb() *Web {
	backend := func(address string) WebBackend {
		return WebBackend{
			Address: address, Source: address, State: BackendUp, Reason: "ok", Weight: 1, Share: 1, Running: 2, Load: 0.5, Workers: 4, Accept: 300 * time.Microsecond,
			States: []WorkerCount{{WorkerRunning, 2}, {WorkerReading, 0}, {WorkerFinishing, 0}, {WorkerIdle, 2}}, Started: testTime.Add(-time.Hour), Served: 1000, Failed: 1,
		}
	}
	buckets := func(n uint64) []Bucket {
		return []Bucket{{LE: 10 * time.Millisecond, Count: n / 2}, {LE: 100 * time.Millisecond, Count: n}, {Count: n}}
	}
	return &Web{
		HTTP: "0.0.0.0:80", Connections: 20, MaxConnections: 10000,
		Sites: []WebSite{
			{
				Name: "example.com", Hosts: []string{"example.com", "www.example.com"}, Pool: "php", WordPress: true, Running: 4,
				Answers: WebAnswers{OK: 900, Redirected: 50, ClientErrors: 40, ServerErrors: 10}, SentBytes: 1 << 20, Files: buckets(100), Scripts: buckets(900),
				Cache: &WebCache{Hits: 60, Stale: 20, Made: 15, Passed: 5, Skipped: 7, Purged: 3, Pages: 2, Bytes: 3 << 20},
			},
			{Name: "*", Hosts: []string{"*"}, Root: "/var/www", Answers: WebAnswers{OK: 500}, Files: buckets(500)},
		},
		HTTPS: "0.0.0.0:443", HTTP3: true,
		Certificates: []WebCertificate{
			{Hosts: nil, Source: "file", Until: testTime.Add(1000 * time.Hour)},
			{Site: "example.com", Hosts: []string{"example.com"}, Source: "acme", Error: "no such name", Severe: true},
			{Site: "example.com", Hosts: []string{"www.example.com"}, Source: "acme"},
		},
		Pools: []WebPool{{
			Name: "php", QueueLength: 100, QueueTime: 10 * time.Second, Took: 40 * time.Millisecond, Given: 2000, Waited: time.Second,
			Failures: []ReasonCount{{"lost_after_commit", 2}}, Backends: []WebBackend{backend("10.0.0.11:9000"), backend("10.0.0.12:9000")},
		}},
	}
}

func TestWebHeadline(t *testing.T) {
	tests := map[string]struct {
		change func(*Snapshot, *WebPool)
		level  level
		text   string
		detail string
	}{
		"healthy": {func(*Snapshot, *WebPool) {}, levelOK, "All good: 3 nodes, writer node1, 0 waiting", "Every node of shop is in use. Web: 2 sites, 2 php-fpm backends."},
		"one down": {
			func(_ *Snapshot, p *WebPool) { p.Backends[1].State, p.Backends[1].Reason = BackendDown, "not_fastcgi" },
			levelWarn, "1 of 2 backends of the pool php in use: 10.0.0.12:9000 is down (not fastcgi)", "Requests go to the others. Database: All good: 3 nodes, writer node1, 0 waiting.",
		},
		"one drained": {func(_ *Snapshot, p *WebPool) { p.Backends[1].State = BackendDraining }, levelOK, "All good: 3 nodes, writer node1, 0 waiting", "Every node of shop is in use. Web: 2 sites, 1 of 2 php-fpm backends in use."},
		"none": {
			func(_ *Snapshot, p *WebPool) {
				p.Backends[0].State, p.Backends[1].State, p.Waiting = BackendDown, BackendDraining, 1
			},
			levelBad, "No php-fpm: the pool php has no backend in use", "Its pages are answered with 503; files are served. 1 request waits. Database: All good: 3 nodes, writer node1, 0 waiting.",
		},
		"refuses": {
			func(s *Snapshot, p *WebPool) {
				p.LastRefused, p.Waiting, p.LongestWait = s.At.Add(-3*time.Second), 90, 4*time.Second
			},
			levelBad, "Requests are refused: the pool php has no worker for them", "90 requests wait, the longest for 4 s. Database: All good: 3 nodes, writer node1, 0 waiting.",
		},
		"refused long ago":   {func(s *Snapshot, p *WebPool) { p.LastRefused = s.At.Add(-time.Minute) }, levelOK, "All good: 3 nodes, writer node1, 0 waiting", "Every node of shop is in use. Web: 2 sites, 2 php-fpm backends."},
		"a queue that moves": {func(_ *Snapshot, p *WebPool) { p.Waiting, p.LongestWait = 9, 30*time.Millisecond }, levelOK, "All good: 3 nodes, writer node1, 0 waiting", "Every node of shop is in use. Web: 2 sites, 2 php-fpm backends."},
		"a queue that stands": {
			func(_ *Snapshot, p *WebPool) { p.Waiting, p.LongestWait = 9, 2*time.Second },
			levelWarn, "9 requests wait for a worker of the pool php, the longest for 2 s", "All its workers are busy. Database: All good: 3 nodes, writer node1, 0 waiting.",
		},
		"the database is worse": {
			func(s *Snapshot, p *WebPool) {
				s.Cluster.Writer, s.Cluster.NoWriter, p.Backends[1].State = "", "non_primary", BackendDown
				p.Backends[1].Reason = "refused"
			},
			levelBad, "No writer: non primary", "Reads go on at 3 nodes, but may have to wait where they must see the newest writes. Nobody waits. 1 of 2 backends of the pool php in use: 10.0.0.12:9000 is down (refused).",
		},
		"alone, with a problem": {
			func(s *Snapshot, _ *WebPool) {
				s.WebOnly, s.Nodes, s.Problems = true, nil, []Problem{{Severity: SeverityError, Text: "x"}}
			},
			levelWarn, "2 sites, 2 php-fpm backends: 1 problem to look at", "See below what is wrong.",
		},
		"alone": {func(s *Snapshot, _ *WebPool) { s.WebOnly, s.Nodes = true, nil }, levelOK, "All good: 2 sites, 2 php-fpm backends", "Galley is a web tier alone here."},
		"alone, stopping": {
			func(s *Snapshot, _ *WebPool) {
				s.WebOnly, s.Nodes, s.Ready, s.NotReady = true, nil, false, "galley is stopping"
			},
			levelWarn, "Not ready: galley is stopping", "Sites: 2 sites, 2 php-fpm backends.",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := healthy()
			s.Web = healthyWeb()
			tt.change(&s, &s.Web.Pools[0])
			if h := newHeadline(s); h.Level != tt.level || h.Text != tt.text || h.Detail != tt.detail {
				t.Errorf("got %s %q\n%q, want %s %q\n%q", h.Level, h.Text, h.Detail, tt.level, tt.text, tt.detail)
			}
		})
	}
}

func TestWorkersOfABackend(t *testing.T) {
	tests := map[string]struct {
		backend            WebBackend
		busy, legend, dots string
		bar                int
	}{
		"by its status":    {WebBackend{State: BackendUp, Workers: 4, Running: 1, States: []WorkerCount{{WorkerRunning, 2}, {WorkerIdle, 2}}}, "2 of 4", "2 running, 2 idle", "running running idle idle", 0},
		"by what is known": {WebBackend{State: BackendUp, Workers: 3, Running: 1}, "1 of 3", "1 running, 2 idle by what galley knows: set status_path for more", "running idle idle", 0},
		"more than it has": {WebBackend{State: BackendUp, Workers: 1, Running: 2}, "2 of 1", "1 running by what galley knows: set status_path for more", "running", 0},
		"unknown":          {WebBackend{State: BackendUp, Running: 5}, "5", "how many it has is not known yet", "", 0},
		"down":             {WebBackend{State: BackendDown, Workers: 2, States: []WorkerCount{{WorkerIdle, 2}}}, none, "2 lost", "lost lost", 0},
		"many":             {WebBackend{State: BackendUp, Workers: 200, States: []WorkerCount{{WorkerRunning, 50}, {WorkerIdle, 150}}}, "50 of 200", "50 running, 150 idle", "", 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := newBackendView(Snapshot{At: testTime}, &tt.backend, newBackendHistory())
			if got := strings.Join(v.Dots, " "); v.Busy != tt.busy || v.Legend != tt.legend || got != tt.dots || len(v.Bar) != tt.bar {
				t.Errorf("got %q %q %q and %d parts", v.Busy, v.Legend, got, len(v.Bar))
			}
		})
	}
}

// Rates come from two samples; what went away leaves a gap, and is forgotten in the end.
func TestWebHistory(t *testing.T) {
	h := newHistory()
	s := Snapshot{Web: healthyWeb()}
	h.add(testTime, s)
	later := healthyWeb()
	later.Sites[0].Answers.OK += 30
	later.Sites[0].Answers.ServerErrors += 10
	later.Pools[0].Given += 20
	later.Pools[0].Waited += time.Second
	later.Pools[0].Backends[1].Served += 15
	h.add(testTime.Add(time.Second), Snapshot{Web: later})
	site, pool, backend := h.web.site("example.com"), h.web.pool("php"), h.web.backend("php/10.0.0.12:9000")
	if site.requests.last() != 40 || site.errors.last() != 10 || pool.requests.last() != 20 || backend.requests.last() != 15 {
		t.Errorf("requests %v, errors %v, of the pool %v, of the backend %v", site.requests.last(), site.errors.last(), pool.requests.last(), backend.requests.last())
	}
	if pool.wait < 0.0499 || pool.wait > 0.0501 {
		t.Errorf("a request waited %v s", pool.wait)
	}
	for i := range historyLen + 1 {
		h.add(testTime.Add(time.Duration(i+2)*time.Second), Snapshot{Web: &Web{}})
	}
	if len(h.web.sites)+len(h.web.pools)+len(h.web.backends) != 0 {
		t.Error("what is gone is kept for ever")
	}
}

func TestPageOfTheWebTier(t *testing.T) {
	s := healthy()
	s.Web = healthyWeb()
	s.Web.Pools[0].Backends[1].State, s.Web.Pools[0].Backends[1].Reason, s.Web.Pools[0].Backends[1].ReasonText = BackendDraining, "drained", "An operator took it out."
	actions := []Action{
		{Name: "drain", Label: "Drain", Run: runNothing, OnBackend: func(_ *WebPool, b *WebBackend) (string, bool) { return "Sure?", b.State != BackendDraining }},
		{Name: "other", Label: "Other", Run: runNothing},
	}
	ofPage := func(token string, s Snapshot) string {
		server := newTestServer(t, func(o *Options) { o.Source, o.Token, o.Actions = newFakeSource(s), token, actions })
		r := request(http.MethodGet, "/")
		r.Header.Set("Authorization", "Bearer "+token)
		return ask(server, false, r).Body.String()
	}
	page := ofPage(testToken, s)
	last := 0
	for _, want := range []string{"Nodes", "php-fpm pool php", "1 of 2 backends in use", "2 lost after commit", "10.0.0.11:9000", `data-action="drain" data-node="php/10.0.0.11:9000" data-confirm="Sure?"`, "10.0.0.12:9000", "An operator took it out.", "Sites", "http 0.0.0.0:80, https 0.0.0.0:443, HTTP/3", "Cache: 80% from memory, 20 stale, 15 made, 7 not looked up, 3 purged; 2 pages in 3.0 MiB", "any other host", "Certificates: <b>example.com</b> <span class=\"bad\">no such name (ACME)</span>; <b>all sites</b> <span class=\"ok\">until ", "<b>www.example.com</b> <span class=\"ok\">being asked for (ACME)", "Database traffic"} {
		i := strings.Index(page[last:], want)
		if i < 0 {
			t.Fatalf("%q is missing after byte %d", want, last)
		}
		last += i
	}
	if n := strings.Count(page, "data-action="); n != 1 {
		t.Errorf("%d buttons", n)
	}
	if strings.Contains(ofPage("", s), "data-action=") {
		t.Error("without a token nobody may change anything, and there is a button")
	}
	s.WebOnly = true
	if page := ofPage("", s); strings.Contains(page, "<h2>Nodes") || strings.Contains(page, "Sessions</h2>") || !strings.Contains(page, "php-fpm pool php") {
		t.Error("a web tier alone shows a database")
	}
}
