package web

import (
	"slices"
	"sync/atomic"
	"time"

	"galley/config"
	"galley/proxy/web/cache"
	"galley/proxy/web/certs"
)

// Snapshot is the server as it is at one moment, for the status page.
type Snapshot struct {
	// Connections are those of clients now, Refused how many were turned away because there were so many.
	Connections, MaxConnections int64
	Refused                     int64
	// Unknown is how many requests belonged to no site.
	Unknown int64
	Sites   []SiteSnapshot
	// HTTP3 says that it is served at the address of HTTPS.
	HTTP3        bool
	Certificates []certs.Certificate
}

// SiteSnapshot is one site. What is counted is so since galley started.
type SiteSnapshot struct {
	Name  string
	Hosts []string
	// Pool is empty for a site without scripts.
	Pool, Root string
	WordPress  bool
	// Running is scripts under way, with those that wait for a worker.
	Running int64
	// Classes are answers by class of status: the fifth is 5xx, the first none.
	Classes [6]int64
	Bytes   int64
	// Cache is nil for a site without a page cache.
	Cache *cache.SiteStats
	// NoRoot says that Root could not be opened when it was last asked for: its files and scripts are answered with 404.
	NoRoot bool
	// Files and Scripts are times from a request's header to the end of its answer.
	Files, Scripts []Step
}

// Step is one step of a cumulative histogram: how many took Bound at most. The last has a Bound of 0, for all.
type Step struct {
	Bound time.Duration
	Count int64
}

// Snapshot gives the server as it is. It costs a few hundred loads.
func (s *Server) Snapshot() Snapshot {
	use := s.settings()
	out := Snapshot{
		Connections: s.open.Load(), MaxConnections: int64(use.conf.MaxConnections), Refused: s.metrics.turnedAway.Load(), Unknown: s.metrics.unknown.Load(),
		Sites: make([]SiteSnapshot, 0, len(use.all)),
	}
	out.HTTP3 = s.quic != nil
	if use.conf.TLS.Listen != "" {
		out.Certificates = s.certs.Snapshot(time.Now())
	}
	for _, h := range use.all {
		c := h.count
		site := SiteSnapshot{
			Name: h.name, Hosts: slices.Clone(h.conf.Hosts), Pool: h.conf.Pool, Root: h.conf.Root, WordPress: h.conf.Preset == config.PresetWordPress,
			Running: c.running.Load(), Bytes: c.sent.Load(), Files: c.fileTimes.steps(), Scripts: c.scriptTimes.steps(),
		}
		site.NoRoot = h.root != nil && h.root.Missing()
		for i := range c.totals {
			site.Classes[i] = c.totals[i].Load()
		}
		if h.conf.Cache != 0 {
			pages := s.pages.SiteStats(h.name)
			site.Cache = &pages
		}
		out.Sites = append(out.Sites, site)
	}
	return out
}

// bounds are the steps in which times are counted, in seconds: from a file in memory to a script that exports a shop.
func bounds() [16]float64 {
	return [...]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
}

// times counts requests by how long they took; the last is of those beyond all bounds.
type times [17]atomic.Int64

// add counts one that took so many seconds.
func (t *times) add(seconds float64) {
	all := bounds()
	i := 0
	for i < len(all) && seconds > all[i] {
		i++
	}
	t[i].Add(1)
}

// steps sums the counts up.
func (t *times) steps() []Step {
	out := make([]Step, len(t))
	sum := int64(0)
	for i, bound := range bounds() {
		sum += t[i].Load()
		out[i] = Step{Bound: time.Duration(bound * float64(time.Second)), Count: sum}
	}
	last := len(t) - 1
	out[last].Count = sum + t[last].Load()
	return out
}
