package admin

import "time"

// Source answers with the present picture of galley. Snapshot is called once a second by the sampler and for each
// request, from any goroutine; it must be cheap and must not wait for the network.
type Source interface {
	Snapshot() Snapshot
}

// Snapshot is everything that the page and the API show, as plain values. The admin package never writes to it, and
// what it refers to must not change after it was handed over.
type Snapshot struct {
	At         time.Time
	Version    string
	StartedAt  time.Time
	Ready      bool
	NotReady   string // why not, in words; empty when ready
	Stopping   bool   // it has been told to stop
	ConfigPath string
	Instance   string
	Cluster    Cluster
	Lease      Lease
	Nodes      []NodeRow
	MySQL      MySQL
	Web        *Web // nil where there is no front door for browsers
	WebOnly    bool // there is no database tier: Cluster, Nodes and MySQL say nothing
	Problems   []Problem
}

// Cluster is what the nodes agree on.
type Cluster struct {
	Name          string
	StateUUID     string
	ConfID        int64
	Size          int
	Primary       bool
	Writer        string // node ID; empty when there is none
	NoWriter      string // why there is no writer, in words
	SplitBrain    string // which nodes are in another primary component, in words; empty when none is
	Outage        string // what it means that no node is in a primary component, in words; empty when one is
	Degraded      bool   // then reads are answered all the same
	WriterHistory []WriterChange
	Events        []Event
}

// WriterChange is one move of the writer role. From or To is empty where there was no writer. Newest first or last:
// the page sorts.
type WriterChange struct {
	At     time.Time
	From   string
	To     string
	Reason string
}

// Event is something that happened to a node or, with Node empty, to the cluster.
type Event struct {
	At     time.Time
	Node   string
	Text   string
	Reason string
}

// The roles of a node.
const (
	RoleWriter = "writer"
	RoleReader = "reader"
	RoleIdle   = "idle" // usable, but not needed now
	RoleOut    = "out"  // not usable; Reason says why
)

// NodeRow is one node as galley sees it.
type NodeRow struct {
	ID         string
	Name       string
	Addr       string
	Role       string
	State      string // as Galera says: Synced, Donor/Desynced, Joining, …
	Reason     string // why it is not used or only as a last choice: a word of the closed list
	ReasonText string // a sentence: what it means and what to do
	Drained    bool   // taken out by an operator

	RecvQueue                     int64
	SendQueue                     int64
	FCLimit                       float64
	FlowControlPausedSecondsTotal float64
	FlowControlPaused             float64 // share of the last probe interval, 0 to 1

	ThreadsRunning   int64
	ThreadsConnected int64
	MaxConnections   int64
	InFlight         int64
	BackendConns     int64
	Pool             NodePool
	Share            float64 // of the reads, 0 to 1
	Queries          uint64  // sent to this node since galley started
	LastCommitted    int64
	Version          string

	ProbeAge      time.Duration
	ProbeDuration time.Duration
	Discovered    bool // found in the cluster, not in the configuration
}

// NodePool is galley's own connections to a node: how many there are, what keeps those in use, and who waits for one.
type NodePool struct {
	InUse, Idle, Opening, Limit int64
	Waiting                     int64         // sessions
	LongestWait                 time.Duration // of the session that is next
	Users                       []UserPool

	// What keeps those in use; each is counted once.
	Pinned        int64
	PinnedBy      []PinCount // the greatest first
	InTransaction int64
	Running       int64
	Kept          int64 // between statements, for other reasons

	Waits       uint64 // since galley started, as all below
	Waited      time.Duration
	Timeouts    uint64
	LastTimeout time.Time // zero when there was none
	Opened      uint64
	Resets      uint64
	Moved       uint64 // from one session to another
}

// PinCount is how many connections a pin keeps: its word of the closed list.
type PinCount struct {
	Reason string
	Count  int64
}

// UserPool is one user's part of a NodePool. Limit is zero where only the node's holds.
type UserPool struct {
	User                                 string
	InUse, Idle, Opening, Waiting, Limit int64
}

// MySQL is the MySQL door.
type MySQL struct {
	Listen         string
	Sessions       int64
	ActiveSessions int64
	MaxSessions    int64
	Waiting        int64 // sessions that wait for a node
	WaitingForConn int64 // sessions that wait for a connection to one
	Care           Care  // what was waited for and run again for clients
	Line           Line  // those that wait for a node, and what they hold

	SessionsTotal uint64
	QueriesTotal  uint64
	ReadsTotal    uint64
	WritesTotal   uint64
	ErrorsTotal   uint64

	// Latency counts statements by duration since galley started. Counts are cumulative, as Prometheus has them: each
	// counts all statements that took at most LE. An LE of zero or less stands for +Inf and comes last.
	Latency     []Bucket
	SessionRows []SessionRow // bounded by the source
}

// Line is who waits for a node, and how much of that there may be.
type Line struct {
	Sessions, Bytes, MaxSessions, MaxBytes int64
	LetGo                                  uint64 // since galley started: got an error because there were too many
}

// Bucket is one step of a cumulative histogram.
type Bucket struct {
	LE    time.Duration
	Count uint64
}

// SessionRow is one client session.
type SessionRow struct {
	ID         uint64
	User       string
	ClientAddr string
	Schema     string
	State      string
	Node       string
	Holds      []string // IDs of the nodes to which it has a connection now
	Pins       []string
	Age        time.Duration
	StateAge   time.Duration // how long it has been in its state, as far as that was seen
}

// The severities of a Problem.
const (
	SeverityError   = "error"
	SeverityWarning = "warning"
	SeverityNote    = "note"
)

// Problem is something that the operator should know or do.
type Problem struct {
	Severity string
	Text     string
	Do       string
}
