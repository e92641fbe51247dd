package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestHosts(t *testing.T) {
	local := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 5), Port: 9306}
	tests := []struct {
		listen  string
		allowed []string
		host    string
		want    bool
	}{
		{"127.0.0.1:9306", nil, "127.0.0.1:9306", true},
		{"127.0.0.1:9306", nil, "localhost:9306", true},
		{"127.0.0.1:9306", nil, "LOCALHOST.", true},
		{"127.0.0.1:9306", nil, "galley.localhost", true},
		{"127.0.0.1:9306", nil, "[::1]:9306", true},
		{"127.0.0.1:9306", nil, "[::1]", true},
		{"127.0.0.1:9306", nil, "127.9.9.9", true},
		{"127.0.0.1:9306", nil, "localhost.evil.example", false},
		{"127.0.0.1:9306", nil, "evil.example:9306", false},
		{"127.0.0.1:9306", nil, "127.0.0.1.evil.example", false},
		{"127.0.0.1:9306", nil, "10.0.0.6:9306", false},
		{"127.0.0.1:9306", nil, "", false},
		{"127.0.0.1:9306", nil, "a@localhost", false},
		{"127.0.0.1:9306", nil, "localhost/", false},
		{"0.0.0.0:9306", nil, "10.0.0.5:9306", true},
		{"0.0.0.0:9306", nil, "[::ffff:10.0.0.5]:9306", true},
		{"0.0.0.0:9306", nil, "0.0.0.0:9306", false},
		{":9306", nil, "db.example:9306", false},
		{"db.example:9306", nil, "DB.example:1", true},
		{"0.0.0.0:9306", []string{"galley.example:443", "b.example"}, "galley.example", true},
		{"0.0.0.0:9306", []string{"galley.example:443", "b.example"}, "b.example:80", true},
		{"0.0.0.0:9306", []string{"b.example"}, "a.b.example", false},
	}
	for _, tt := range tests {
		if got := newHostGuard(tt.listen, tt.allowed).allows(tt.host, local); got != tt.want {
			t.Errorf("listening on %s with %v, Host %q: %v, want %v", tt.listen, tt.allowed, tt.host, got, tt.want)
		}
	}
}

// Whatever a Host header holds: hostOnly gives nothing or one clean name, and what is loopback resolves to loopback.
func FuzzHostOnly(f *testing.F) {
	for _, seed := range []string{"localhost:1", "[::1]:80", "[::1%eth0]:1", "a:b:c", "[", "]:", "127.0.0.1.", "::1", "[[::1]]:1", "127.1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name := hostOnly(host)
		if strings.ContainsAny(name, "[]/@ \t\r\n%") {
			t.Fatalf("%q gives %q", host, name)
		}
		if name != "" && hostOnly(name) != name && !strings.HasSuffix(name, ".") && !strings.Contains(name, ":") {
			t.Fatalf("%q gives %q, and that gives %q", host, name, hostOnly(name))
		}
		if ip, err := netip.ParseAddr(name); err == nil && loopbackHost(name) && !ip.Unmap().IsLoopback() {
			t.Fatalf("%q is held for loopback", name)
		}
	})
}

func TestForeignRequests(t *testing.T) {
	type headers map[string]string
	tests := map[string]struct {
		method  string
		headers headers
		want    int
	}{
		"plain client":         {http.MethodGet, nil, http.StatusOK},
		"typed address":        {http.MethodGet, headers{"Sec-Fetch-Site": "none"}, http.StatusOK},
		"own page":             {http.MethodGet, headers{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, http.StatusOK},
		"link from elsewhere":  {http.MethodGet, headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, http.StatusOK},
		"frame elsewhere":      {http.MethodGet, headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, http.StatusForbidden},
		"fetch from elsewhere": {http.MethodGet, headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}, http.StatusForbidden},
		"other port's page":    {http.MethodGet, headers{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, http.StatusForbidden},
		"post, own page":       {http.MethodPost, headers{"Sec-Fetch-Site": "same-origin"}, http.StatusOK},
		"post, own origin":     {http.MethodPost, headers{"Origin": "http://127.0.0.1:9306"}, http.StatusOK},
		"post, other origin":   {http.MethodPost, headers{"Origin": "http://evil.example"}, http.StatusForbidden},
		"post, other port":     {http.MethodPost, headers{"Origin": "http://127.0.0.1:8080"}, http.StatusForbidden},
		"post, null origin":    {http.MethodPost, headers{"Origin": "null"}, http.StatusForbidden},
		"post, cross-site":     {http.MethodPost, headers{"Sec-Fetch-Site": "cross-site"}, http.StatusForbidden},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newTestServer(t, nil)
			r := request(tt.method, "/")
			for k, v := range tt.headers {
				r.Header.Set(k, v)
			}
			passed := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
			w := newRecorderFor(s.guard(passed, false), r)
			if w.Code != tt.want {
				t.Errorf("%d, want %d", w.Code, tt.want)
			}
		})
	}
}

func TestEveryAnswerHasSecurityHeaders(t *testing.T) {
	s := newTestServer(t, func(o *Options) { o.Token = testToken })
	bad := request(http.MethodGet, "/")
	bad.Host = "evil.example"
	for _, r := range []*http.Request{request(http.MethodGet, "/"), request(http.MethodGet, "/healthz"), request(http.MethodGet, "/nothing"), bad} {
		h := ask(s, false, r).Header()
		if !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'; style-src 'self';") ||
			strings.Contains(h.Get("Content-Security-Policy"), "unsafe") || h.Get("X-Frame-Options") != "DENY" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: %v", r.Host, r.URL, h)
		}
	}
}

func TestWrongHostIsRefusedOnTCPOnly(t *testing.T) {
	s := newTestServer(t, nil)
	for _, path := range []string{"/", "/healthz", "/metrics", "/api/status", "/assets/x"} {
		r := request(http.MethodGet, path)
		r.Host = "evil.example"
		if w := ask(s, false, r); w.Code != http.StatusMisdirectedRequest {
			t.Errorf("%s: %d, want 421", path, w.Code)
		}
	}
	r := request(http.MethodGet, "/healthz")
	r.Host = "galley"
	if w := ask(s, true, r); w.Code != http.StatusOK {
		t.Errorf("over the socket: %d, want 200", w.Code)
	}
}
