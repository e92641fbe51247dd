// Package cache is the page cache of the web tier: whole answers of PHP, kept in memory for seconds, so that a crowd costs one request.
//
// It is not a general proxy cache: it keeps nothing on disk, answers no ranges, and stores nothing that could belong to one visitor. It knows nothing of
// pools or FastCGI: a site gives it the handler that makes its pages.
//
// The one thing to know first: a request is looked up only when Rules find nothing personal in it, and an answer is stored only when the answer allows it.
// Both are pure functions (rules.go, freshness.go); when in doubt both say no.
package cache

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Options say what a Cache is made of.
type Options struct {
	// MaxBytes bounds what all entries take together, in bytes; the least recently used go first.
	MaxBytes int64
	// MaxObject is the largest body that is stored, in bytes.
	MaxObject int
	// Wait is how long a request waits for another one that makes the same page, before it asks PHP itself.
	Wait time.Duration
	// FillTime bounds a fill that no client waits for any more.
	FillTime time.Duration
	// PreferStale says that PHP's database is in trouble now: what is stale, and may be shown, is shown without asking PHP. Nil if never.
	PreferStale func() bool
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// refreshers is how many pages are made anew behind their visitors' backs at a time: the pools are there for visitors first.
const refreshers = 8

// uncacheable is how long a page that turned out not to be storable is remembered, so that its visitors do not wait for each other.
const uncacheable = 30 * time.Second

// Cache keeps the pages of all sites. All methods may be called from any goroutine.
type Cache struct {
	opts  Options
	count counters

	mu      sync.Mutex
	store   store
	flights map[string]*flight

	refreshing sync.WaitGroup
	slots      chan struct{}
	ctx        context.Context //nolint:containedctx // the cache's life, for fills that outlive their request
	end        context.CancelFunc
}

// New makes an empty cache.
func New(opts Options) *Cache {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.PreferStale == nil {
		opts.PreferStale = func() bool { return false }
	}
	c := &Cache{opts: opts, store: newStore(opts.MaxBytes), flights: map[string]*flight{}, slots: make(chan struct{}, refreshers)}
	c.ctx, c.end = context.WithCancel(context.Background())
	return c
}

// Close ends fills that go on in the background and returns when they have ended.
func (c *Cache) Close() {
	c.end()
	c.refreshing.Wait()
}

// Serve answers a request of a site from the cache, or by next, whose answer it stores if it may. It says which in the header X-Cache.
func (c *Cache) Serve(w http.ResponseWriter, r *http.Request, site Site, next http.Handler) {
	if why := site.Rules.bypass(r); why != "" {
		c.count.bypassed(site.Name, why)
		w.Header().Set(headerCache, "BYPASS")
		if changes(r.Method) {
			c.serveChange(w, r, site, next)
			return
		}
		next.ServeHTTP(w, r)
		return
	}
	q := request{site: site, key: site.key(r), r: r, next: next, tracked: tracked(r.URL.RawQuery)}
	e, at := c.lookup(q)
	if e != nil && !q.takes(e) {
		c.pass(w, q)
		return
	}
	switch c.judge(e, at) {
	case fresh:
		c.count.of(site.Name).hits.Add(1)
		e.serve(w, r, "HIT", at)
	case usable:
		c.count.of(site.Name).stale.Add(1)
		c.refresh(q)
		e.serve(w, r, "STALE", at)
	case gone, onError:
		c.miss(w, q, e)
	}
}

// request is a request that may be answered from the cache.
type request struct {
	site Site
	key  string
	r    *http.Request
	next http.Handler
	// tracked says that it has arguments that no page depends on.
	tracked bool
}

// takes says whether an answer is for this request, if it fits its headers: where it leads to another address, that is to have all the arguments.
func (q request) takes(e *entry) bool { return !q.tracked || e.status/100 != 3 } //nolint:mnd // redirects

// lookup finds the entry that fits the request's headers, or nil.
func (c *Cache) lookup(q request) (*entry, time.Time) {
	c.mu.Lock()
	e := c.store.get(q.key, q.r)
	c.mu.Unlock()
	return e, c.opts.Now()
}

// age is what an entry is good for.
type age int

const (
	gone    age = iota
	onError     // To be shown only in place of an error.
	usable      // To be shown while it is made anew.
	fresh
)

func (c *Cache) judge(e *entry, at time.Time) age {
	switch {
	case e == nil:
		return gone
	case at.Before(e.freshUntil):
		return fresh
	case at.Before(e.staleUntil), at.Before(e.errorUntil) && c.opts.PreferStale():
		return usable
	case at.Before(e.errorUntil):
		return onError
	default:
		return gone
	}
}

// serveChange passes a request on that may change something; if it succeeds, what is stored of its address is no longer true (RFC 9111, section 4.4).
func (c *Cache) serveChange(w http.ResponseWriter, r *http.Request, site Site, next http.Handler) {
	watched := &statusWriter{ResponseWriter: w}
	next.ServeHTTP(watched, r)
	if watched.status >= 200 && watched.status < 400 {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.forget(Purge{Site: site.Name, Host: canonicalHost(r.Host), Path: r.URL.Path})
	}
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter

	status int
}

// WriteHeader is http.ResponseWriter's.
func (w *statusWriter) WriteHeader(status int) {
	if status >= 200 && w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write is http.ResponseWriter's.
func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p) //nolint:wrapcheck // the writer's own error
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
