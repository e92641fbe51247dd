package cache

import (
	"container/list"
	"net/http"
	"time"
)

// maxVariants is how many answers of one page are kept that differ by request headers.
const maxVariants = 8

// store is the entries by key, and in the order of their use. It is not for several goroutines at once.
type store struct {
	max, size int64
	pages     map[string]*page
	used      *list.List // Of *list elements' entries, the least recently used last.
	held      map[string]*held
}

// held is what is stored of a site.
type held struct {
	entries int
	size    int64
}

// count adds to what is stored of a site.
func (s *store) count(site string, entries int, size int64) {
	h := s.held[site]
	if h == nil {
		h = &held{}
		s.held[site] = h
	}
	h.entries += entries
	h.size += size
	s.size += size
}

// page is what is known under a key: its answers, or that it cannot be stored until then.
type page struct {
	entries []*list.Element
	never   time.Time
	empty   *list.Element // Its place in the order while it has no entries.
}

func newStore(limit int64) store {
	return store{max: limit, pages: map[string]*page{}, used: list.New(), held: map[string]*held{}}
}

// get finds the answer for a request and counts it as used.
func (s *store) get(key string, r *http.Request) *entry {
	p := s.pages[key]
	if p == nil {
		return nil
	}
	for _, el := range p.entries {
		if e := el.Value.(*entry); e.fits(r.Header) { //nolint:forcetypeassert // entries only
			s.used.MoveToFront(el)
			return e
		}
	}
	return nil
}

// put adds an answer in place of the one for the same request headers, and drops what is used least.
func (s *store) put(e *entry, r *http.Request) {
	p := s.page(e.key)
	p.never = time.Time{}
	for _, el := range p.entries {
		if old := el.Value.(*entry); old.fits(r.Header) || len(p.entries) >= maxVariants { //nolint:forcetypeassert // entries only
			s.drop(el)
			break
		}
	}
	p = s.page(e.key)
	s.unmark(p)
	p.entries = append(p.entries, s.used.PushFront(e))
	s.count(e.site, 1, e.size())
	for s.size > s.max {
		s.drop(s.used.Back())
	}
}

// mark remembers that a page cannot be stored.
func (s *store) mark(key string, until time.Time) {
	p := s.page(key)
	for len(p.entries) > 0 {
		s.drop(p.entries[0])
	}
	p = s.page(key)
	p.never = until
	if p.empty == nil {
		p.empty = s.used.PushFront(key)
		s.size += marked(key)
	}
	for s.size > s.max {
		s.drop(s.used.Back())
	}
}

// never says whether a page is known not to be storable.
func (s *store) never(key string, at time.Time) bool {
	p := s.pages[key]
	return p != nil && at.Before(p.never)
}

func (s *store) page(key string) *page {
	p := s.pages[key]
	if p == nil {
		p = &page{}
		s.pages[key] = p
	}
	return p
}

func marked(key string) int64 { return int64(len(key)) + overhead/4 }

func (s *store) unmark(p *page) {
	if p.empty != nil {
		s.size -= marked(s.used.Remove(p.empty).(string)) //nolint:forcetypeassert // its key
		p.empty = nil
	}
}

// drop takes one out of the store, and its page if that has nothing more.
func (s *store) drop(el *list.Element) {
	switch v := s.used.Remove(el).(type) {
	case string:
		s.size -= marked(v)
		delete(s.pages, v)
	case *entry:
		s.count(v.site, -1, -v.size())
		p := s.pages[v.key]
		for i, one := range p.entries {
			if one == el {
				p.entries = append(p.entries[:i:i], p.entries[i+1:]...)
				break
			}
		}
		if len(p.entries) == 0 && p.empty == nil {
			delete(s.pages, v.key)
		}
	}
}

// purge drops what f says and gives how many these were.
func (s *store) purge(f func(e *entry) bool) int {
	n := 0
	for el := s.used.Front(); el != nil; {
		next := el.Next()
		if e, ok := el.Value.(*entry); ok && f(e) {
			s.drop(el)
			n++
		}
		el = next
	}
	return n
}

// entries is how many answers are stored.
func (s *store) entries() int {
	n := 0
	for _, p := range s.pages {
		n += len(p.entries)
	}
	return n
}
