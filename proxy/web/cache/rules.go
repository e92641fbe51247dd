package cache

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// Bypass is why a request is not looked up; it is a metric's label.
type Bypass string

// The reasons.
const (
	ByMethod        Bypass = "method"
	ByAuthorization Bypass = "authorization"
	ByRange         Bypass = "range"
	ByHeader        Bypass = "header"
	ByCookie        Bypass = "cookie"
	ByPath          Bypass = "path"
	ByQuery         Bypass = "query"
)

// Site is whose pages these are, and what holds for them.
type Site struct {
	Name  string
	Rules Rules
	// Secure says that this request came by HTTPS, be it to a proxy in front: pages may differ by it.
	Secure bool
	// Told is what a trusted proxy said besides of how the client came, and scripts are told: another host, another port.
	Told string
}

// Rules decide what of a site is looked up and for how long an answer is good. The zero value stores what says itself how long it may be stored.
type Rules struct {
	// WordPress adds what is known of WordPress and WooCommerce: paths and arguments that belong to one visitor or have effects.
	WordPress bool
	// TTL is for how long an answer is fresh that says nothing itself; 0: it is not stored.
	TTL time.Duration
	// StaleWhileRevalidate is for how long behind that it may be shown while it is made anew.
	StaleWhileRevalidate time.Duration
	// StaleIfError is for how long it may be shown in place of an error.
	StaleIfError time.Duration
	// IgnoreCookies are beginnings of names of cookies that no page depends on, besides those that are known (see harmless). PHP does not get them.
	IgnoreCookies []string
	// BypassPaths are beginnings of paths that are not looked up.
	BypassPaths []string
	// ByDevice keeps pages for phones apart from those for other devices, for themes that ask wp_is_mobile().
	ByDevice bool
}

// maxKey bounds a key: addresses without end would fill the memory with their own names.
const maxKey = 4096

// bypass says why a request is not looked up, or "".
func (rules Rules) bypass(r *http.Request) Bypass {
	h := r.Header
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return ByMethod
	case h.Get("Authorization") != "":
		return ByAuthorization
	case h.Get("Range") != "":
		return ByRange
	case h.Get("Upgrade") != "", h.Get("X-Wp-Nonce") != "", h.Get("X-Requested-With") == "XMLHttpRequest", h.Get("X-Http-Method-Override") != "", hasDirective(h.Values("Cache-Control"), "no-store"):
		return ByHeader
	case r.ContentLength != 0:
		return ByHeader
	case rules.personal(h):
		return ByCookie
	case rules.privatePath(r.URL.Path):
		return ByPath
	case len(r.URL.RawQuery)+len(r.URL.Path) > maxKey, rules.privateQuery(r.URL.RawQuery), rules.privateName(r.URL.RawQuery):
		return ByQuery
	}
	return ""
}

// changes says whether a method may change what is stored (RFC 9110, section 9.2.1: the safe ones do not).
func changes(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return false
	}
	return true
}

// harmless are beginnings of names of cookies that only scripts in the browser read: of statistics and of consent banners.
func harmless(name string) bool {
	for _, prefix := range []string{
		"_ga", "_gid", "_gat", "_gcl", "_fbp", "_fbc", "__utm", "_hj", "_pk_", "_clck", "_clsk", "_uet", "_scid", "_tt_", "_pin_", "wordpress_test_cookie",
		"cookie_notice_accepted", "cookielawinfo-", "cookieyes-consent", "viewed_cookie_policy", "cmplz_", "CookieConsent", "OptanonConsent", "borlabs-cookie",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// personal says whether a cookie of the request may make its sender somebody: any that is not known to do nothing.
func (rules Rules) personal(h http.Header) bool {
	for _, line := range h.Values("Cookie") {
		for pair := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if name == "" || harmless(name) || slices.ContainsFunc(rules.IgnoreCookies, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
				continue
			}
			return true
		}
	}
	return false
}

// isPhone says what wp_is_mobile() of WordPress would.
func isPhone(h http.Header) bool {
	if hint := h.Get("Sec-Ch-Ua-Mobile"); hint != "" {
		return hint == "?1"
	}
	agent := h.Get("User-Agent")
	for _, word := range []string{"Mobile", "Android", "Silk/", "Kindle", "BlackBerry", "Opera Mini", "Opera Mobi"} {
		if strings.Contains(agent, word) {
			return true
		}
	}
	return false
}

// canonicalPath is what PHP may take a path for: one slash where several stand, no dots, capital letters as small ones.
func canonicalPath(p string) string {
	clean := strings.ToLower(path.Clean("/" + p))
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// behindScript is what stands in a path behind a front controller: /index.php/members/ is /members/ to WordPress.
func behindScript(path string) string {
	if i := strings.Index(path, ".php/"); i >= 0 {
		return path[i+len(".php"):]
	}
	return path
}

// privateName says whether an argument may be another name of a path that is not looked up: WordPress knows its pages by number and name as well.
func (rules Rules) privateName(raw string) bool {
	if !rules.WordPress || len(rules.BypassPaths) == 0 || raw == "" {
		return false
	}
	for pair := range strings.SplitSeq(raw, "&") {
		name := argument(pair)
		if decoded, err := url.QueryUnescape(name); err == nil {
			name = decoded
		}
		switch name {
		case "page_id", "pagename", "name", "attachment", "attachment_id", "post_type":
			return true
		}
	}
	return false
}

// privatePath says whether a path belongs to one visitor, or has effects.
func (rules Rules) privatePath(path string) bool {
	path = canonicalPath(path)
	behind := behindScript(path)
	return rules.private(path) || behind != path && rules.private(behind)
}

func (rules Rules) private(path string) bool {
	if slices.ContainsFunc(rules.BypassPaths, func(prefix string) bool { return strings.HasPrefix(path+"/", strings.ToLower(prefix)) }) {
		return true
	}
	if !rules.WordPress {
		return false
	}
	for _, part := range []string{"/wp-admin", "/wp-json", "/cart", "/checkout", "/my-account", "/wc-api", "/addons", "/lost-password"} {
		if at := strings.Index(path, part); at >= 0 && endsPart(path[at+len(part):]) {
			return true
		}
	}
	last := path[strings.LastIndexByte(path, '/')+1:]
	return strings.HasPrefix(last, "wp-") && strings.HasSuffix(last, ".php") || last == "xmlrpc.php" ||
		strings.HasPrefix(last, "sitemap") && strings.HasSuffix(last, ".xml") || strings.HasSuffix(path, "/feed") || strings.Contains(path, "/feed/")
}

func endsPart(rest string) bool { return rest == "" || rest[0] == '/' || rest[0] == '.' }

// privateQuery says whether an argument has effects or shows something private.
func (rules Rules) privateQuery(raw string) bool {
	if raw == "" {
		return false
	}
	if strings.ContainsAny(raw, ";") {
		return true // Read as a separator by some and as a part of a value by others.
	}
	if !rules.WordPress {
		return false
	}
	for pair := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); err == nil {
			name = decoded
		}
		switch name {
		case "preview", "preview_id", "preview_nonce", "_wpnonce", "action", "add-to-cart", "remove_item", "wc-ajax", "wc-api", "doing_wp_cron", "customize_changeset_uuid",
			"edd_action", "key", "token", "unapproved", "moderation-hash", "replytocom", "rest_route", "feed", "s":
			return true
		}
	}
	return false
}

