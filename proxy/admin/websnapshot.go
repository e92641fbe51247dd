package admin

import "time"

// Web is the front door for browsers with its pools of php-fpm backends.
type Web struct {
	HTTP, HTTPS                 string // where it listens; empty for not at all
	HTTP3                       bool   // at the address of HTTPS, by UDP
	Connections, MaxConnections int64
	TurnedAway                  uint64 // connections, because there were MaxConnections
	NoSite                      uint64 // requests for a host that no site has
	Database                    string // what keeps pages from their database now, in words; empty for nothing
	Sites                       []WebSite
	Pools                       []WebPool
	Certificates                []WebCertificate
}

// WebCertificate is a certificate for HTTPS, or that there is none yet.
type WebCertificate struct {
	Site   string   // the first host of its site; empty for that of all
	Hosts  []string // what it is wanted for
	Source string   // file or acme
	Until  time.Time
	Error  string // what is wrong with it; empty for nothing
	Severe bool   // browsers are not served as they should be
}

// WebCache is what the page cache has done for a site since galley started, and what it holds of it now.
type WebCache struct {
	Hits    uint64 // fresh ones
	Stale   uint64 // shown while made anew, or in place of an error
	Made    uint64 // by scripts, for a client or in the background
	Passed  uint64 // known not to be storable
	Skipped uint64 // not looked up: they could be somebody's own
	Purged  uint64
	Pages   int64
	Bytes   int64
}

// WebSite is one virtual host. Its counters are since galley started.
type WebSite struct {
	Name      string
	Hosts     []string
	Pool      string // empty for files alone
	Root      string
	NoRoot    bool // it could not be opened when it was last asked for
	WordPress bool
	Running   int64 // scripts under way, with those that wait for a worker
	Waiting   int64 // for a worker
	Answers   WebAnswers
	SentBytes uint64
	Cache     *WebCache // nil for none
	// Latency counts requests by duration, as MySQL.Latency does: from a request's header to the end of its answer.
	Files, Scripts []Bucket
}

// WebAnswers counts answers by class of status.
type WebAnswers struct {
	Informed, OK, Redirected, ClientErrors, ServerErrors uint64 // 1xx to 5xx
}

// all is how many there are.
func (a WebAnswers) all() uint64 {
	return a.Informed + a.OK + a.Redirected + a.ClientErrors + a.ServerErrors
}

// WebPool is a pool of php-fpm backends that run the same scripts.
type WebPool struct {
	Name        string
	Waiting     int64         // requests without a worker
	LongestWait time.Duration // of those that wait now
	QueueLength int64         // how many may wait
	QueueTime   time.Duration // how long each may
	Took        time.Duration // by a request, with a worker; a moving mean
	Given       uint64        // workers to requests, since galley started
	Waited      time.Duration // for them, in all
	Failures    []ReasonCount // requests without a whole answer, since galley started
	LastRefused time.Time     // when a request last got no worker; zero for never
	Unresolved  []Unresolved
	Backends    []WebBackend
}

// ReasonCount is how often something was for a reason: a word of a closed list.
type ReasonCount struct {
	Reason string
	Count  uint64
}

// Unresolved is a name of the configuration that stands for no backend now.
type Unresolved struct {
	Name, Error string
}

// The states of a WebBackend.
const (
	BackendUp       = "up"
	BackendDown     = "down"
	BackendDraining = "draining"
)

// WebBackend is one php-fpm. What it says of itself is as of its last status.
type WebBackend struct {
	Address    string
	Source     string // the name in the configuration that stands for it, or the address
	State      string // up, down or draining
	Reason     string // a word of the closed list; empty where there is nothing to say
	ReasonText string // a sentence: what it means and what to do
	LastError  string // of the last look at it
	Weight     int64
	Limit      int64   // of requests at a time; 0 for its workers
	Share      float64 // of its normal work, 0 to 1: less in a slow start

	Running     int64 // requests of this galley that a worker has
	Asking      int64 // connections on which a worker is being asked for
	Orphans     int64 // of Running, those whose client has gone
	Others      int64 // workers busy for somebody else
	Load        float64
	Workers     int64         // 0 for unknown
	States      []WorkerCount // what they do; nil without a status
	ListenQueue int64
	Started     time.Time // zero for unknown
	Accept      time.Duration
	Served      uint64 // since galley started, as Failed
	Failed      uint64
}

// key is how actions name the backend.
func (b *WebBackend) key(p *WebPool) string { return p.Name + "/" + b.Address }

// The states of a worker.
const (
	WorkerIdle      = "idle"
	WorkerReading   = "reading"
	WorkerRunning   = "running"
	WorkerFinishing = "finishing"
)

// WorkerCount is how many workers are in a state.
type WorkerCount struct {
	State string
	Count int64
}

// Usable says whether a backend of the pool is given requests.
func (p *WebPool) Usable() bool {
	for i := range p.Backends {
		if p.Backends[i].State == BackendUp {
			return true
		}
	}
	return false
}
