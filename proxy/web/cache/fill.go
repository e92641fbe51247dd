package cache

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"
)

// flight is a page that is being made; done is closed when it is stored, or is known not to be storable.
type flight struct {
	done             chan struct{}
	site, host, path string
	outdated         bool // It was purged meanwhile. Guarded by the cache's mutex.
}

func (q request) flight() *flight {
	return &flight{done: make(chan struct{}), site: q.site.Name, host: canonicalHost(q.r.Host), path: q.r.URL.Path}
}

// pass has PHP answer a request as it is.
func (c *Cache) pass(w http.ResponseWriter, q request) {
	c.count.of(q.site.Name).passed.Add(1)
	w.Header().Set(headerCache, "MISS")
	q.next.ServeHTTP(w, q.r)
}

// miss answers a request for which nothing is stored, or only something to be shown in place of an error (e).
// Of several for the same page one asks PHP and the others wait for it.
func (c *Cache) miss(w http.ResponseWriter, q request, e *entry) {
	c.mu.Lock()
	// With other arguments besides those that are left out it may be the link of a letter, which works once: PHP gets it as it is.
	if q.r.Method != http.MethodGet || c.store.never(q.key, c.opts.Now()) || q.tracked && filterQuery(q.r.URL.RawQuery) != "" && e == nil {
		c.mu.Unlock()
		c.pass(w, q)
		return
	}
	f := c.flights[q.key]
	if f == nil {
		f = q.flight()
		c.flights[q.key] = f
		c.mu.Unlock()
		c.count.of(q.site.Name).misses.Add(1)
		c.fill(w, q, f, e)
		return
	}
	c.mu.Unlock()
	if c.await(q.r.Context(), f) {
		if made, at := c.lookup(q); c.judge(made, at) >= usable && q.takes(made) {
			c.count.of(q.site.Name).waited.Add(1)
			made.serve(w, q.r, "HIT", at)
			return
		}
	}
	if e != nil && e.errorUntil.After(c.opts.Now()) {
		c.count.of(q.site.Name).saved.Add(1)
		e.serve(w, q.r, "STALE", c.opts.Now())
		return
	}
	c.pass(w, q)
}

// await waits for another request's answer, as long as the client does and Options.Wait allows.
func (c *Cache) await(ctx context.Context, f *flight) bool {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Wait)
	defer cancel()
	select {
	case <-f.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// land ends a flight: whoever waits for it looks again.
func (c *Cache) land(key string, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flights[key] == f {
		delete(c.flights, key)
	}
	close(f.done)
}

// fill makes a page for a client who waits for it, and stores it if it may. The page is made to its end though its client goes, as others wait for it.
func (c *Cache) fill(w http.ResponseWriter, q request, f *flight, e *entry) {
	landed := false
	land := func() {
		if !landed {
			landed = true
			c.land(q.key, f)
		}
	}
	defer land()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.r.Context()), c.opts.FillTime)
	defer cancel()
	rec := &recorder{through: w, limit: c.opts.MaxObject, header: http.Header{}, giveUp: land}
	err := c.run(ctx, rec, q)
	if rec.passing {
		if err != nil {
			panic(http.ErrAbortHandler) // The client must see that its answer is not whole.
		}
		return
	}
	made, refused := c.keep(q, f, rec, err)
	land()
	failed := err != nil || rec.status >= http.StatusInternalServerError
	switch {
	case failed && e != nil && e.errorUntil.After(c.opts.Now()):
		c.count.of(q.site.Name).saved.Add(1)
		e.serve(w, q.r, "STALE", c.opts.Now())
	case err != nil:
		panic(http.ErrAbortHandler)
	case refused == NotHeader:
		c.count.refused(refused)
		c.pass(w, q)
	case q.tracked && rec.status/100 == 3: //nolint:mnd // redirects
		c.pass(w, q) // It was made without arguments that are to be in the address it leads to.
	case made != nil:
		made.serve(w, q.r, "MISS", c.opts.Now())
	default:
		c.count.refused(refused)
		w.Header().Set(headerCache, "MISS")
		rec.flushThrough()
	}
}

// errAborted is a handler that gave up in the middle of an answer.
var errAborted = errors.New("the answer was broken off")

// run asks the site for the page as for nobody: without cookies, conditions, codings, headers of which nobody knows what a script makes of them, and the arguments that
// are not in its key.
func (c *Cache) run(ctx context.Context, rec *recorder, q request) (err error) {
	r := q.r.Clone(ctx)
	for name := range r.Header {
		if !q.site.Rules.given(name) {
			delete(r.Header, name)
		}
	}
	if q.tracked {
		path := rawPath(r)
		r.URL.RawQuery = strings.Join(untracked(r.URL.RawQuery), "&")
		if r.RequestURI = path; r.URL.RawQuery != "" {
			r.RequestURI += "?" + r.URL.RawQuery
		}
	}
	defer func() {
		if caught := recover(); caught != nil {
			// In the background nobody would catch it: the page stays as it is, and its next visitor shows what is wrong.
			if caught != http.ErrAbortHandler && rec.through != nil { //nolint:errorlint,err113 // net/http compares it likewise
				panic(caught)
			}
			err = errAborted
		}
	}()
	q.next.ServeHTTP(rec, r)
	if rec.status == 0 {
		rec.WriteHeader(http.StatusOK)
	}
	return nil
}

