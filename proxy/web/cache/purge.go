package cache

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// MethodPurge is the method by which caches are told to forget a page.
const MethodPurge = "PURGE"

// Purge says what to forget of a site: pages by path, of all arguments, or all whose paths begin with it; and pages by tag.
type Purge struct {
	Site   string
	Host   string // Of all hosts if empty.
	Path   string
	Prefix bool
	Tags   []string
}

// Purge forgets pages and gives how many answers these were.
func (c *Cache) Purge(p Purge) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.forget(p)
	c.count.of(p.Site).purged.Add(int64(n))
	return n
}

// forget drops what p says, and has what is being made not be stored: it may show what was before. The caller holds mu.
func (c *Cache) forget(p Purge) int {
	for key, f := range c.flights {
		if p.site(f.site, f.host) && (len(p.Tags) > 0 || p.at(f.path)) { // Its tags are not known yet.
			f.outdated = true
			delete(c.flights, key)
		}
	}
	return c.store.purge(p.hits)
}

func (p Purge) hits(e *entry) bool {
	switch {
	case !p.site(e.site, e.host):
		return false
	case len(p.Tags) > 0:
		return slices.ContainsFunc(p.Tags, func(tag string) bool { return slices.Contains(e.tags, tag) })
	}
	return p.at(e.path)
}

func (p Purge) site(name, host string) bool {
	return p.Site == name && (p.Host == "" || p.Host == host)
}

// at compares paths in their canonical form: a page is forgotten under each of its names.
func (p Purge) at(path string) bool {
	wanted, path := behindScript(canonicalPath(p.Path)), behindScript(canonicalPath(path))
	return path == wanted || p.Prefix && strings.HasPrefix(path, wanted)
}

// AsPurge reads a request to purge: PURGE /path, PURGE /path/* for all below it, PURGE with X-Cache-Tags; and GET /purge/path, as WordPress's nginx-helper sends it.
// Whether its sender may do that is the caller's to say.
func AsPurge(r *http.Request, site string) (Purge, bool) {
	p := Purge{Site: site, Host: canonicalHost(r.Host), Path: r.URL.Path}
	switch {
	case r.Method == MethodPurge:
		p.Tags = tags(r.Header)
	case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/purge/"):
		p.Path = strings.TrimPrefix(r.URL.Path, "/purge")
	default:
		return Purge{}, false
	}
	if before, found := strings.CutSuffix(p.Path, "*"); found {
		p.Path, p.Prefix = before, true
	}
	return p, true
}

// ServePurge purges and says how many answers these were; 404 if none, so that scripts can see it.
func (c *Cache) ServePurge(w http.ResponseWriter, p Purge) {
	n := c.Purge(p)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if n == 0 {
		w.WriteHeader(http.StatusNotFound)
	}
	_, _ = fmt.Fprintf(w, "%d purged\n", n)
}
