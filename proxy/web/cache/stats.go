package cache

import (
	"maps"
	"sync"
	"sync/atomic"
)

// counters are what happened since the cache was made.
type counters struct {
	sites sync.Map // *siteCounters by the name of the site.

	mu       sync.Mutex
	bypasses map[Bypass]int64
	refusals map[Refusal]int64
}

// siteCounters are those of one site.
type siteCounters struct {
	hits, stale, waited, misses, passed, saved, refreshed, bypassed, purged atomic.Int64
}

// of gives the counters of a site.
func (c *counters) of(site string) *siteCounters {
	n, ok := c.sites.Load(site)
	if !ok {
		n, _ = c.sites.LoadOrStore(site, &siteCounters{})
	}
	return n.(*siteCounters) //nolint:forcetypeassert // nothing else is in it
}

func (c *counters) bypassed(site string, why Bypass) {
	c.of(site).bypassed.Add(1)
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

// SiteStats is what the cache has done for a site, and what it holds of it.
type SiteStats struct {
	Hits      int64 // Fresh.
	Stale     int64 // Shown while made anew.
	Waited    int64 // Answered by what another request had made.
	Misses    int64 // Made for the client.
	Passed    int64 // Known not to be storable, or waited too long.
	Saved     int64 // Stale in place of an error.
	Refreshed int64 // Made in the background.
	Skipped   int64 // Not looked up.
	Purged    int64
	Entries   int
	Bytes     int64 // Without the memory of pages that cannot be stored.
}

func (c *siteCounters) stats() SiteStats {
	return SiteStats{
		Hits: c.hits.Load(), Stale: c.stale.Load(), Waited: c.waited.Load(), Misses: c.misses.Load(), Passed: c.passed.Load(), Saved: c.saved.Load(), Refreshed: c.refreshed.Load(),
		Skipped: c.bypassed.Load(), Purged: c.purged.Load(),
	}
}

// Stats is what a cache has done and what it holds, of all sites.
type Stats struct {
	SiteStats

	Bypassed map[Bypass]int64
	Refused  map[Refusal]int64
	MaxBytes int64
}

// Stats gives the present figures.
func (c *Cache) Stats() Stats {
	s := Stats{MaxBytes: c.opts.MaxBytes}
	c.count.sites.Range(func(_, n any) bool {
		s.SiteStats.add(n.(*siteCounters).stats()) //nolint:forcetypeassert // nothing else is in it
		return true
	})
	c.count.mu.Lock()
	s.Bypassed, s.Refused = maps.Clone(c.count.bypasses), maps.Clone(c.count.refusals)
	c.count.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Entries, s.Bytes = c.store.entries(), c.store.size
	return s
}

// SiteStats gives the present figures of a site.
func (c *Cache) SiteStats(site string) SiteStats {
	s := c.count.of(site).stats()
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.store.held[site]; h != nil {
		s.Entries, s.Bytes = h.entries, h.size
	}
	return s
}

func (s *SiteStats) add(o SiteStats) {
	s.Hits += o.Hits
	s.Stale += o.Stale
	s.Waited += o.Waited
	s.Misses += o.Misses
	s.Passed += o.Passed
	s.Saved += o.Saved
	s.Refreshed += o.Refreshed
	s.Skipped += o.Skipped
	s.Purged += o.Purged
}
