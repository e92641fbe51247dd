package cache

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func get(target string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestBypass(t *testing.T) {
	wordpress := Rules{WordPress: true, IgnoreCookies: []string{"colour"}, BypassPaths: []string{"/private/"}}
	plain := Rules{}
	for _, c := range []struct {
		rules Rules
		r     *http.Request
		want  Bypass
	}{
		{wordpress, get("/"), ""},
		{wordpress, get("/2026/11/a-post/?utm_source=x"), ""},
		{wordpress, get("/?p=7"), ""},
		{wordpress, httptest.NewRequest(http.MethodPost, "/", nil), ByMethod},
		{wordpress, httptest.NewRequest(http.MethodHead, "/", nil), ""},
		{wordpress, get("/", "Authorization", "Basic x"), ByAuthorization},
		{wordpress, get("/", "Range", "bytes=0-1"), ByRange},
		{wordpress, get("/", "X-WP-Nonce", "1"), ByHeader},
		{wordpress, get("/", "Upgrade", "websocket"), ByHeader},
		{wordpress, get("/", "Cache-Control", "no-store"), ByHeader},
		{wordpress, get("/", "Cookie", "wordpress_logged_in_0123=admin"), ByCookie},
		{wordpress, get("/", "Cookie", "_ga=1; comment_author_0123=Ann"), ByCookie},
		{wordpress, get("/", "Cookie", "_ga=1", "Cookie", "PHPSESSID=5"), ByCookie},
		{wordpress, get("/", "Cookie", "woocommerce_items_in_cart=1"), ByCookie},
		{wordpress, get("/", "Cookie", "wp-postpass_0123=x"), ByCookie},
		{wordpress, get("/", "Cookie", "currency=EUR"), ByCookie},
		{wordpress, get("/", "Cookie", "colour=red; _ga=1; _fbp=2; wordpress_test_cookie=WP"), ""},
		{wordpress, get("/wp-admin/"), ByPath},
		{wordpress, get("/blog/wp-admin/admin-ajax.php"), ByPath},
		{wordpress, get("/wp-login.php"), ByPath},
		{wordpress, get("/wp-cron.php?doing_wp_cron=1"), ByPath},
		{wordpress, get("/xmlrpc.php"), ByPath},
		{wordpress, get("/wp-json/wp/v2/posts"), ByPath},
		{wordpress, get("/cart/"), ByPath},
		{wordpress, get("/cartoons/"), ""},
		{wordpress, get("/shop/checkout"), ByPath},
		{wordpress, get("/feed/"), ByPath},
		{wordpress, get("/sitemap_index.xml"), ByPath},
		{wordpress, get("/private/x"), ByPath},
		{wordpress, get("/?s=shoes"), ByQuery},
		{wordpress, get("/?preview=true&p=3"), ByQuery},
		{wordpress, get("/?%70review=true"), ByQuery},
		{wordpress, get("/?add-to-cart=3"), ByQuery},
		{wordpress, get("/?a=1;preview=true"), ByQuery},
		{plain, get("/wp-admin/"), ""},
		{plain, get("/", "Cookie", "anything=1"), ByCookie},
	} {
		if got := c.rules.bypass(c.r); got != c.want {
			t.Errorf("%s %s %v: %q, want %q", c.r.Method, c.r.URL, c.r.Header, got, c.want)
		}
	}
}

func TestKey(t *testing.T) {
	s := Site{Name: "shop", Rules: Rules{WordPress: true}}
	same := func(a, b *http.Request) bool { return s.key(a) == s.key(b) }
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"http://a/x?b=1&a=2", "http://a/x?a=2&b=1", true},
		{"http://a/x?utm_source=q&a=2&fbclid=7", "http://a/x?a=2", true},
		{"http://a/x", "http://A/x", true},
		{"http://a/x", "http://b/x", false},
		{"http://a/x?a=1&a=2", "http://a/x?a=2&a=1", false},
		{"http://a/x%2Fy", "http://a/x/y", false},
		{"http://a/x?a=%26b=1", "http://a/x?a=&b=1", false},
		{"http://a:80/", "http://a:81/", false},
		{"http://a/x?a", "http://a/x", false},
	} {
		if got := same(get(c.a), get(c.b)); got != c.same {
			t.Errorf("%s and %s share a key: %v", c.a, c.b, got)
		}
	}
	secure := s
	secure.Secure = true
	if s.key(get("/")) == secure.key(get("/")) {
		t.Error("http and https share a key")
	}
	phone := get("/", "User-Agent", "Mozilla/5.0 (iPhone) Mobile/15E148")
	if !same(get("/"), phone) {
		t.Error("devices have keys of their own where the site does not say so")
	}
	s.Rules.ByDevice = true
	if same(get("/"), phone) || !same(get("/", "Sec-CH-UA-Mobile", "?1"), phone) {
		t.Error("phones do not have their own key")
	}
}

