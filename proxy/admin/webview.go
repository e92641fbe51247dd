package admin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// How much of the web tier the page shows; the API has all.
const (
	shownSites = 12
	shownDots  = 80 // workers of one backend; more are drawn as a bar
)

// webView is the web tier on the page.
type webView struct {
	On          bool
	Listen      string
	Connections string
	TurnedAway  string // empty for none
	NoSite      string
	Pools       []fpmPoolView
	Sites       []siteView
	HiddenSites int
	Certs       []certView
	HiddenCerts int
}

// certView is a certificate: its hosts, and how long it is good or what is wrong.
type certView struct {
	Hosts, Text string
	Level       level
}

type fpmPoolView struct {
	Name     string
	Level    level
	Standing string // how many backends are used
	Figures  []figure
	Chart    chart
	Failures string
	Backends []backendView
}

type backendView struct {
	ID, Name, Source, State string
	Level                   level
	Reason, Text            string
	LastError               string
	Busy                    string // of its workers
	Dots                    []string
	Bar                     []barPart
	Legend                  string
	Requests, Load, Accept  string
	Others, Orphans         string // empty for none
	Queue                   string
	Weight, Share, Limit    string
	Served, Failed, Up      string
	Buttons                 []buttonView
}

// barPart is a part of a bar of 100.
type barPart struct {
	Class    string
	X, Width int
}

type siteView struct {
	ID, Name, Others, Pool string
	Level                  level
	Figures                []figure
	Chart                  chart
	Times                  string
	Cache                  string // empty for none
}

func newWebView(s Snapshot, h *history, buttons func(p *WebPool, b *WebBackend) []buttonView) webView {
	w := s.Web
	if w == nil {
		return webView{}
	}
	v := webView{On: true, Listen: listens(w), Connections: count(float64(w.Connections)) + " of " + count(float64(w.MaxConnections))}
	if w.TurnedAway > 0 {
		v.TurnedAway = count(float64(w.TurnedAway))
	}
	if w.NoSite > 0 {
		v.NoSite = count(float64(w.NoSite))
	}
	for i := range w.Pools {
		v.Pools = append(v.Pools, newFPMPoolView(s, &w.Pools[i], h, buttons))
	}
	for _, site := range busiest(w.Sites) {
		v.Sites = append(v.Sites, newSiteView(&site, h.web.site(site.Name)))
	}
	v.HiddenSites = len(w.Sites) - len(v.Sites)
	v.Certs = newCertViews(w.Certificates)
	v.HiddenCerts = len(w.Certificates) - len(v.Certs)
	return v
}

// newCertViews shows those first with which something is wrong.
func newCertViews(all []WebCertificate) []certView {
	order := slices.Clone(all)
	slices.SortStableFunc(order, func(a, b WebCertificate) int { return cmp.Compare(trouble(&a), trouble(&b)) })
	var out []certView
	for i := range order[:min(len(order), shownSites)] {
		c := &order[i]
		v := certView{Hosts: strings.Join(c.Hosts, ", "), Level: levelOK, Text: "until " + c.Until.UTC().Format("2006-01-02")}
		if v.Hosts == "" {
			v.Hosts = "all sites"
		}
		if c.Until.IsZero() {
			v.Text = "being asked for"
		}
		if c.Error != "" {
			v.Text, v.Level = c.Error, levelWarn
		}
		if c.Severe {
			v.Level = levelBad
		}
		if c.Source == "acme" {
			v.Text += " (ACME)"
		}
		out = append(out, v)
	}
	return out
}

// trouble sorts certificates.
func trouble(c *WebCertificate) int {
	switch {
	case c.Severe:
		return 0
	case c.Error != "":
		return 1
	}
	return 2 //nolint:mnd // the rest
}

// cacheWords are what the page cache did for a site.
func cacheWords(c *WebCache) string {
	if c == nil {
		return ""
	}
	asked := c.Hits + c.Stale + c.Made + c.Passed
	hits := none
	if asked > 0 {
		hits = percent(float64(c.Hits+c.Stale) / float64(asked))
	}
	text := fmt.Sprintf("Cache: %s from memory, %s stale, %s made, %s not looked up", hits, count(float64(c.Stale)), count(float64(c.Made)), count(float64(c.Skipped)))
	if c.Purged > 0 {
		text += ", " + count(float64(c.Purged)) + " purged"
	}
	return text + "; " + plural(int(c.Pages), "page") + " in " + bytesText(c.Bytes)
}

