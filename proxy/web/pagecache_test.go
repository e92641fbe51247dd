package web

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"galley/config"
	"galley/proxy/web/fpm"
)

// fetch sends a request to example.com and gives the answer's status, its body and what the page cache says of it.
func fetch(t *testing.T, b *bench, method, path string, headers ...string) (status int, body, how string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+b.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "example.com"
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var text strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := res.Body.Read(buf)
		text.Write(buf[:n])
		if err != nil {
			break
		}
	}
	return res.StatusCode, text.String(), res.Header.Get("X-Cache")
}

func TestPageCache(t *testing.T) {
	b := serve(t, func(c *config.Web) {
		c.Sites[0].Cache, c.Sites[0].CacheStale, c.Sites[0].CacheStaleIfError = time.Hour, time.Hour, time.Hour
		c.TrustedNetworks = append(c.TrustedNetworks, netip.MustParsePrefix("127.0.0.0/8"))
	})
	var runs atomic.Int64
	b.pool.runs(func(_ context.Context, r *fpm.Request) (*fpm.Response, error) {
		n := runs.Add(1)
		return page(200, fmt.Sprintf("run %d for %s %s", n, param(r, "HTTP_COOKIE"), strings.Repeat("words ", 300))), nil
	})
	expect := func(method, path, wantBody, wantHow string, headers ...string) {
		t.Helper()
		status, body, how := fetch(t, b, method, path, headers...)
		if status != 200 || !strings.HasPrefix(body, wantBody) || how != wantHow {
			t.Errorf("%s %s %v: %d %.30q %s, want %q %s", method, path, headers, status, body, how, wantBody, wantHow)
		}
	}
	expect("GET", "/a-post/", "run 1 for -", "MISS", "Cookie", "_ga=secret")
	expect("GET", "/a-post/", "run 1 for -", "HIT")
	expect("GET", "/a-post/?utm_source=x", "run 1 for -", "HIT")
	expect("GET", "/a-post/", "run 2 for wordpress_logged_in_1=ann", "BYPASS", "Cookie", "wordpress_logged_in_1=ann")
	expect("GET", "/wp-login.php", "run 3", "BYPASS")
	expect("GET", "/a-post/", "run 4 for -", "MISS", "X-Forwarded-Proto", "https")
	expect("POST", "/a-post/", "run 5", "BYPASS")
	expect("GET", "/a-post/", "run 6", "MISS")

	// Who may purge is judged by the client's own address.
	if status, _, _ := fetch(t, b, "PURGE", "/a-post/", "X-Forwarded-For", "203.0.113.9"); status != http.StatusForbidden {
		t.Errorf("a stranger's PURGE: %d", status)
	}
	expect("GET", "/a-post/", "run 6", "HIT")
	if status, body, _ := fetch(t, b, "PURGE", "/*"); status != 200 || body != "1 purged\n" {
		t.Errorf("PURGE: %d %q", status, body)
	}
	expect("GET", "/a-post/", "run 7", "MISS")
	if runs.Load() != 7 {
		t.Errorf("%d runs: PURGE reached PHP", runs.Load())
	}
}

// TestPageCacheOff: a site without a cache has none of it.
func TestPageCacheOff(t *testing.T) {
	b := serve(t, nil)
	for range 2 {
		if _, _, how := fetch(t, b, "GET", "/a-post/"); how != "" {
			t.Errorf("X-Cache is %q", how)
		}
	}
	if _, body, _ := fetch(t, b, "PURGE", "/a-post/"); !strings.HasPrefix(body, "hello from /index.php") {
		t.Errorf("PURGE of a site that may have a cache of its own: %q", body)
	}
}

// TestPageCacheInTrouble: with the database in trouble what is stale is shown at once.
func TestPageCacheInTrouble(t *testing.T) {
	var trouble atomic.Bool
	b := serveWith(t, func(c *config.Web) {
		c.Sites[0].Cache, c.Sites[0].CacheStale, c.Sites[0].CacheStaleIfError = time.Millisecond, 0, time.Hour
	}, trouble.Load)
	var runs atomic.Int64
	b.pool.runs(func(context.Context, *fpm.Request) (*fpm.Response, error) {
		if runs.Add(1) > 1 {
			return nil, &fpm.Error{Reason: fpm.QueueTimeout}
		}
		return page(200, "run 1 "+strings.Repeat("words ", 300)), nil
	})
	fetch(t, b, "GET", "/")
	// Not fresh a moment later: an error shows it, and trouble too.
	for runs.Load() < 2 {
		if status, body, _ := fetch(t, b, "GET", "/"); status != 200 || !strings.HasPrefix(body, "run 1") {
			t.Fatalf("%d %.20q", status, body)
		}
	}
	trouble.Store(true)
	if status, body, how := fetch(t, b, "GET", "/"); status != 200 || !strings.HasPrefix(body, "run 1") || how != "STALE" {
		t.Errorf("%d %.20q %s", status, body, how)
	}
}

// What a trusted proxy tells scripts of the address makes other pages; who is not trusted makes none.
func TestPageCacheTold(t *testing.T) {
	for _, trusted := range []bool{true, false} {
		b := serve(t, func(c *config.Web) {
			c.Sites[0].Cache = time.Hour
			if trusted {
				c.TrustedNetworks = append(c.TrustedNetworks, netip.MustParsePrefix("127.0.0.0/8"))
			}
		})
		b.pool.runs(func(_ context.Context, r *fpm.Request) (*fpm.Response, error) {
			return page(200, fmt.Sprintf("of %s %s %s %s", param(r, "HTTP_X_FORWARDED_HOST"), param(r, "REQUEST_URI"), param(r, "QUERY_STRING"), strings.Repeat("words ", 300))), nil
		})
		want := "of evil.example"
		if !trusted {
			want = "of - /blog "
		}
		if _, body, _ := fetch(t, b, http.MethodGet, "/blog?gclid=mine", "X-Forwarded-Host", "evil.example"); !strings.HasPrefix(body, want) || strings.Contains(body, "mine") {
			t.Errorf("trusted %v: %.60q", trusted, body)
		}
		if _, body, _ := fetch(t, b, http.MethodGet, "/blog"); strings.Contains(body, "evil") {
			t.Errorf("trusted %v: a visitor is shown what another one's proxy has said: %.60q", trusted, body)
		}
	}
}