func TestStorable(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	rules := Rules{TTL: 5 * time.Second, StaleWhileRevalidate: time.Minute, StaleIfError: time.Hour}
	for _, c := range []struct {
		status  int
		headers []string
		fresh   time.Duration
		stale   time.Duration
		onError time.Duration
		refused Refusal
	}{
		{200, nil, 5 * time.Second, time.Minute, time.Hour, ""},
		{200, []string{"Cache-Control", "max-age=10, s-maxage=20"}, 20 * time.Second, time.Minute, time.Hour, ""},
		{200, []string{"Cache-Control", "max-age=10", "X-Accel-Expires", "3"}, 3 * time.Second, time.Minute, time.Hour, ""},
		{200, []string{"Cache-Control", `max-age="10"`, "Age", "4"}, 6 * time.Second, time.Minute, time.Hour, ""},
		{200, []string{"Cache-Control", "max-age=10, stale-while-revalidate=2, stale-if-error=3"}, 10 * time.Second, 2 * time.Second, 3 * time.Second, ""},
		{200, []string{"Cache-Control", "max-age=10, must-revalidate"}, 10 * time.Second, 0, 0, ""},
		{200, []string{"Expires", at.Add(9 * time.Second).Format(http.TimeFormat)}, 9 * time.Second, time.Minute, time.Hour, ""},
		{200, []string{"Expires", "0"}, 0, 0, 0, NotLifetime},
		{200, []string{"Cache-Control", "max-age=0"}, 0, 0, 0, NotLifetime},
		{200, []string{"Cache-Control", "max-age=nonsense"}, 0, 0, 0, NotLifetime},
		{200, []string{"Cache-Control", "max-age=10", "Cache-Control", "Private"}, 0, 0, 0, NotPrivate},
		{200, []string{"Cache-Control", "no-cache, must-revalidate, max-age=0, no-store, private"}, 0, 0, 0, NotPrivate},
		{200, []string{"Cache-Control", `no-cache="set-cookie"`}, 0, 0, 0, NotPrivate},
		{200, []string{"Pragma", "no-cache"}, 0, 0, 0, NotPrivate},
		{200, []string{"Set-Cookie", "a=b"}, 0, 0, 0, NotCookie},
		{200, []string{"Vary", "Accept, *"}, 0, 0, 0, NotVary},
		{200, []string{"Content-Encoding", "gzip"}, 0, 0, 0, NotStatus},
		{200, []string{"Content-Type", "image/jpeg"}, 0, 0, 0, NotType},
		{200, []string{"Content-Type", "text/event-stream"}, 0, 0, 0, NotType},
		{301, nil, 5 * time.Second, time.Minute, time.Hour, ""},
		{302, nil, 0, 0, 0, NotStatus},
		{404, nil, time.Second, time.Minute, time.Hour, ""},
		{206, nil, 0, 0, 0, NotStatus},
		{500, nil, 0, 0, 0, NotStatus},
	} {
		h := http.Header{}
		if c.status == 200 {
			h.Set("Content-Type", "text/html; charset=UTF-8")
		}
		for i := 0; i < len(c.headers); i += 2 {
			if c.headers[i] == "Content-Type" {
				h.Del("Content-Type")
			}
			h.Add(c.headers[i], c.headers[i+1])
		}
		life, refused := rules.storable(c.status, h, at)
		if refused != c.refused {
			t.Errorf("%d %v: %q, want %q", c.status, c.headers, refused, c.refused)
			continue
		}
		if refused == "" && (life.fresh != c.fresh || life.stale != c.fresh+c.stale || life.onError != c.fresh+c.onError) {
			t.Errorf("%d %v: %+v", c.status, c.headers, life)
		}
	}
	if _, refused := (Rules{}).storable(200, http.Header{"Content-Type": {"text/html"}}, at); refused != NotLifetime {
		t.Errorf("an answer that says nothing, on a site that says nothing: %q", refused)
	}
}

func TestAcceptsGzip(t *testing.T) {
	for value, want := range map[string]bool{
		"": false, "gzip": true, "br, gzip;q=0.5": true, "gzip;q=0": false, "*": true, "gzip;q=0, *": false, "*;q=0": false, "identity": false, "gzip;q=x": false,
	} {
		h := http.Header{}
		if value != "" {
			h.Set("Accept-Encoding", value)
		}
		if acceptsGzip(h) != want {
			t.Errorf("%q: %v", value, !want)
		}
	}
}

func FuzzRules(f *testing.F) {
	f.Add("/a?b=1&a=2;c", "a=1; wordpress_logged_in_x=2", `max-age="10, 5", private`)
	f.Add("/wp-admin", "_ga", "no-cache=\"x")
	rules := Rules{WordPress: true, TTL: time.Second}
	f.Fuzz(func(t *testing.T, target, cookie, control string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
		if err != nil {
			return
		}
		r.Header["Cookie"] = []string{cookie}
		if rules.bypass(r) == "" && len((Site{Rules: rules}).key(r)) > 3*maxKey+100 {
			t.Error("a key without bounds")
		}
		h := http.Header{"Cache-Control": {control}, "Content-Type": {"text/html"}}
		if life, refused := rules.storable(200, h, time.Now()); refused == "" && life.fresh <= 0 {
			t.Errorf("%q is stored for %s", control, life.fresh)
		}
	})
}