func listens(w *Web) string {
	var parts []string
	if w.HTTP != "" {
		parts = append(parts, "http "+w.HTTP)
	}
	if w.HTTPS != "" {
		parts = append(parts, "https "+w.HTTPS)
	}
	if w.HTTP3 {
		parts = append(parts, "HTTP/3")
	}
	return strings.Join(parts, ", ")
}

// busiest are the sites that are shown, in the order of the configuration.
func busiest(sites []WebSite) []WebSite {
	if len(sites) <= shownSites {
		return sites
	}
	order := make([]int, len(sites))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(sites[b].Answers.all(), sites[a].Answers.all()) })
	order = order[:shownSites]
	slices.Sort(order)
	out := make([]WebSite, 0, shownSites)
	for _, i := range order {
		out = append(out, sites[i])
	}
	return out
}

func newFPMPoolView(s Snapshot, p *WebPool, h *history, buttons func(p *WebPool, b *WebBackend) []buttonView) fpmPoolView {
	past := h.web.pool(p.Name)
	used, workers, busy := 0, int64(0), int64(0)
	v := fpmPoolView{Name: p.Name, Level: poolLevel(s, p)}
	for i := range p.Backends {
		b := &p.Backends[i]
		if b.State == BackendUp {
			used++
			workers += b.Workers
			busy += busyWorkers(b)
		}
		key := b.key(p)
		view := newBackendView(s, b, h.web.backend(key))
		view.ID, view.Buttons = key, buttons(p, b)
		v.Backends = append(v.Backends, view)
	}
	v.Standing = fmt.Sprintf("%d of %s in use", used, plural(len(p.Backends), "backend"))
	v.Figures = []figure{
		{"main", "requests a second", count(past.requests.last())},
		{"", "workers busy of " + count(float64(workers)), count(float64(busy))},
		{"waiting", "waiting", count(float64(p.Waiting))},
		{"", "wait for a worker", seconds(past.wait)},
		{"", "with a worker", seconds(p.Took.Seconds())},
	}
	if p.Waiting > 0 {
		v.Figures = append(v.Figures, figure{"", "longest wait", seconds(p.LongestWait.Seconds())})
	}
	waiting := past.waiting.series()
	queue := plot{
		label:  fmt.Sprintf("Requests that wait for a worker of %s over five minutes: now %d, highest %s", p.Name, p.Waiting, count(maxOf(waiting))),
		format: count, least: 10, lines: []plotLine{{"waiting", waiting, true}},
	}
	if maxOf(waiting)*2 > float64(p.QueueLength) {
		queue.limit = float64(p.QueueLength)
	}
	v.Chart = newChart(queue)
	v.Failures = failureWords(p.Failures)
	return v
}

// failureWords are requests without a whole answer: "12 queue full, 1 timeout".
func failureWords(failures []ReasonCount) string {
	parts := make([]string, 0, len(failures))
	for _, f := range failures {
		parts = append(parts, count(float64(f.Count))+" "+humanReason(f.Reason))
	}
	return strings.Join(parts, ", ")
}

// busyWorkers is how many of a backend's workers do something, by its status or by what galley knows.
func busyWorkers(b *WebBackend) int64 {
	if b.States == nil {
		return b.Running + b.Others
	}
	busy := int64(0)
	for _, s := range b.States {
		if s.State != WorkerIdle {
			busy += s.Count
		}
	}
	return busy
}

func newBackendView(s Snapshot, b *WebBackend, h *backendHistory) backendView {
	v := backendView{
		Name: b.Address, State: b.State, Level: backendLevel(b), Text: b.ReasonText, LastError: b.LastError,
		Requests: count(h.requests.last()), Load: count(b.Load), Accept: seconds(b.Accept.Seconds()), Queue: count(float64(b.ListenQueue)),
		Weight: count(float64(b.Weight)), Share: percent(b.Share), Served: count(float64(b.Served)), Failed: count(float64(b.Failed)), Up: none,
	}
	if b.Reason != reasonOK {
		v.Reason = humanReason(b.Reason)
	}
	if b.Source != b.Address {
		v.Source = b.Source
	}
	if b.Accept == 0 {
		v.Accept = none
	}
	if b.Limit > 0 {
		v.Limit = count(float64(b.Limit))
	}
	if b.Others > 0 {
		v.Others = count(float64(b.Others))
	}
	if b.Orphans > 0 {
		v.Orphans = count(float64(b.Orphans))
	}
	if !b.Started.IsZero() {
		v.Up = age(s.At.Sub(b.Started))
	}
	v.workers(b)
	return v
}

