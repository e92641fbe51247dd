package cache

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// echo prints what a script sees of a request's address.
func echo() *script {
	return &script{answer: func(w http.ResponseWriter, r *http.Request, run int64) {
		if strings.HasPrefix(r.URL.Path, "/old") {
			w.Header().Set("Location", "/new?"+r.URL.RawQuery)
			w.WriteHeader(http.StatusMovedPermanently)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "run %d of %s?%s %s %s", run, r.URL.EscapedPath(), r.URL.RawQuery, r.RequestURI, words)
	}}
}

func TestPathsAreKeptAsWritten(t *testing.T) {
	c, s := newCache(t, nil), echo()
	raw := get("/a%22b")
	raw.RequestURI = `/a"b`
	ask(c, blog(), s, raw)
	if w, run, how := ask(c, blog(), s, get("/a%22b")); how != "MISS" || run != "2" || strings.Contains(w.Body.String(), `"`) {
		t.Errorf("%s: a page is shown that was made for another form of its address: %.60s", how, w.Body)
	}
}

func TestTrackingStaysItsVisitors(t *testing.T) {
	c, s := newCache(t, nil), echo()
	if w, _, how := ask(c, blog(), s, get("/?gclid=secret&utm_source=%3Cx%3E")); how != "MISS" || strings.Contains(w.Body.String(), "secret") || strings.Contains(w.Body.String(), "%3Cx") {
		t.Errorf("%s: a page that is stored was made with what is one visitor's: %.60s", how, w.Body)
	}
	if w, run, how := ask(c, blog(), s, get("/")); how != "HIT" || run != "1" || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%s: run %s, %.60s", how, run, w.Body)
	}
	// The link of a letter may work once.
	if w, _, how := ask(c, blog(), s, get("/?confirm=1&utm_source=mail")); how != "MISS" || !strings.Contains(w.Body.String(), "utm_source=mail") || s.runs.Load() != 2 {
		t.Errorf("%s after %d runs: %.60s", how, s.runs.Load(), w.Body)
	}
	if st := c.Stats(); st.Entries != 1 {
		t.Errorf("%d pages are stored", st.Entries)
	}
}

func TestRedirectsKeepTracking(t *testing.T) {
	c, s := newCache(t, nil), echo()
	for _, query := range []string{"?gclid=1", "", "?gclid=2", "", "?gclid=1"} {
		if w, _, how := ask(c, blog(), s, get("/old"+query)); w.Header().Get("Location") != "/new?"+strings.TrimPrefix(query, "?") {
			t.Errorf("%s of %s leads to %s", how, query, w.Header().Get("Location"))
		}
	}
}

func TestNamesThatPHPTakesForOne(t *testing.T) {
	c, s := newCache(t, nil), echo()
	for _, pair := range [][2]string{{"/?a=1&%61=2", "/?%61=2&a=1"}, {"/?a_b=1&a.b=2", "/?a.b=2&a_b=1"}, {"/?x[b]=1&x[a]=2", "/?x[a]=2&x[b]=1"}} {
		ask(c, blog(), s, get(pair[0]))
		if _, _, how := ask(c, blog(), s, get(pair[1])); how != "MISS" {
			t.Errorf("%s is answered as %s: %s", pair[1], pair[0], how)
		}
	}
}

func TestToldIsPartOfTheKey(t *testing.T) {
	c, s := newCache(t, nil), echo()
	other := blog()
	other.Told = "evil.example 443"
	ask(c, other, s, get("/"))
	if _, _, how := ask(c, blog(), s, get("/")); how != "MISS" {
		t.Errorf("a page is shown that was made under another name: %s", how)
	}
}

func TestPartsOfPagesAreNotLookedUp(t *testing.T) {
	c, s := newCache(t, nil), echo()
	for _, h := range [][2]string{{"X-Requested-With", "XMLHttpRequest"}, {"X-HTTP-Method-Override", "DELETE"}} {
		if _, _, how := ask(c, blog(), s, get("/", h[0], h[1])); how != "BYPASS" {
			t.Errorf("%s: %s", h, how)
		}
	}
}

// What is purged while it is made shows what was before.
func TestPurgedWhileMade(t *testing.T) {
	for name, purge := range map[string]func(c *Cache, s *script){
		"path":   func(c *Cache, _ *script) { c.Purge(Purge{Site: "blog", Path: "/a"}) },
		"prefix": func(c *Cache, _ *script) { c.Purge(Purge{Site: "blog", Path: "/", Prefix: true}) },
		"tag":    func(c *Cache, _ *script) { c.Purge(Purge{Site: "blog", Tags: []string{"x"}}) },
		"change": func(c *Cache, s *script) {
			r := get("/a")
			r.Method = http.MethodPost
			ask(c, blog(), s, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, other := newCache(t, nil), &script{}
			s := &script{}
			s.answer = func(w http.ResponseWriter, _ *http.Request, run int64) {
				if run == 1 {
					purge(c, other)
				}
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprintf(w, "run %d %s", run, words)
			}
			for i, want := range []string{"1 MISS", "2 MISS", "2 HIT"} {
				if _, run, how := ask(c, blog(), s, get("/a")); run+" "+how != want {
					t.Errorf("visitor %d: %s %s, want %s", i, run, how, want)
				}
			}
			if c.Stats().Refused[NotCurrent] != 1 {
				t.Error("it is not counted")
			}
		})
	}
	c, s := newCache(t, nil), &script{}
	s.answer = func(w http.ResponseWriter, _ *http.Request, run int64) {
		c.Purge(Purge{Site: "blog", Path: "/b"})
		c.Purge(Purge{Site: "other", Path: "/a"})
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "run %d %s", run, words)
	}
	ask(c, blog(), s, get("/a"))
	if _, _, how := ask(c, blog(), s, get("/a")); how != "HIT" {
		t.Errorf("what is made while another page is purged is %s", how)
	}
}
