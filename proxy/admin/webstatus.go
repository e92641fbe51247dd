package admin

import "time"

type webDoc struct {
	HTTP           string       `json:"http"`
	HTTPS          string       `json:"https"`
	Connections    int64        `json:"connections"`
	MaxConnections int64        `json:"max_connections"`
	TurnedAway     uint64       `json:"connections_turned_away_total"`
	NoSite         uint64       `json:"no_site_total"`
	Database       string       `json:"database_trouble"`
	Sites          []siteDoc    `json:"sites"`
	Pools          []fpmPoolDoc `json:"pools"`
	HTTP3          bool         `json:"http3"`
	Certificates   []certDoc    `json:"certificates"`
}

type certDoc struct {
	Site   string     `json:"site"`
	Hosts  []string   `json:"hosts"`
	Source string     `json:"source"`
	Until  *time.Time `json:"until"`
	Error  string     `json:"error"`
	Severe bool       `json:"severe"`
}

type cacheDoc struct {
	Hits    uint64 `json:"hits_total"`
	Stale   uint64 `json:"stale_total"`
	Made    uint64 `json:"made_total"`
	Passed  uint64 `json:"passed_total"`
	Skipped uint64 `json:"skipped_total"`
	Purged  uint64 `json:"purged_total"`
	Pages   int64  `json:"pages"`
	Bytes   int64  `json:"bytes"`
}

type siteDoc struct {
	Name      string      `json:"name"`
	Hosts     []string    `json:"hosts"`
	Pool      string      `json:"pool"`
	Root      string      `json:"root"`
	WordPress bool        `json:"wordpress"`
	Running   int64       `json:"running"`
	Waiting   int64       `json:"waiting"`
	Answers   answersDoc  `json:"answers_total"`
	Rates     siteRateDoc `json:"rates"`
	SentBytes uint64      `json:"sent_bytes_total"`
	Latency   siteTimeDoc `json:"latency"`
	Cache     *cacheDoc   `json:"cache"`
}

type answersDoc struct {
	Informed     uint64 `json:"1xx"`
	OK           uint64 `json:"2xx"`
	Redirected   uint64 `json:"3xx"`
	ClientErrors uint64 `json:"4xx"`
	ServerErrors uint64 `json:"5xx"`
}

// siteRateDoc holds the last second's figures; null before there were two samples.
type siteRateDoc struct {
	Requests     *float64 `json:"requests_per_second"`
	OK           *float64 `json:"2xx_per_second"`
	Redirected   *float64 `json:"3xx_per_second"`
	ClientErrors *float64 `json:"4xx_per_second"`
	ServerErrors *float64 `json:"5xx_per_second"`
}

type siteTimeDoc struct {
	FileP50   *float64 `json:"files_p50_seconds"`
	FileP99   *float64 `json:"files_p99_seconds"`
	ScriptP50 *float64 `json:"scripts_p50_seconds"`
	ScriptP99 *float64 `json:"scripts_p99_seconds"`
}

type fpmPoolDoc struct {
	Name        string          `json:"name"`
	Waiting     int64           `json:"waiting"`
	LongestWait float64         `json:"longest_wait_seconds"`
	QueueLength int64           `json:"queue_length"`
	QueueTime   float64         `json:"queue_time_seconds"`
	MeanWait    *float64        `json:"mean_wait_seconds"`
	Requests    *float64        `json:"requests_per_second"`
	Took        float64         `json:"request_seconds"`
	Given       uint64          `json:"workers_given_total"`
	Waited      float64         `json:"wait_seconds_total"`
	Failures    []reasonDoc     `json:"failures_total"`
	LastRefused *time.Time      `json:"last_refused_at"`
	Unresolved  []unresolvedDoc `json:"unresolved"`
	Backends    []backendDoc    `json:"backends"`
}

type reasonDoc struct {
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
}

type unresolvedDoc struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

type backendDoc struct {
	ID          string           `json:"id"`
	Address     string           `json:"address"`
	Source      string           `json:"source"`
	State       string           `json:"state"`
	Reason      string           `json:"reason"`
	ReasonText  string           `json:"reason_text"`
	LastError   string           `json:"last_error"`
	Weight      int64            `json:"weight"`
	Limit       int64            `json:"limit"`
	Share       float64          `json:"share"`
	Running     int64            `json:"running"`
	Asking      int64            `json:"asking"`
	Orphans     int64            `json:"orphans"`
	Others      int64            `json:"others"`
	Load        float64          `json:"load"`
	Workers     int64            `json:"workers"`
	States      map[string]int64 `json:"worker_states"`
	ListenQueue int64            `json:"listen_queue"`
	Started     *time.Time       `json:"started_at"`
	Accept      float64          `json:"accept_p95_seconds"`
	Served      uint64           `json:"served_total"`
	Failed      uint64           `json:"failed_total"`
	Requests    *float64         `json:"requests_per_second"`
}

