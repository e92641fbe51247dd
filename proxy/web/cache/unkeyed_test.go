package cache

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestFormsOfAPath: what is not looked up is so under every name by which PHP knows it.
func TestFormsOfAPath(t *testing.T) {
	site := blog()
	site.Rules.WordPress, site.Rules.BypassPaths = true, []string{"/members/", "/Secret"}
	for target, want := range map[string]string{
		"/members/": "BYPASS", "/members/a": "BYPASS", "/members": "BYPASS", "//members/": "BYPASS", "/./members/": "BYPASS", "///members//": "BYPASS", "/MEMBERS/": "BYPASS", "/%6dembers/": "BYPASS",
		"/index.php/members/": "BYPASS", "/index.php//members/": "BYPASS", "/?pagename=members": "BYPASS", "/?page%5fid=7": "BYPASS", "/secret-page": "BYPASS", "/WP-Admin/": "BYPASS", "//wp-admin/x": "BYPASS",
		"/wp-admin/admin.php/x": "BYPASS", "/index.php/wp-json/": "BYPASS", "/Cart": "BYPASS", "/index.php//cart/": "BYPASS", "/a/FEED/": "BYPASS",
		"/": "MISS", "/membership/": "MISS", "/a/members/": "MISS", "/index.php/a/": "MISS", "/?a=page_id": "MISS",
	} {
		c, s := newCache(t, nil), echo()
		if _, _, how := ask(c, site, s, get(target)); how != want {
			t.Errorf("%s: %s, want %s", target, how, want)
		}
	}
	site.Rules.BypassPaths = nil
	if _, _, how := ask(newCache(t, nil), site, echo(), get("/?p=1")); how != "MISS" {
		t.Errorf("a short link: %s", how)
	}
}

// TestPurgeUnderEachName: a purge finds what was stored under another form of the path.
func TestPurgeUnderEachName(t *testing.T) {
	for _, target := range []string{"/a/", "//a/", "/A/", "/index.php/a/"} {
		for _, p := range []Purge{{Site: blog().Name, Path: "/a/"}, {Site: blog().Name, Path: "/", Prefix: true}} {
			c, s := newCache(t, nil), echo()
			ask(c, blog(), s, get(target))
			if n := c.Purge(p); n != 1 {
				t.Errorf("%s by %s: %d", target, p.Path, n)
			}
		}
	}
	c, s := newCache(t, nil), echo()
	ask(c, blog(), s, get("/ab/"))
	if n := c.Purge(Purge{Site: blog().Name, Path: "/a/", Prefix: true}); n != 0 {
		t.Errorf("/ab/ by /a/*: %d", n)
	}
}

// headers prints all that a script sees of the request's headers.
func headers(vary string) *script {
	return &script{answer: func(w http.ResponseWriter, r *http.Request, run int64) {
		w.Header().Set("Content-Type", "text/html")
		if vary != "" {
			w.Header().Set("Vary", vary)
		}
		fmt.Fprintf(w, "run %d %v %s", run, r.Header, words)
	}}
}

// TestUnkeyedHeaders: what one visitor sends in headers is not in the page that another one gets.
func TestUnkeyedHeaders(t *testing.T) {
	for _, name := range []string{
		"X-Original-URL", "X-Rewrite-URL", "X-Host", "X-Forwarded-Server", "X-Forwarded-Scheme", "X-Forwarded-Prefix", "X-Original-Host", "X-HTTP-Host-Override", "Forwarded", "True-Client-IP", "CF-Connecting-IP",
		"Client-IP", "X-Client-IP", "X-Wp-Anything", "Referer", "Origin", "From", "X-Amz-Website-Redirect-Location", "Content-Type", "Max-Forwards", "Sec-Ch-Ua-Mobile",
	} {
		c, s := newCache(t, nil), headers("")
		ask(c, blog(), s, get("/", name, "evil"))
		w, _, how := ask(c, blog(), s, get("/"))
		if how != "HIT" || strings.Contains(w.Body.String(), "evil") {
			t.Errorf("%s: %s %.100s", name, how, w.Body)
		}
	}
}

// TestVaryByWithheldHeader: a page that depends on such a header is made with it for its visitor, and is not stored.
func TestVaryByWithheldHeader(t *testing.T) {
	c, s := newCache(t, nil), headers("X-Tenant")
	for range 2 {
		if w, _, _ := ask(c, blog(), s, get("/", "X-Tenant", "mine")); !strings.Contains(w.Body.String(), "mine") {
			t.Errorf("made without what it depends on: %.100s", w.Body)
		}
	}
	if st := c.Stats(); st.Entries != 0 || st.Refused[NotHeader] != 1 {
		t.Errorf("%+v", st)
	}
	// What is there for all is given, and kept apart.
	c, s = newCache(t, nil), headers("Accept-Language")
	ask(c, blog(), s, get("/", "Accept-Language", "de"))
	if w, _, how := ask(c, blog(), s, get("/", "Accept-Language", "fr")); how != "MISS" || !strings.Contains(w.Body.String(), "fr") {
		t.Errorf("%s %.100s", how, w.Body)
	}
	if w, _, how := ask(c, blog(), s, get("/", "Accept-Language", "de")); how != "HIT" || !strings.Contains(w.Body.String(), "de") {
		t.Errorf("%s %.100s", how, w.Body)
	}
}

// TestChangeUnderEachName: what a form changed is not shown any more, by whichever name of the path it was sent.
func TestChangeUnderEachName(t *testing.T) {
	for _, target := range []string{"/index.php/a/", "/INDEX.php//a/", "/a/"} {
		c, s := newCache(t, nil), echo()
		ask(c, blog(), s, get("/index.php/a/"))
		post := get(target)
		post.Method = http.MethodPost
		ask(c, blog(), s, post)
		if n := c.Stats().Entries; n != 0 {
			t.Errorf("POST %s: %d are left", target, n)
		}
	}
}
