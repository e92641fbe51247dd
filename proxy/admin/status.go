package admin

import (
	"math"
	"time"
)

// statusDoc is the answer of /api/status. Its shape is a promise: see API.md, and testdata/status.json.
type statusDoc struct {
	At         time.Time    `json:"at"`
	Version    string       `json:"version"`
	Instance   string       `json:"instance"`
	ConfigPath string       `json:"config_path"`
	StartedAt  time.Time    `json:"started_at"`
	Uptime     float64      `json:"uptime_seconds"`
	Ready      bool         `json:"ready"`
	NotReady   string       `json:"not_ready"`
	Headline   headlineDoc  `json:"headline"`
	Cluster    clusterDoc   `json:"cluster"`
	Lease      leaseDoc     `json:"lease"`
	Nodes      []nodeDoc    `json:"nodes"`
	MySQL      mysqlDoc     `json:"mysql"`
	Web        *webDoc      `json:"web"`
	WebOnly    bool         `json:"web_only"`
	Problems   []problemDoc `json:"problems"`
}

type headlineDoc struct {
	Level  level  `json:"level"`
	Text   string `json:"text"`
	Detail string `json:"detail"`
}

type clusterDoc struct {
	Name          string            `json:"name"`
	StateUUID     string            `json:"state_uuid"`
	ConfID        int64             `json:"conf_id"`
	Size          int               `json:"size"`
	Primary       bool              `json:"primary"`
	Writer        string            `json:"writer"`
	NoWriter      string            `json:"no_writer"`
	SplitBrain    string            `json:"split_brain"`
	Outage        string            `json:"outage"`
	Degraded      bool              `json:"degraded"`
	WriterHistory []writerChangeDoc `json:"writer_history"`
	Events        []eventDoc        `json:"events"`
}