// newWebDoc gives null where there is no front door for browsers.
func newWebDoc(w *Web, h *history) *webDoc {
	if w == nil {
		return nil
	}
	doc := &webDoc{
		HTTP: w.HTTP, HTTPS: w.HTTPS, Connections: w.Connections, MaxConnections: w.MaxConnections, TurnedAway: w.TurnedAway, NoSite: w.NoSite, Database: w.Database,
		Sites: make([]siteDoc, 0, len(w.Sites)), Pools: make([]fpmPoolDoc, 0, len(w.Pools)),
		HTTP3: w.HTTP3, Certificates: make([]certDoc, 0, len(w.Certificates)),
	}
	for i := range w.Certificates {
		c := &w.Certificates[i]
		doc.Certificates = append(doc.Certificates, certDoc{Site: c.Site, Hosts: append([]string{}, c.Hosts...), Source: c.Source, Until: orNever(c.Until), Error: c.Error, Severe: c.Severe})
	}
	for i := range w.Sites {
		doc.Sites = append(doc.Sites, newSiteDoc(&w.Sites[i], h.web.site(w.Sites[i].Name)))
	}
	for i := range w.Pools {
		doc.Pools = append(doc.Pools, newFPMPoolDoc(&w.Pools[i], h))
	}
	return doc
}

func newSiteDoc(s *WebSite, h *siteHistory) siteDoc {
	return siteDoc{
		Name: s.Name, Hosts: append([]string{}, s.Hosts...), Pool: s.Pool, Root: s.Root, WordPress: s.WordPress, Running: s.Running, Waiting: s.Waiting,
		Answers: answersDoc(s.Answers), SentBytes: s.SentBytes, Cache: (*cacheDoc)(s.Cache),
		Rates: siteRateDoc{
			Requests: orNull(h.requests.last()), OK: orNull(h.ok), Redirected: orNull(h.redirected), ClientErrors: orNull(h.clientErrors), ServerErrors: orNull(h.errors.last()),
		},
		Latency: siteTimeDoc{FileP50: orNull(h.fileP50), FileP99: orNull(h.fileP99), ScriptP50: orNull(h.scriptP50), ScriptP99: orNull(h.scriptP99)},
	}
}

func newFPMPoolDoc(p *WebPool, h *history) fpmPoolDoc {
	past := h.web.pool(p.Name)
	doc := fpmPoolDoc{
		Name: p.Name, Waiting: p.Waiting, LongestWait: p.LongestWait.Seconds(), QueueLength: p.QueueLength, QueueTime: p.QueueTime.Seconds(),
		MeanWait: orNull(past.wait), Requests: orNull(past.requests.last()), Took: p.Took.Seconds(), Given: p.Given, Waited: p.Waited.Seconds(),
		Failures: make([]reasonDoc, 0, len(p.Failures)), LastRefused: orNever(p.LastRefused),
		Unresolved: make([]unresolvedDoc, 0, len(p.Unresolved)), Backends: make([]backendDoc, 0, len(p.Backends)),
	}
	for _, f := range p.Failures {
		doc.Failures = append(doc.Failures, reasonDoc(f))
	}
	for _, u := range p.Unresolved {
		doc.Unresolved = append(doc.Unresolved, unresolvedDoc(u))
	}
	for i := range p.Backends {
		b := &p.Backends[i]
		doc.Backends = append(doc.Backends, newBackendDoc(b, b.key(p), h.web.backend(b.key(p))))
	}
	return doc
}

func newBackendDoc(b *WebBackend, id string, h *backendHistory) backendDoc {
	doc := backendDoc{
		ID: id, Address: b.Address, Source: b.Source, State: b.State, Reason: b.Reason, ReasonText: b.ReasonText, LastError: b.LastError,
		Weight: b.Weight, Limit: b.Limit, Share: finite(b.Share), Running: b.Running, Asking: b.Asking, Orphans: b.Orphans, Others: b.Others, Load: finite(b.Load),
		Workers: b.Workers, States: make(map[string]int64, len(b.States)), ListenQueue: b.ListenQueue, Started: orNever(b.Started),
		Accept: b.Accept.Seconds(), Served: b.Served, Failed: b.Failed, Requests: orNull(h.requests.last()),
	}
	for _, s := range b.States {
		doc.States[s.State] += s.Count
	}
	return doc
}

// orNever makes JSON's null of a time that was not.
func orNever(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
