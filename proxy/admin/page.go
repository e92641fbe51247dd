package admin

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// How many lines the page's tables show; the API has all.
const (
	shownEvents   = 20
	shownWriters  = 8
	shownSessions = 100
)

// pageView is what the templates print: figures already in words, so that a template only places them.
type pageView struct {
	Title    string
	Headline headline
	Version  string
	Instance string
	Uptime   string
	Config   string
	At       string
	ISO      string
	Cluster  clusterView
	Lease    leaseView
	Problems []problemView
	Nodes    []nodeView
	Traffic  []trafficView
	Care     []careRow
	Writers  []writerView
	Events   []eventView
	Pools    poolsView
	Sessions sessionsView
	Web      webView
	Database bool // There is a database tier.
}

type clusterView struct {
	Name, Writer, UUID string
	Size, ConfID       int64
	Primary            bool
}

type problemView struct {
	Level    level
	Severity string
	Text, Do string
}

type moment struct {
	ISO, Text, Ago string
}

type writerView struct {
	When             moment
	From, To, Reason string
}

type eventView struct {
	When               moment
	Node, Text, Reason string
}

type sessionsView struct {
	Total, Hidden int
	Rows          []sessionView
}

type sessionView struct {
	ID                                                  uint64
	User, Client, Schema, State, Since, Node, Age, Pins string
	Holds                                               string // The nodes to which it has a connection.
	Waits                                               bool
}

func newPageView(s Snapshot, h *history, actions buttons) pageView {
	v := pageView{
		Headline: newHeadline(s),
		Version:  s.Version,
		Instance: s.Instance,
		Config:   s.ConfigPath,
		At:       s.At.UTC().Format("15:04:05"),
		ISO:      s.At.UTC().Format(time.RFC3339),
		Cluster: clusterView{
			Name: s.Cluster.Name, Writer: nodeName(s, s.Cluster.Writer), UUID: s.Cluster.StateUUID,
			Size: int64(s.Cluster.Size), ConfID: s.Cluster.ConfID, Primary: s.Cluster.Primary,
		},
		Lease:    newLeaseView(s),
		Problems: problemViews(s.Problems),
		Traffic:  trafficViews(s, h),
		Care:     careRows(s.MySQL.Care),
		Pools:    newPoolsView(s),
		Sessions: newSessionsView(s),
		Web:      newWebView(s, h, actions.onBackend),
		Database: !s.WebOnly,
	}
	if !s.StartedAt.IsZero() {
		v.Uptime = age(s.At.Sub(s.StartedAt))
	}
	v.Title = titleMark(v.Headline.Level) + " " + firstOf(s.Cluster.Name, "galley")
	newest := newestCommit(s.Nodes)
	for i := range s.Nodes {
		n := &s.Nodes[i]
		v.Nodes = append(v.Nodes, newNodeView(*n, h.nodes[n.ID], newest))
		v.Nodes[i].Buttons = actions.onNode(n)
	}
	v.Writers, v.Events = writerViews(s), eventViews(s)
	return v
}

func titleMark(l level) string {
	switch l {
	case levelOK:
		return "✓"
	case levelWarn:
		return "!"
	case levelBad:
		return "✕"
	case levelIdle:
	}
	return "…"
}

// problemViews sorts the worst on top and keeps the source's order otherwise.
func problemViews(problems []Problem) []problemView {
	out := make([]problemView, 0, len(problems))
	for _, p := range problems {
		v := problemView{Level: levelIdle, Severity: p.Severity, Text: p.Text, Do: p.Do}
		switch p.Severity {
		case SeverityError:
			v.Level = levelBad
		case SeverityWarning:
			v.Level = levelWarn
		}
		out = append(out, v)
	}
	order := map[level]int{levelBad: 0, levelWarn: 1, levelIdle: 2}
	slices.SortStableFunc(out, func(a, b problemView) int { return cmp.Compare(order[a.Level], order[b.Level]) })
	return out
}

func newMoment(at, now time.Time) moment {
	return moment{ISO: at.UTC().Format(time.RFC3339), Text: at.UTC().Format("2006-01-02 15:04:05"), Ago: age(now.Sub(at)) + " ago"}
}

// passing tells of a reason for having no writer that is over when there is one, and says nothing of how it came to that.
func passing(reason string) bool {
	switch reason {
	case "starting", "no_lease", "lease_stalled", "handover":
		return true
	}
	return false
}

func writerViews(s Snapshot) []writerView {
	changes := slices.Clone(s.Cluster.WriterHistory)
	slices.SortStableFunc(changes, func(a, b WriterChange) int { return b.At.Compare(a.At) })
	out := make([]writerView, 0, shownWriters)
	for _, c := range changes[:min(len(changes), shownWriters)] {
		v := writerView{When: newMoment(c.At, s.At), From: firstOf(nodeName(s, c.From), "none"), To: firstOf(nodeName(s, c.To), "none")}
		if c.From != "" || !passing(c.Reason) {
			v.Reason = humanReason(c.Reason)
		}
		out = append(out, v)
	}
	return out
}

func eventViews(s Snapshot) []eventView {
	events := slices.Clone(s.Cluster.Events)
	slices.SortStableFunc(events, func(a, b Event) int { return b.At.Compare(a.At) })
	out := make([]eventView, 0, shownEvents)
	for _, e := range events[:min(len(events), shownEvents)] {
		v := eventView{When: newMoment(e.At, s.At), Node: firstOf(nodeName(s, e.Node), "cluster"), Text: e.Text}
		if e.Reason != reasonOK {
			v.Reason = humanReason(e.Reason)
		}
		out = append(out, v)
	}
	return out
}

func newSessionsView(s Snapshot) sessionsView {
	rows := s.MySQL.SessionRows
	v := sessionsView{Total: int(s.MySQL.Sessions)}
	for _, r := range rows[:min(len(rows), shownSessions)] {
		v.Rows = append(v.Rows, newSessionView(s, r))
	}
	v.Hidden = max(v.Total-len(v.Rows), 0)
	return v
}

func newSessionView(s Snapshot, r SessionRow) sessionView {
	return sessionView{
		ID: r.ID, User: r.User, Client: r.ClientAddr, Schema: firstOf(r.Schema, none), State: r.State,
		Node: firstOf(nodeName(s, r.Node), none), Age: age(r.Age), Pins: pinWords(r.Pins), Since: age(r.StateAge),
		Holds: holdWords(s, r.Holds), Waits: strings.HasPrefix(r.State, "waiting"),
	}
}

func pinWords(pins []string) string {
	words := make([]string, 0, len(pins))
	for _, p := range pins {
		words = append(words, humanReason(p))
	}
	return strings.Join(words, ", ")
}