// workers draws them: a dot each, or a bar where there are many.
func (v *backendView) workers(b *WebBackend) {
	states := workerStates(b)
	total := int64(0)
	for _, s := range states {
		total += s.Count
	}
	if total == 0 {
		v.Busy, v.Legend = fmt.Sprintf("%d", b.Running), "how many it has is not known yet"
		return
	}
	v.Busy = fmt.Sprintf("%d of %d", busyWorkers(b), total)
	if b.State == BackendDown {
		v.Busy = none
	}
	words, x := make([]string, 0, len(states)), int64(0)
	for _, s := range states {
		if s.Count == 0 {
			continue
		}
		words = append(words, fmt.Sprintf("%d %s", s.Count, s.State))
		if total > shownDots {
			from, to := x*100/total, (x+s.Count)*100/total
			v.Bar = append(v.Bar, barPart{Class: s.State, X: int(from), Width: int(to - from)})
			x += s.Count
			continue
		}
		for range s.Count {
			v.Dots = append(v.Dots, s.State)
		}
	}
	v.Legend = strings.Join(words, ", ")
	if b.States == nil {
		v.Legend += " by what galley knows: set status_path for more"
	}
}

// workerStates are those of the status or, without one, what galley itself runs there.
func workerStates(b *WebBackend) []WorkerCount {
	if b.State == BackendDown {
		return []WorkerCount{{"lost", b.Workers}}
	}
	if b.States != nil {
		return b.States
	}
	busy := min(b.Running+b.Others, b.Workers)
	return []WorkerCount{{WorkerRunning, busy}, {WorkerIdle, b.Workers - busy}}
}

func newSiteView(site *WebSite, h *siteHistory) siteView {
	v := siteView{ID: site.Name, Name: siteTitle(site.Name), Pool: site.Pool, Level: levelOK}
	if n := len(site.Hosts); n > 1 {
		v.Others = strings.Join(site.Hosts[1:min(n, 4)], ", ")
		if n > 4 {
			v.Others += fmt.Sprintf(" and %d more", n-4)
		}
	}
	v.Figures = []figure{
		{"main", "requests a second", count(h.requests.last())},
		{"class-ok", "2xx", count(h.ok)},
		{"class-moved", "3xx", count(h.redirected)},
		{"class-refused", "4xx", count(h.clientErrors)},
		{"errors", "5xx", count(h.errors.last())},
	}
	if h.errors.last() > 0 {
		v.Level = levelBad
	}
	requests, errs := h.requests.series(), h.errors.series()
	v.Chart = newChart(plot{
		label:  fmt.Sprintf("Requests a second of %s over five minutes: highest %s, of them %s with 5xx", v.Name, count(maxOf(requests)), count(maxOf(errs))),
		format: count, least: 10, lines: []plotLine{{"reads", requests, true}, {"errors", errs, false}},
	})
	v.Times, v.Cache = siteTimes(site, h), cacheWords(site.Cache)
	return v
}

func siteTitle(name string) string {
	if name == "*" {
		return "any other host"
	}
	return name
}

// siteTimes are the percentiles and what is under way.
func siteTimes(site *WebSite, h *siteHistory) string {
	var parts []string
	if site.Pool != "" {
		parts = append(parts, fmt.Sprintf("PHP p50 %s, p99 %s", seconds(h.scriptP50), seconds(h.scriptP99)), fmt.Sprintf("%d running", max(site.Running-site.Waiting, 0)))
		if site.Waiting > 0 {
			parts = append(parts, fmt.Sprintf("%d waiting", site.Waiting))
		}
	}
	return strings.Join(append(parts, fmt.Sprintf("files p99 %s", seconds(h.fileP99))), " · ")
}
