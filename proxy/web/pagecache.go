package web

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"galley/config"
	"galley/proxy/web/cache"
)

const (
	// cachedObject is the largest page that is kept: larger ones are downloads.
	cachedObject = 2 << 20
	// cacheWait is how long a request waits for another one that makes the same page; nginx's fastcgi_cache_lock_timeout.
	cacheWait = 5 * time.Second
	// cacheFill bounds a page that is made though its client has gone.
	cacheFill = time.Minute
)

// newPageCache makes the page cache of all sites.
func newPageCache(c *config.Web, trouble func() bool) *cache.Cache {
	return cache.New(cache.Options{MaxBytes: int64(c.PageCache), MaxObject: cachedObject, Wait: cacheWait, FillTime: cacheFill, PreferStale: trouble})
}

// cacheRules are what a site's configuration says of its pages.
func cacheRules(c *config.Site) cache.Rules {
	return cache.Rules{
		WordPress: c.Preset == config.PresetWordPress, TTL: c.Cache, StaleWhileRevalidate: c.CacheStale, StaleIfError: c.CacheStaleIfError,
		IgnoreCookies: c.CacheIgnoreCookies, BypassPaths: c.CacheBypassPaths, ByDevice: c.CacheByDevice,
	}
}

// runScript has a script answer, or the page cache in its place where the site has one.
func (s *Server) runScript(w http.ResponseWriter, r *http.Request, v *visit) {
	next := &script{s: s, v: v, use: s.settings()}
	if v.host.conf.Cache == 0 {
		next.ServeHTTP(w, r)
		return
	}
	s.pages.Serve(w, r, v.cacheSite(r), next)
}

// cacheSite is what the page cache knows of a request besides itself.
func (v *visit) cacheSite(r *http.Request) cache.Site {
	return cache.Site{Name: v.host.name, Rules: v.host.cached, Secure: v.secure, Told: v.told(r)}
}

// told is what scripts learn of the address by which a client came, besides the host: see forwarded.
func (v *visit) told(r *http.Request) string {
	host, port := lastOf(r.Header.Values("X-Forwarded-Host")), lastOf(r.Header.Values("X-Forwarded-Port"))
	if !v.trusted || host+port == "" {
		return ""
	}
	return host + " " + port
}

// purges answers a request to forget pages: PURGE by anybody, so that it never reaches a script; GET /purge/… by those who may.
func (s *Server) purges(w *writer, r *http.Request, v *visit, use *settings) bool {
	if v.host.conf.Cache == 0 {
		return false
	}
	p, ok := cache.AsPurge(r, v.host.name)
	if !ok {
		return false
	}
	client, err := netip.ParseAddr(v.remote)
	switch {
	case err == nil && (client.IsLoopback() || within(client, use.conf.PurgeNetworks)):
		s.pages.ServePurge(w, p)
	case r.Method == cache.MethodPurge:
		s.fail(w, r, v, http.StatusForbidden, reasonPurge)
	default:
		return false
	}
	return true
}

// cacheMetrics shows what the page cache does.
type cacheMetrics struct {
	pages   *cache.Cache
	answers *prometheus.Desc
	skipped *prometheus.Desc
	refused *prometheus.Desc
	purged  *prometheus.Desc
	entries *prometheus.Desc
	bytes   *prometheus.Desc
}

func newCacheMetrics(pages *cache.Cache) *cacheMetrics {
	return &cacheMetrics{
		pages:   pages,
		answers: prometheus.NewDesc("galley_web_cache_answers_total", "Requests that the page cache looked up, by what came of it (hit, waited, stale, saved: stale in place of an error, miss, passed, refreshed: in the background).", []string{"result"}, nil),
		skipped: prometheus.NewDesc("galley_web_cache_bypassed_total", "Requests that were not looked up, by reason.", []string{"reason"}, nil),
		refused: prometheus.NewDesc("galley_web_cache_not_stored_total", "Answers that were not stored, by reason.", []string{"reason"}, nil),
		purged:  prometheus.NewDesc("galley_web_cache_purged_total", "Answers that were forgotten because somebody said so.", nil, nil),
		entries: prometheus.NewDesc("galley_web_cache_pages", "Answers that are stored.", nil, nil),
		bytes:   prometheus.NewDesc("galley_web_cache_bytes", "Memory that they take.", nil, nil),
	}
}

// Describe is prometheus.Collector's.
func (m *cacheMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.answers, m.skipped, m.refused, m.purged, m.entries, m.bytes} {
		to <- d
	}
}

// Collect is prometheus.Collector's.
func (m *cacheMetrics) Collect(to chan<- prometheus.Metric) {
	st := m.pages.Stats()
	count := func(d *prometheus.Desc, n int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for result, n := range map[string]int64{
		"hit": st.Hits, "waited": st.Waited, "stale": st.Stale, "saved": st.Saved, "miss": st.Misses, "passed": st.Passed, "refreshed": st.Refreshed,
	} {
		count(m.answers, n, result)
	}
	for why, n := range st.Bypassed {
		count(m.skipped, n, string(why))
	}
	for why, n := range st.Refused {
		count(m.refused, n, string(why))
	}
	count(m.purged, st.Purged)
	to <- prometheus.MustNewConstMetric(m.entries, prometheus.GaugeValue, float64(st.Entries))
	to <- prometheus.MustNewConstMetric(m.bytes, prometheus.GaugeValue, float64(st.Bytes))
}