type writerChangeDoc struct {
	At     time.Time `json:"at"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	Reason string    `json:"reason"`
}

type eventDoc struct {
	At     time.Time `json:"at"`
	Node   string    `json:"node"`
	Text   string    `json:"text"`
	Reason string    `json:"reason"`
}

type nodeDoc struct {
	ID                     string   `json:"id"`
	Name                   string   `json:"name"`
	Addr                   string   `json:"addr"`
	Role                   string   `json:"role"`
	State                  string   `json:"state"`
	Reason                 string   `json:"reason"`
	ReasonText             string   `json:"reason_text"`
	RecvQueue              int64    `json:"recv_queue"`
	SendQueue              int64    `json:"send_queue"`
	FCLimit                float64  `json:"fc_limit"`
	FlowControlPausedTotal float64  `json:"flow_control_paused_seconds_total"`
	FlowControlPaused      float64  `json:"flow_control_paused"`
	ThreadsRunning         int64    `json:"threads_running"`
	ThreadsConnected       int64    `json:"threads_connected"`
	MaxConnections         int64    `json:"max_connections"`
	InFlight               int64    `json:"in_flight"`
	BackendConns           int64    `json:"backend_conns"`
	Pool                   poolDoc  `json:"pool"`
	Share                  float64  `json:"share"`
	QueriesTotal           uint64   `json:"queries_total"`
	QueriesPerSecond       *float64 `json:"queries_per_second"`
	LastCommitted          int64    `json:"last_committed"`
	Version                string   `json:"version"`
	ProbeAge               float64  `json:"probe_age_seconds"`
	ProbeDuration          float64  `json:"probe_duration_seconds"`
	Discovered             bool     `json:"discovered"`
	Drained                bool     `json:"drained"`
}

type poolDoc struct {
	InUse         int64         `json:"in_use"`
	Idle          int64         `json:"idle"`
	Opening       int64         `json:"opening"`
	Limit         int64         `json:"limit"`
	Waiting       int64         `json:"waiting"`
	LongestWait   float64       `json:"longest_wait_seconds"`
	Pinned        int64         `json:"pinned"`
	PinnedBy      []pinDoc      `json:"pinned_by"`
	InTransaction int64         `json:"in_transaction"`
	Running       int64         `json:"running"`
	Kept          int64         `json:"kept"`
	Waits         uint64        `json:"waits_total"`
	Waited        float64       `json:"wait_seconds_total"`
	Timeouts      uint64        `json:"timeouts_total"`
	LastTimeout   *time.Time    `json:"last_timeout_at"`
	Opened        uint64        `json:"opened_total"`
	Resets        uint64        `json:"resets_total"`
	Moved         uint64        `json:"moved_total"`
	Users         []userPoolDoc `json:"users"`
}

type pinDoc struct {
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}

type userPoolDoc struct {
	User    string `json:"user"`
	InUse   int64  `json:"in_use"`
	Idle    int64  `json:"idle"`
	Opening int64  `json:"opening"`
	Waiting int64  `json:"waiting"`
	Limit   int64  `json:"limit"`
}

// lineDoc is who waits for a node.
type lineDoc struct {
	Sessions    int64  `json:"sessions"`
	Bytes       int64  `json:"bytes"`
	MaxSessions int64  `json:"max_sessions"`
	MaxBytes    int64  `json:"max_bytes"`
	LetGo       uint64 `json:"let_go_total"`
}

type mysqlDoc struct {
	Listen          string       `json:"listen"`
	Sessions        int64        `json:"sessions"`
	ActiveSessions  int64        `json:"active_sessions"`
	MaxSessions     int64        `json:"max_sessions"`
	WaitingSessions int64        `json:"waiting_sessions"`
	WaitingForConn  int64        `json:"waiting_for_connection"`
	Line            lineDoc      `json:"waiting_for_node"`
	Care            careDoc      `json:"care"`
	SessionsTotal   uint64       `json:"sessions_total"`
	QueriesTotal    uint64       `json:"queries_total"`
	ReadsTotal      uint64       `json:"reads_total"`
	WritesTotal     uint64       `json:"writes_total"`
	ErrorsTotal     uint64       `json:"errors_total"`
	Rates           ratesDoc     `json:"rates"`
	Latency         latencyDoc   `json:"latency"`
	SessionRows     []sessionDoc `json:"session_rows"`
}

// ratesDoc holds the last second's figures; null before there were two samples.
type ratesDoc struct {
	Queries *float64 `json:"queries_per_second"`
	Reads   *float64 `json:"reads_per_second"`
	Writes  *float64 `json:"writes_per_second"`
	Errors  *float64 `json:"errors_per_second"`
}

type latencyDoc struct {
	P50     *float64    `json:"p50_seconds"`
	P99     *float64    `json:"p99_seconds"`
	Buckets []bucketDoc `json:"buckets"`
}

type bucketDoc struct {
	LE    *float64 `json:"le_seconds"` // null is +Inf
	Count uint64   `json:"count"`
}

type sessionDoc struct {
	ID         uint64   `json:"id"`
	User       string   `json:"user"`
	ClientAddr string   `json:"client_addr"`
	Schema     string   `json:"schema"`
	State      string   `json:"state"`
	Node       string   `json:"node"`
	Holds      []string `json:"holds"`
	Pins       []string `json:"pins"`
	Age        float64  `json:"age_seconds"`
	StateAge   float64  `json:"state_seconds"`
}

type problemDoc struct {
	Severity string `json:"severity"`
	Text     string `json:"text"`
	Do       string `json:"do"`
}

func newStatusDoc(s Snapshot, h *history) statusDoc {
	head := newHeadline(s)
	doc := statusDoc{
		At: s.At.UTC(), Version: s.Version, Instance: s.Instance, ConfigPath: s.ConfigPath, StartedAt: s.StartedAt.UTC(),
		Ready: s.Ready, NotReady: s.NotReady,
		Headline: headlineDoc{Level: head.Level, Text: head.Text, Detail: head.Detail},
		Cluster:  newClusterDoc(s.Cluster),
		Lease:    leaseDoc(s.Lease),
		Nodes:    make([]nodeDoc, 0, len(s.Nodes)),
		MySQL:    newMySQLDoc(s.MySQL, h),
		Web:      newWebDoc(s.Web, h), WebOnly: s.WebOnly,
		Problems: make([]problemDoc, 0, len(s.Problems)),
	}
	if !s.StartedAt.IsZero() {
		doc.Uptime = s.At.Sub(s.StartedAt).Seconds()
	}
	for _, n := range s.Nodes {
		doc.Nodes = append(doc.Nodes, newNodeDoc(n, h.nodes[n.ID]))
	}
	for _, p := range s.Problems {
		doc.Problems = append(doc.Problems, problemDoc(p))
	}
	return doc
}

func newClusterDoc(c Cluster) clusterDoc {
	doc := clusterDoc{
		Name: c.Name, StateUUID: c.StateUUID, ConfID: c.ConfID, Size: c.Size, Primary: c.Primary, Writer: c.Writer, NoWriter: c.NoWriter, SplitBrain: c.SplitBrain, Outage: c.Outage, Degraded: c.Degraded,
		WriterHistory: make([]writerChangeDoc, 0, len(c.WriterHistory)),
		Events:        make([]eventDoc, 0, len(c.Events)),
	}
	for _, w := range c.WriterHistory {
		doc.WriterHistory = append(doc.WriterHistory, writerChangeDoc{At: w.At.UTC(), From: w.From, To: w.To, Reason: w.Reason})
	}
	for _, e := range c.Events {
		doc.Events = append(doc.Events, eventDoc{At: e.At.UTC(), Node: e.Node, Text: e.Text, Reason: e.Reason})
	}
	return doc
}

func newNodeDoc(n NodeRow, h *nodeHistory) nodeDoc {
	doc := nodeDoc{
		ID: n.ID, Name: n.Name, Addr: n.Addr, Role: n.Role, State: n.State, Reason: n.Reason, ReasonText: n.ReasonText,
		RecvQueue: n.RecvQueue, SendQueue: n.SendQueue, FCLimit: finite(n.FCLimit),
		FlowControlPausedTotal: finite(n.FlowControlPausedSecondsTotal), FlowControlPaused: finite(n.FlowControlPaused),
		ThreadsRunning: n.ThreadsRunning, ThreadsConnected: n.ThreadsConnected, MaxConnections: n.MaxConnections,
		InFlight: n.InFlight, BackendConns: n.BackendConns, Pool: newPoolDoc(n.Pool), Share: finite(n.Share), QueriesTotal: n.Queries,
		LastCommitted: n.LastCommitted, Version: n.Version,
		ProbeAge: n.ProbeAge.Seconds(), ProbeDuration: n.ProbeDuration.Seconds(), Discovered: n.Discovered, Drained: n.Drained,
	}
	if h != nil {
		doc.QueriesPerSecond = orNull(h.queries.last())
	}
	return doc
}

func newPoolDoc(p NodePool) poolDoc {
	doc := poolDoc{
		InUse: p.InUse, Idle: p.Idle, Opening: p.Opening, Limit: p.Limit, Waiting: p.Waiting, LongestWait: p.LongestWait.Seconds(),
		Pinned: p.Pinned, PinnedBy: make([]pinDoc, 0, len(p.PinnedBy)), InTransaction: p.InTransaction, Running: p.Running, Kept: p.Kept,
		Waits: p.Waits, Waited: p.Waited.Seconds(), Timeouts: p.Timeouts, Opened: p.Opened, Resets: p.Resets, Moved: p.Moved,
		Users: make([]userPoolDoc, 0, len(p.Users)),
	}
	for _, c := range p.PinnedBy {
		doc.PinnedBy = append(doc.PinnedBy, pinDoc(c))
	}
	if !p.LastTimeout.IsZero() {
		at := p.LastTimeout.UTC()
		doc.LastTimeout = &at
	}
	for _, u := range p.Users {
		doc.Users = append(doc.Users, userPoolDoc(u))
	}
	return doc
}

func newMySQLDoc(m MySQL, h *history) mysqlDoc {
	doc := mysqlDoc{
		Listen: m.Listen, Sessions: m.Sessions, ActiveSessions: m.ActiveSessions, MaxSessions: m.MaxSessions, WaitingSessions: m.Waiting, WaitingForConn: m.WaitingForConn, Line: lineDoc(m.Line), Care: newCareDoc(m.Care),
		SessionsTotal: m.SessionsTotal, QueriesTotal: m.QueriesTotal, ReadsTotal: m.ReadsTotal, WritesTotal: m.WritesTotal, ErrorsTotal: m.ErrorsTotal,
		Rates: ratesDoc{
			Queries: orNull(h.queries.last()), Reads: orNull(h.reads.last()), Writes: orNull(h.writes.last()), Errors: orNull(h.errors.last()),
		},
		Latency:     latencyDoc{P50: orNull(h.p50.last()), P99: orNull(h.p99.last()), Buckets: make([]bucketDoc, 0, len(m.Latency))},
		SessionRows: make([]sessionDoc, 0, len(m.SessionRows)),
	}
	for _, b := range m.Latency {
		bucket := bucketDoc{Count: b.Count}
		if b.LE > 0 {
			bucket.LE = orNull(b.LE.Seconds())
		}
		doc.Latency.Buckets = append(doc.Latency.Buckets, bucket)
	}
	for _, r := range m.SessionRows {
		doc.SessionRows = append(doc.SessionRows, sessionDoc{
			ID: r.ID, User: r.User, ClientAddr: r.ClientAddr, Schema: r.Schema, State: r.State, Node: r.Node,
			Holds: append([]string{}, r.Holds...), Pins: append([]string{}, r.Pins...), Age: r.Age.Seconds(), StateAge: r.StateAge.Seconds(),
		})
	}
	return doc
}

// orNull makes JSON's null of a figure that there is not; JSON has no NaN and no infinity.
func orNull(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}
