package cache

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Refusal is why an answer is not stored; it is a metric's label.
type Refusal string

// The reasons.
const (
	NotStatus    Refusal = "status"
	NotType      Refusal = "content_type"
	NotPrivate   Refusal = "cache_control"
	NotCookie    Refusal = "set_cookie"
	NotVary      Refusal = "vary"
	NotHeader    Refusal = "header" // It depends on a header that was not given to its script.
	NotLifetime  Refusal = "no_lifetime"
	NotSize      Refusal = "size"
	NotWhole     Refusal = "not_whole"
	NotStreaming Refusal = "streaming"
	NotCurrent   Refusal = "purged"
)

// lifetime is for how long an answer is good, from now.
type lifetime struct {
	fresh, stale, onError time.Duration
}

// smallest is the body below which a page of HTML is taken for the end of a script that failed.
const smallest = 255

// storable says for how long an answer may be stored and shown, by its status and header alone, or why it may not (RFC 9111, sections 3 and 4.2).
func (rules Rules) storable(status int, h http.Header, at time.Time) (lifetime, Refusal) {
	control := h.Values("Cache-Control")
	switch {
	case status != http.StatusOK && status != http.StatusMovedPermanently && status != http.StatusNotFound && status != http.StatusPermanentRedirect:
		return lifetime{}, NotStatus
	case len(h.Values("Set-Cookie")) > 0:
		return lifetime{}, NotCookie
	case hasDirective(control, "no-store"), hasDirective(control, "private"), hasDirective(control, "no-cache"),
		len(control) == 0 && hasDirective(h.Values("Pragma"), "no-cache"):
		return lifetime{}, NotPrivate
	case hasDirective(h.Values("Vary"), "*"):
		return lifetime{}, NotVary
	case h.Get("Content-Range") != "", h.Get("Www-Authenticate") != "", h.Get("Trailer") != "", h.Get("Content-Encoding") != "":
		return lifetime{}, NotStatus
	case status == http.StatusOK && !storedType(h.Get("Content-Type")):
		return lifetime{}, NotType
	}
	ttl, ok := said(h, at)
	if !ok {
		ttl = rules.TTL
		if status == http.StatusNotFound {
			ttl = min(ttl, time.Second)
		}
	}
	ttl -= saidAge(h)
	if ttl <= 0 {
		return lifetime{}, NotLifetime
	}
	life := lifetime{fresh: ttl, stale: ttl + rules.StaleWhileRevalidate, onError: ttl + rules.StaleIfError}
	if d, ok := directive(control, "stale-while-revalidate"); ok {
		life.stale = ttl + d
	}
	if d, ok := directive(control, "stale-if-error"); ok {
		life.onError = ttl + d
	}
	if hasDirective(control, "must-revalidate") || hasDirective(control, "proxy-revalidate") {
		life.stale, life.onError = ttl, ttl
	}
	return life, ""
}

// storedType: pages and what programs read; not images or downloads, which are files.
func storedType(value string) bool {
	kind, _, err := mime.ParseMediaType(value)
	if err != nil {
		return false
	}
	switch kind {
	case "application/json", "application/xml", "application/xhtml+xml", "application/rss+xml", "application/atom+xml", "application/javascript", "image/svg+xml":
		return true
	}
	return strings.HasPrefix(kind, "text/") && kind != "text/event-stream"
}

// said is the lifetime that an answer itself gives, the more special header first.
func said(h http.Header, at time.Time) (time.Duration, bool) {
	if v := h.Get("X-Accel-Expires"); v != "" {
		if seconds, err := strconv.ParseInt(v, 10, 32); err == nil {
			return time.Duration(seconds) * time.Second, true
		}
	}
	control := h.Values("Cache-Control")
	if d, ok := directive(control, "s-maxage"); ok {
		return d, true
	}
	if d, ok := directive(control, "max-age"); ok {
		return d, true
	}
	if v := h.Get("Expires"); v != "" {
		until, err := http.ParseTime(v)
		if err != nil {
			return 0, true // Not a date: it has expired (RFC 9111, section 5.3).
		}
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			at = date
		}
		return until.Sub(at), true
	}
	return 0, false
}

func saidAge(h http.Header) time.Duration {
	if seconds, err := strconv.ParseInt(h.Get("Age"), 10, 32); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	return 0
}

// directives calls f with each member of a list header, in lower case, until it returns false. Quoted values may have commas in them.
func directives(lines []string, f func(name, value string) bool) {
	for _, line := range lines {
		for line != "" {
			end, quoted := len(line), false
			for i := range len(line) {
				if line[i] == '"' {
					quoted = !quoted
				}
				if line[i] == ',' && !quoted {
					end = i
					break
				}
			}
			name, value, _ := strings.Cut(line[:end], "=")
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" && !f(name, strings.Trim(strings.TrimSpace(value), `"`)) {
				return
			}
			line = strings.TrimPrefix(line[end:], ",")
		}
	}
}

func hasDirective(lines []string, name string) bool {
	found := false
	directives(lines, func(n, _ string) bool {
		found = n == name
		return !found
	})
	return found
}

// directive is the number of seconds of a directive; one that is no number counts as 0, as in doubt nothing is stored.
func directive(lines []string, name string) (time.Duration, bool) {
	var d time.Duration
	found := false
	directives(lines, func(n, value string) bool {
		if found = n == name; found {
			if seconds, err := strconv.ParseInt(value, 10, 32); err == nil && seconds > 0 {
				d = time.Duration(seconds) * time.Second
			}
		}
		return !found
	})
	return d, found
}

// varies are the names of the request headers by which an answer differs.
func varies(h http.Header) []string {
	var names []string
	directives(h.Values("Vary"), func(name, _ string) bool {
		if name != "accept-encoding" { // Bodies are stored as PHP made them and compressed here.
			names = append(names, http.CanonicalHeaderKey(name))
		}
		return true
	})
	return names
}
