package cache

import (
	"maps"
	"sync"
	"sync/atomic"
)

// counters are what happened since the cache was made.
type counters struct {
	hits, stale, waited, misses, passed, saved, refreshed, purged atomic.Int64

	mu       sync.Mutex
	bypasses map[Bypass]int64
	refusals map[Refusal]int64
}

func (c *counters) bypassed(why Bypass) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bypasses == nil {
		c.bypasses = map[Bypass]int64{}
	}
	c.bypasses[why]++
}

func (c *counters) refused(why Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refusals == nil {
		c.refusals = map[Refusal]int64{}
	}
	c.refusals[why]++
}

// Stats is what a cache has done and what it holds.
type Stats struct {
	Hits      int64 // Fresh.
	Stale     int64 // Shown while made anew.
	Waited    int64 // Answered by what another request had made.
	Misses    int64 // Made for the client.
	Passed    int64 // Known not to be storable, or waited too long.
	Saved     int64 // Stale in place of an error.
	Refreshed int64 // Made in the background.
	Purged    int64
	Bypassed  map[Bypass]int64
	Refused   map[Refusal]int64
	Entries   int
	Bytes     int64
	MaxBytes  int64
}

// Stats gives the present figures.
func (c *Cache) Stats() Stats {
	s := Stats{
		Hits: c.count.hits.Load(), Stale: c.count.stale.Load(), Waited: c.count.waited.Load(), Misses: c.count.misses.Load(), Passed: c.count.passed.Load(),
		Saved: c.count.saved.Load(), Refreshed: c.count.refreshed.Load(), Purged: c.count.purged.Load(), MaxBytes: c.opts.MaxBytes,
	}
	c.count.mu.Lock()
	s.Bypassed, s.Refused = maps.Clone(c.count.bypasses), maps.Clone(c.count.refusals)
	c.count.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Entries, s.Bytes = c.store.entries(), c.store.size
	return s
}