// keep stores what was made, or remembers that it cannot be stored.
func (c *Cache) keep(q request, f *flight, rec *recorder, err error) (*entry, Refusal) {
	at := c.opts.Now()
	life, refused := q.site.Rules.storable(rec.status, rec.final, at)
	switch said := rec.final.Get("Content-Length"); {
	case err != nil, said != "" && said != strconv.Itoa(rec.body.Len()):
		refused = NotWhole
	case refused == "" && rec.status == http.StatusOK && rec.body.Len() < smallest && strings.HasPrefix(rec.final.Get("Content-Type"), "text/html"):
		refused = NotSize
	}
	if refused == "" && q.withheld(rec.final) {
		refused = NotHeader
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.outdated && refused == "" {
		return nil, NotCurrent
	}
	if refused != "" {
		if refused != NotWhole && rec.status < http.StatusInternalServerError {
			c.store.mark(q.key, at.Add(uncacheable))
		}
		return nil, refused
	}
	e := &entry{
		key: q.key, site: q.site.Name, host: canonicalHost(q.r.Host), path: q.r.URL.Path, made: at, age: saidAge(rec.final),
		freshUntil: at.Add(life.fresh), staleUntil: at.Add(life.stale), errorUntil: at.Add(max(life.onError, life.stale)),
		status: rec.status, header: rec.final, body: bytes.Clone(rec.body.Bytes()), vary: varies(rec.final), tags: tags(rec.final),
	}
	for _, name := range []string{"X-Accel-Expires", headerTags, "Content-Length", "Connection", "Age"} {
		e.header.Del(name)
	}
	if e.header.Get("Date") == "" {
		e.header.Set("Date", at.UTC().Format(http.TimeFormat))
	}
	for _, name := range e.vary {
		e.varied = append(e.varied, strings.Join(q.r.Header.Values(name), ","))
	}
	if e.size() > c.store.max {
		return nil, NotSize
	}
	c.store.put(e, q.r)
	return e, ""
}

// refresh makes a page anew in the background, unless somebody does already.
func (c *Cache) refresh(q request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil || c.flights[q.key] != nil || q.r.Method != http.MethodGet {
		return
	}
	select {
	case c.slots <- struct{}{}:
	default:
		return
	}
	f := q.flight()
	c.flights[q.key] = f
	q.r = q.r.Clone(context.WithoutCancel(q.r.Context()))
	c.refreshing.Go(func() { c.refreshNow(q, f) })
}

func (c *Cache) refreshNow(q request, f *flight) {
	defer func() { <-c.slots }()
	defer c.land(q.key, f)
	ctx, cancel := context.WithTimeout(q.r.Context(), c.opts.FillTime)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	rec := &recorder{limit: c.opts.MaxObject, header: http.Header{}}
	err := c.run(ctx, rec, q)
	if rec.dropped {
		err = errAborted
	}
	if _, refused := c.keep(q, f, rec, err); refused != "" {
		c.count.refused(refused)
	}
	c.count.of(q.site.Name).refreshed.Add(1)
}

// recorder takes an answer into memory. One that grows beyond the limit, or is flushed, goes through to its client from there on.
type recorder struct {
	through http.ResponseWriter // Nil in the background.
	giveUp  func()              // Called when the answer begins to go through.
	limit   int
	header  http.Header // The handler's.
	final   http.Header // As it was when the status was set.
	status  int
	body    bytes.Buffer
	passing bool // Goes through.
	dropped bool // Would go through if there were a client.
}

// Header is http.ResponseWriter's.
func (rec *recorder) Header() http.Header {
	if rec.passing {
		return rec.through.Header()
	}
	return rec.header
}

// WriteHeader is http.ResponseWriter's.
func (rec *recorder) WriteHeader(status int) {
	if status < 200 || rec.status != 0 {
		return
	}
	rec.status = status
	rec.final = rec.header.Clone()
}

// Write is http.ResponseWriter's.
func (rec *recorder) Write(p []byte) (int, error) {
	if rec.status == 0 {
		rec.WriteHeader(http.StatusOK)
	}
	if !rec.passing && !rec.dropped && rec.body.Len()+len(p) > rec.limit {
		rec.pass()
	}
	switch {
	case rec.passing:
		return rec.through.Write(p) //nolint:wrapcheck // the client's own error
	case rec.dropped:
		return len(p), nil
	}
	return rec.body.Write(p)
}

// FlushError is for http.ResponseController: what is flushed is a stream, and its client wants it now.
func (rec *recorder) FlushError() error {
	if !rec.passing && !rec.dropped {
		rec.pass()
	}
	if rec.dropped {
		return nil
	}
	return http.NewResponseController(rec.through).Flush() //nolint:wrapcheck // the client's own error
}

// Flush is http.Flusher's.
func (rec *recorder) Flush() { _ = rec.FlushError() }

func (rec *recorder) pass() {
	if rec.through == nil {
		rec.dropped = true
		return
	}
	rec.passing = true
	rec.giveUp()
	rec.through.Header().Set(headerCache, "MISS")
	rec.flushThrough()
}

// flushThrough gives the client what was recorded.
func (rec *recorder) flushThrough() {
	if rec.status == 0 {
		rec.WriteHeader(http.StatusOK)
	}
	maps.Copy(rec.through.Header(), rec.final)
	rec.through.Header().Del(headerTags)
	rec.through.WriteHeader(rec.status)
	_, _ = rec.through.Write(rec.body.Bytes()) // A client that is gone is not the cache's affair.
	rec.body = bytes.Buffer{}
}

// tags are the names under which an answer can be purged.
func tags(h http.Header) []string {
	var all []string
	for _, line := range h.Values(headerTags) {
		all = append(all, strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	return all
}
