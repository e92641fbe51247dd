package admin

import (
	"math"
	"time"
)

// The series of the web tier that are kept at most; what is beyond shows no graph and no rate.
const (
	maxSiteSeries    = 200
	maxBackendSeries = 200
)

// webHistory is the part of a history that is about sites, pools and backends.
type webHistory struct {
	sites    map[string]*siteHistory
	pools    map[string]*poolHistory
	backends map[string]*backendHistory
}

type siteHistory struct {
	requests, errors             *ring // a second
	p99                          *ring // of scripts, or of files where there are none; seconds
	ok, redirected, clientErrors float64
	fileP50, fileP99             float64
	scriptP50, scriptP99         float64
	fileWindow, scriptWindow     latencyWindow
	before                       WebAnswers
	missed                       int
}

type poolHistory struct {
	waiting, running *ring
	requests         *ring   // a second
	wait             float64 // mean of the last second, in seconds
	given            uint64
	waited           time.Duration
	missed           int
}

type backendHistory struct {
	requests *ring // answered a second
	running  *ring
	before   uint64
	missed   int
}

func newWebHistory() webHistory {
	return webHistory{sites: map[string]*siteHistory{}, pools: map[string]*poolHistory{}, backends: map[string]*backendHistory{}}
}

func newSiteHistory() *siteHistory {
	nan := math.NaN()
	return &siteHistory{
		requests: newRing(), errors: newRing(), p99: newRing(), ok: nan, redirected: nan, clientErrors: nan,
		fileP50: nan, fileP99: nan, scriptP50: nan, scriptP99: nan,
	}
}

func newPoolHistory() *poolHistory {
	return &poolHistory{waiting: newRing(), running: newRing(), requests: newRing(), wait: math.NaN()}
}

func newBackendHistory() *backendHistory {
	return &backendHistory{requests: newRing(), running: newRing()}
}

// site, pool and backend give what is known of one, or an empty history.
func (h *webHistory) site(name string) *siteHistory {
	if s := h.sites[name]; s != nil {
		return s
	}
	return newSiteHistory()
}

func (h *webHistory) pool(name string) *poolHistory {
	if p := h.pools[name]; p != nil {
		return p
	}
	return newPoolHistory()
}

func (h *webHistory) backend(key string) *backendHistory {
	if b := h.backends[key]; b != nil {
		return b
	}
	return newBackendHistory()
}

// add takes one sample, so many seconds after the one before; 0 for the first.
func (h *webHistory) add(w *Web, elapsed float64) {
	h.age()
	if w == nil {
		return
	}
	for i := range w.Sites {
		s := &w.Sites[i]
		past, since := h.sites[s.Name], elapsed
		if past == nil {
			if len(h.sites) >= maxSiteSeries {
				continue
			}
			past, since = newSiteHistory(), 0
			h.sites[s.Name] = past
		}
		past.add(s, since)
	}
	for i := range w.Pools {
		h.addPool(&w.Pools[i], elapsed)
	}
	h.forget()
}

func (h *webHistory) addPool(p *WebPool, elapsed float64) {
	past, since := h.pools[p.Name], elapsed
	if past == nil {
		past, since = newPoolHistory(), 0
		h.pools[p.Name] = past
	}
	past.missed = 0
	past.waiting.push(float64(p.Waiting))
	past.requests.push(rate(past.given, p.Given, since))
	past.wait = math.NaN()
	if since > 0 && p.Given > past.given && p.Waited >= past.waited {
		past.wait = (p.Waited - past.waited).Seconds() / float64(p.Given-past.given)
	}
	past.given, past.waited = p.Given, p.Waited
	running := int64(0)
	for i := range p.Backends {
		b := &p.Backends[i]
		running += b.Running
		key := b.key(p)
		old, since := h.backends[key], elapsed
		if old == nil {
			if len(h.backends) >= maxBackendSeries {
				continue
			}
			old, since = newBackendHistory(), 0
			h.backends[key] = old
		}
		old.missed = 0
		old.requests.push(rate(old.before, b.Served, since))
		old.running.push(float64(b.Running))
		old.before = b.Served
	}
	past.running.push(float64(running))
}

// add takes one sample of a site.
func (s *siteHistory) add(now *WebSite, elapsed float64) {
	s.missed = 0
	a, b := s.before, now.Answers
	s.requests.push(rate(a.all(), b.all(), elapsed))
	s.errors.push(rate(a.ServerErrors, b.ServerErrors, elapsed))
	s.ok, s.redirected = rate(a.OK, b.OK, elapsed), rate(a.Redirected, b.Redirected, elapsed)
	s.clientErrors = rate(a.ClientErrors, b.ClientErrors, elapsed)
	s.before = b
	s.fileP50, s.fileP99 = s.fileWindow.add(now.Files)
	s.scriptP50, s.scriptP99 = s.scriptWindow.add(now.Scripts)
	p99 := s.scriptP99
	if now.Pool == "" {
		p99 = s.fileP99
	}
	s.p99.push(p99)
}

// rings are all of them.
func (h *webHistory) rings() []*ring {
	var out []*ring
	for _, s := range h.sites {
		out = append(out, s.requests, s.errors, s.p99)
	}
	for _, p := range h.pools {
		out = append(out, p.waiting, p.running, p.requests)
	}
	for _, b := range h.backends {
		out = append(out, b.requests, b.running)
	}
	return out
}

// age notes for each that it has not been seen in this sample, until it is.
func (h *webHistory) age() {
	for _, s := range h.sites {
		s.missed++
	}
	for _, p := range h.pools {
		p.missed++
	}
	for _, b := range h.backends {
		b.missed++
	}
}

// forget leaves a gap for those that were not seen, and drops those whose graphs are empty.
func (h *webHistory) forget() {
	gap := func(missed int, rings ...*ring) bool {
		if missed > 0 {
			for _, r := range rings {
				r.skip(1)
			}
		}
		return missed >= historyLen
	}
	for name, s := range h.sites {
		if gap(s.missed, s.requests, s.errors, s.p99) {
			delete(h.sites, name)
		}
	}
	for name, p := range h.pools {
		if gap(p.missed, p.waiting, p.running, p.requests) {
			delete(h.pools, name)
		}
	}
	for key, b := range h.backends {
		if gap(b.missed, b.requests, b.running) {
			delete(h.backends, key)
		}
	}
}
