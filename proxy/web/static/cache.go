package static

import (
	"sync"
	"sync/atomic"
	"time"

	"galley/proxy/web/site"
)

// Cache is what is known of paths, and the content of small files, within a bound of bytes. What was not asked for since the hand last came by goes first.
// Nil is a cache that keeps nothing. Its methods may be called from any goroutine.
type Cache struct {
	limit int64

	mu      sync.RWMutex
	entries map[key]*entry
	ring    []*entry // All entries, in the order of the hand; nil where one is gone.
	hand    int
	bytes   int64
}

type key struct {
	root *Root
	path string
}

// entry is what is known of a path. All but its atomics stays as it is: another content is another entry.
type entry struct {
	key   key
	kind  site.Kind
	stamp stamp
	body  *body // Nil where only the kind is known, or the file is large.

	checked atomic.Int64 // When it was last looked at, in nanoseconds.
	used    atomic.Bool
	slot    int
	cost    int64
}

// overhead is about what an entry costs without content.
const overhead = 512

// NewCache makes a cache of so many bytes; nil for none.
func NewCache(limit int64) *Cache {
	if limit <= 0 {
		return nil
	}
	return &Cache{limit: limit, entries: map[key]*entry{}}
}

func (e *entry) fresh(now time.Time) bool { return now.UnixNano()-e.checked.Load() < int64(believed) }

func (c *Cache) get(root *Root, path string) *entry {
	if c == nil {
		return nil
	}
	c.mu.RLock()
	e := c.entries[key{root, path}]
	c.mu.RUnlock()
	if e != nil && !e.used.Load() {
		e.used.Store(true)
	}
	return e
}

// put takes an entry in, if it is no more than a small part of the whole.
func (c *Cache) put(root *Root, path string, e *entry, now time.Time) {
	e.key = key{root, path}
	e.checked.Store(now.UnixNano())
	e.cost = overhead + int64(len(path)) + e.body.cost()
	if c == nil || e.cost > c.limit/16 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.entries[e.key]; old != nil {
		c.remove(old)
	}
	for c.bytes+e.cost > c.limit {
		c.evict()
	}
	c.bytes += e.cost
	c.entries[e.key] = e
	e.slot = len(c.ring)
	c.ring = append(c.ring, e)
}

// evict moves the hand to the first entry that was not asked for. The ring is put together anew when the hand has come round.
func (c *Cache) evict() {
	for {
		if c.hand >= len(c.ring) {
			kept := c.ring[:0]
			for _, e := range c.ring {
				if e != nil {
					e.slot = len(kept)
					kept = append(kept, e)
				}
			}
			clear(c.ring[len(kept):])
			c.ring, c.hand = kept, 0
		}
		e := c.ring[c.hand]
		c.hand++
		if e != nil && !e.used.Swap(false) {
			c.remove(e)
			return
		}
	}
}

func (c *Cache) remove(e *entry) {
	c.ring[e.slot] = nil
	c.bytes -= e.cost
	delete(c.entries, e.key)
}

func (c *Cache) drop(root *Root, path string) {
	if c == nil {
		return
	}
	c.mu.RLock()
	known := c.entries[key{root, path}] != nil
	c.mu.RUnlock()
	if !known {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key{root, path}]; e != nil {
		c.remove(e)
	}
}

// Forget drops all that is known of a root which is not used any more.
func (c *Cache) Forget(root *Root) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, e := range c.entries {
		if k.root == root {
			c.remove(e)
		}
	}
}

// Bytes is how much the cache holds.
func (c *Cache) Bytes() int64 {
	if c == nil {
		return 0
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.bytes
}
