package admin

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// hostile puts markup wherever a node or a client could.
func hostile() Snapshot {
	const x = `"><script>alert(1)</script><a href='javascript:x'>`
	s := healthy()
	s.Cluster.Name, s.Cluster.StateUUID, s.Instance, s.Version = x, x, x, x
	s.Cluster.WriterHistory = []WriterChange{{At: testTime, From: x, To: x, Reason: x}}
	s.Cluster.Events = []Event{{At: testTime, Node: x, Text: x, Reason: x}}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		n.ID, n.Name, n.Addr, n.State, n.Reason, n.ReasonText, n.Version, n.Role = x, x, x, x, x, x, x, RoleOut
	}
	for i := range s.MySQL.SessionRows {
		r := &s.MySQL.SessionRows[i]
		r.User, r.ClientAddr, r.Schema, r.State, r.Node, r.Pins = x, x, x, x, x, []string{x}
	}
	s.Problems = []Problem{{Severity: x, Text: x, Do: x}}
	s.Web = healthyWeb()
	s.Web.HTTP, s.Web.Database = x, x
	for i := range s.Web.Sites {
		site := &s.Web.Sites[i]
		site.Name, site.Hosts, site.Pool, site.Root = x, []string{x, x}, x, x
	}
	for i := range s.Web.Pools {
		p := &s.Web.Pools[i]
		p.Name, p.Failures, p.Unresolved = x, []ReasonCount{{x, 1}}, []Unresolved{{x, x}}
		for k := range p.Backends {
			b := &p.Backends[k]
			b.Address, b.Source, b.State, b.Reason, b.ReasonText, b.LastError, b.States = x, x, x, x, x, x, []WorkerCount{{x, 2}}
		}
	}
	return s
}

// The page must obey its own Content-Security-Policy and reach for nothing outside, whatever the source says.
func TestPageObeysItsPolicy(t *testing.T) {
	forbidden := regexp.MustCompile(`(?i)<script(?: [^>]*)?>[^<]|<style|\sstyle=|\son[a-z]+="|alert\(1\)</script|https?://|href="?javascript`)
	for name, s := range map[string]Snapshot{"healthy": healthy(), "hostile": hostile(), "empty": {}} {
		server := newTestServer(t, func(o *Options) { o.Source = newFakeSource(s) })
		server.board.sample()
		w := ask(server, false, request(http.MethodGet, "/"))
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
		}
		if found := forbidden.FindString(w.Body.String()); found != "" {
			t.Errorf("%s: the page has %q", name, found)
		}
		if strings.Contains(w.Body.String(), "ZgotmplZ") {
			t.Errorf("%s: the template refused a value", name)
		}
	}
}

func TestPageTells(t *testing.T) {
	s := healthy()
	s.Nodes[2].Role, s.Nodes[2].State, s.Nodes[2].Reason, s.Nodes[2].ReasonText = RoleOut, "", "unreachable", "Start mariadbd there."
	s.Nodes[2].ProbeAge = 42 * time.Second
	s.Problems = []Problem{{Severity: SeverityNote, Text: "NOTE"}, {Severity: SeverityError, Text: "WORST", Do: "GRANT"}, {Severity: SeverityWarning, Text: "WARN"}}
	w := ask(newTestServer(t, func(o *Options) { o.Source = newFakeSource(s) }), false, request(http.MethodGet, "/"))
	page := w.Body.String()
	last := 0
	for _, want := range []string{
		"2 of 3 nodes usable: node3 is unreachable", "WORST", "GRANT", "WARN", "NOTE", "node1", "writer", "Start mariadbd there.", "no answer for 42 s",
		"Queries a second", "none", "first choice", "1 min ago", "transaction",
	} {
		i := strings.Index(page[last:], want)
		if i < 0 {
			t.Fatalf("%q is missing after byte %d", want, last)
		}
		last += i
	}
	if !strings.Contains(page, `<noscript><meta http-equiv="refresh"`) {
		t.Error("without script the page does not reload")
	}
}

func TestSessionTableIsBounded(t *testing.T) {
	s := healthy()
	for i := range 500 {
		s.MySQL.SessionRows = append(s.MySQL.SessionRows, SessionRow{ID: uint64(100 + i)})
	}
	s.MySQL.Sessions = 4000
	v := newPageView(s, newHistory(), nil)
	if len(v.Sessions.Rows) != shownSessions || v.Sessions.Hidden != 4000-shownSessions {
		t.Errorf("%d rows, %d hidden", len(v.Sessions.Rows), v.Sessions.Hidden)
	}
}