// isTracking says whether an argument is there for scripts in the browser only: pages do not differ by it.
func isTracking(name string) bool {
	if strings.HasPrefix(name, "utm_") || strings.HasPrefix(name, "mc_") || strings.HasPrefix(name, "pk_") || strings.HasPrefix(name, "mtm_") {
		return true
	}
	switch name {
	case "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "twclid", "ttclid", "yclid", "igshid", "_ga", "_gl", "ref_src", "epik", "srsltid":
		return true
	}
	return false
}

// given says whether scripts get a header of the request when they make a page for everybody. Any other is its visitor's alone: scripts and plugins take hosts, schemes, paths
// and addresses from headers that nobody has heard of, and a page with such would be shown to all. What proxies tell is in the key (Site.Told).
func (rules Rules) given(header string) bool {
	switch header {
	case "Accept", "Accept-Language", "User-Agent", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto":
		return true
	case "Sec-Ch-Ua-Mobile":
		return rules.ByDevice
	}
	return false
}

// withheld says that an answer depends on a header that the request had and the script was not given.
func (q request) withheld(answer http.Header) bool {
	return slices.ContainsFunc(varies(answer), func(name string) bool {
		switch name = http.CanonicalHeaderKey(name); name {
		case "Cookie", "Accept-Encoding": // Requests with cookies that matter are not looked up; codings are the cache's own.
			return false
		}
		return q.r.Header[name] != nil && !q.site.Rules.given(name)
	})
}

// key names a page: the site, the scheme, the host, the path and the arguments that matter, in order of their names. Only what PHP may print as the same page shares a key.
func (s Site) key(r *http.Request) string {
	scheme := "http"
	if s.Secure {
		scheme = "https"
	}
	var b strings.Builder
	for _, part := range []string{s.Name, scheme, canonicalHost(r.Host), s.Told, rawPath(r)} {
		b.WriteString(part)
		b.WriteByte(0)
	}
	b.WriteString(filterQuery(r.URL.RawQuery))
	if s.Rules.ByDevice && isPhone(r.Header) {
		b.WriteString("\x00phone")
	}
	return b.String()
}

// rawPath is the path as the client wrote it, for scripts see it so: two forms of one path (%22 and a bare quote) may be printed as different pages.
func rawPath(r *http.Request) string {
	if path, _, _ := strings.Cut(r.RequestURI, "?"); strings.HasPrefix(path, "/") {
		return path
	}
	return r.URL.EscapedPath()
}

func canonicalHost(host string) string { return strings.ToLower(host) }

// filterQuery drops the arguments that no page depends on and sorts the rest; those of one name keep their order. Where PHP may take two names for the same
// one (%61 for a, a.b for a_b), or has them in one array, nothing is sorted.
func filterQuery(raw string) string {
	pairs := untracked(raw)
	if slices.ContainsFunc(pairs, func(pair string) bool { return !plainName(argument(pair)) }) {
		return strings.Join(pairs, "&")
	}
	slices.SortStableFunc(pairs, func(a, b string) int { return strings.Compare(argument(a), argument(b)) })
	return strings.Join(pairs, "&")
}

// untracked are the arguments that pages may depend on.
func untracked(raw string) []string {
	return slices.DeleteFunc(strings.Split(raw, "&"), func(pair string) bool { return pair == "" || isTracking(argument(pair)) })
}

// tracked says whether there are arguments that no page depends on. They are their visitor's alone: no page that is stored is made with them.
func tracked(raw string) bool {
	for pair := range strings.SplitSeq(raw, "&") {
		if isTracking(argument(pair)) {
			return true
		}
	}
	return false
}

func argument(pair string) string {
	name, _, _ := strings.Cut(pair, "=")
	return name
}

func plainName(name string) bool {
	return !strings.ContainsAny(name, "%+.[] ")
}
