package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"galley/cluster"
	"galley/proxy/admin"
	"galley/proxy/mysql"
)

// shownSessions bounds the sessions on the status page.
const shownSessions = 200

// stoppingText is why a galley that has got SIGTERM is not ready.
const stoppingText = "galley is stopping"

// Snapshot implements admin.Source: the whole of galley at one moment.
func (g *galley) Snapshot() admin.Snapshot {
	now := time.Now()
	view := g.monitor.View()
	c := g.config()
	s := admin.Snapshot{
		At: now, Version: version(), StartedAt: g.started, ConfigPath: g.path, Instance: fmt.Sprint(c.MySQL.InstanceID),
		Cluster: g.clusterPart(view), MySQL: g.mysqlPart(), Problems: g.problems(view), Web: g.web.snapshot(),
	}
	s.Problems = append(s.Problems, webProblems(now, s.Web)...)
	s.Ready, s.NotReady = g.ready(view)
	s.Stopping = s.NotReady == stoppingText
	lease := g.lease.State()
	s.Lease = leasePart(&lease, now)
	for i := range view.Nodes {
		row := g.nodeRow(now, &view.Nodes[i])
		if !slices.Contains(view.Readers, i) {
			row.Share = 0 // Its queue is not what keeps reads from it.
		}
		s.Nodes = append(s.Nodes, row)
	}
	return s
}

// ready says whether clients are served: there is a node for each role, and galley is not stopping.
func (g *galley) ready(view *cluster.View) (ok bool, why string) {
	g.mu.Lock()
	stopping := g.stopping
	g.mu.Unlock()
	switch {
	case stopping:
		return false, stoppingText
	case view.Degraded:
		return false, "no primary component: reads only"
	case view.Writer < 0:
		return false, "no writer: " + view.WriterReason.String()
	case len(view.Readers) == 0:
		return false, "no node is good for reads"
	}
	return haveAccounts(g.accounts.State(), len(cluster.AccountsOf(g.config().MySQL.Users)))
}

// haveAccounts says whether there is any account as which a client could log in.
func haveAccounts(state cluster.AccountsState, configured int) (ok bool, why string) {
	if !state.At.IsZero() || configured > 0 {
		return true, ""
	}
	if _, missing := grantOf(state.Err); missing {
		return false, "the monitor user may not read the accounts of the cluster, so every client is refused"
	}
	return false, "no accounts have been imported yet"
}

// accountProblems are of the import. A server that has no table of accounts is none, where the configuration has some.
func accountProblems(state cluster.AccountsState, configured int) []admin.Problem {
	err := state.Err
	if err == nil {
		if state.Unseen == nil {
			return nil
		}
		return []admin.Problem{{
			Severity: admin.SeverityNote, Text: "The monitor user may not read the rights of accounts, so galley does not notice GRANT and REVOKE.", Do: "Run on a node: " + state.Unseen.Grant(),
		}}
	}
	if grant, ok := grantOf(err); ok {
		text := "The monitor user may not read the accounts of the cluster: a client gets in only if its account stands under mysql.users."
		if !state.At.IsZero() {
			text = "The monitor user may not read the accounts of the cluster any more: galley goes on with those that it has read."
		}
		return []admin.Problem{{Severity: admin.SeverityError, Text: text, Do: "Run on a node: " + grant}}
	}
	p := admin.Problem{Severity: admin.SeverityError, Text: "Accounts cannot be imported from the cluster: " + err.Error(), Do: "See the log of galley."}
	if errors.Is(err, cluster.ErrNoGlobalPriv) && configured > 0 {
		p.Severity, p.Do = admin.SeverityNote, ""
	}
	return []admin.Problem{p}
}

func (g *galley) clusterPart(view *cluster.View) admin.Cluster {
	c := admin.Cluster{StateUUID: view.StateUUID, ConfID: view.ConfID, Size: view.Size, SplitBrain: view.SplitBrain(), Degraded: view.Degraded}
	_, c.Outage = view.Outage()
	c.Primary = view.ConfID >= 0 && c.Outage == ""
	if w := view.WriterNode(); w != nil {
		c.Writer, c.Name = nodeID(w), w.Status.ClusterName
	} else {
		c.NoWriter, c.Name = view.WriterReason.String(), lastName(view)
	}
	for _, e := range g.monitor.Events() {
		if e.Kind == cluster.EventWriterChanged {
			c.WriterHistory = append(c.WriterHistory, admin.WriterChange{At: e.At, From: e.Was, To: e.Addr, Reason: writerReason(&e).String()})
		}
		c.Events = append(c.Events, admin.Event{At: e.At, Node: e.Addr, Text: eventText(&e), Reason: e.To.String()})
	}
	return c
}

// lastName is the cluster's name as any node has told it.
func lastName(view *cluster.View) string {
	for i := range view.Nodes {
		if name := view.Nodes[i].Status.ClusterName; name != "" {
			return name
		}
	}
	return ""
}

// writerReason is why the writer was left, or why there was none. A node that is well is left because the role moves.
func writerReason(e *cluster.Event) cluster.Reason {
	if e.From == cluster.OK {
		return e.To
	}
	return e.From
}

func eventText(e *cluster.Event) string {
	text := strings.ReplaceAll(e.Kind.String(), "_", " ")
	switch e.Kind {
	case cluster.EventNodeChanged:
		text = fmt.Sprintf("%s, was %s", words(e.To), words(e.From))
	case cluster.EventWriterChanged:
		switch {
		case e.Addr == "":
			text = "no writer: " + words(writerReason(e))
		case e.Was == "":
			text = "is the writer"
		default:
			text = fmt.Sprintf("is the writer; %s was left: %s", e.Was, words(e.From))
		}
	case cluster.EventNodeAdded, cluster.EventNodeRemoved, cluster.EventNodeEvicted, cluster.EventNodeRestarted, cluster.EventViewChanged, cluster.EventClusterChanged, cluster.EventSwitchoverGivenUp,
		cluster.EventSplitBrain, cluster.EventSplitBrainOver, cluster.EventDegraded, cluster.EventDegradedOver:
	}
	if e.Detail != "" {
		text += " (" + e.Detail + ")"
	}
	return text
}

func words(r cluster.Reason) string { return strings.ReplaceAll(r.String(), "_", " ") }

// nodeID is what the page calls a node by.
func nodeID(n *cluster.Node) string { return n.Addr }

func (g *galley) nodeRow(now time.Time, n *cluster.Node) admin.NodeRow {
	stats := g.mysql.NodeStats(n)
	row := admin.NodeRow{
		ID: nodeID(n), Name: n.Name, Addr: n.Addr, Role: role(n), State: n.Status.State.String(), Reason: n.Reason.String(), ReasonText: nodeAdvice(n),
		RecvQueue: int64(n.Status.RecvQueue), SendQueue: int64(n.Status.SendQueue), FCLimit: n.Status.FCLimit,
		FlowControlPausedSecondsTotal: time.Duration(n.Status.PausedNS).Seconds(),
		ThreadsRunning:                int64(n.Status.ThreadsRunning), ThreadsConnected: int64(n.Status.ThreadsConnected), MaxConnections: int64(n.Status.MaxConnections),
		InFlight: n.Backend.InFlight(), BackendConns: int64(stats.Open), Pool: poolPart(&stats), Share: n.Share, Queries: stats.Commands, LastCommitted: n.Status.LastApplied,
		Version: n.Status.Server.Version, Discovered: !n.Configured, Drained: n.Drained,
	}
	if row.Name == "" {
		row.Name = n.Status.NodeName
	}
	if !n.LastSeen.IsZero() {
		row.ProbeAge, row.ProbeDuration = now.Sub(n.LastSeen), n.LastSeen.Sub(n.Began)
	}
	if samples := g.monitor.History(n.Addr); len(samples) > 0 {
		row.FlowControlPaused = samples[len(samples)-1].Paused
	}
	return row
}

// poolPart is a node's connections as the page has them.
func poolPart(n *mysql.NodeStats) admin.NodePool {
	p := admin.NodePool{
		InUse: int64(n.InUse()), Idle: int64(n.Idle), Opening: int64(n.Opening), Limit: int64(n.Limit), Waiting: int64(n.Waiting), LongestWait: n.Longest,
		Pinned: int64(n.Pinned), InTransaction: int64(n.InTransaction), Running: int64(n.Running), Kept: int64(n.Kept),
		Waits: n.Waits, Waited: n.Waited, Timeouts: n.Timeouts, LastTimeout: n.LastTimeout, Opened: n.Opened, Resets: n.Resets, Moved: n.Moved,
	}
	for _, c := range n.PinnedBy {
		p.PinnedBy = append(p.PinnedBy, admin.PinCount{Reason: c.Reason, Count: int64(c.N)})
	}
	for _, u := range n.Users {
		p.Users = append(p.Users, admin.UserPool{
			User: u.User, InUse: int64(u.Open - u.Idle), Idle: int64(u.Idle), Opening: int64(u.Opening), Waiting: int64(u.Waiting), Limit: int64(u.Max),
		})
	}
	return p
}

func role(n *cluster.Node) string {
	switch {
	case n.Role == cluster.RoleWriter:
		return admin.RoleWriter
	case n.Role == cluster.RoleReader:
		return admin.RoleReader
	case n.ReadGrade != cluster.Never || n.WriteGrade != cluster.Never:
		return admin.RoleIdle
	}
	return admin.RoleOut
}

func (g *galley) mysqlPart() admin.MySQL {
	st := g.mysql.Stats()
	m := admin.MySQL{
		Listen: g.mysqlAddr(), Sessions: st.Sessions, ActiveSessions: st.Active, MaxSessions: int64(g.config().MySQL.MaxConnections), Waiting: st.Waiting,
		WaitingForConn: st.Queued, Line: g.linePart(), Care: g.carePart(),
		SessionsTotal: st.SessionsTotal, QueriesTotal: st.Statements, ReadsTotal: st.Reads, WritesTotal: st.Statements - st.Reads, ErrorsTotal: st.Errors,
	}
	for _, b := range st.Latency {
		m.Latency = append(m.Latency, admin.Bucket{LE: b.Bound, Count: b.Count})
	}
	for _, r := range g.mysql.Sessions(shownSessions) {
		row := admin.SessionRow{ID: uint64(r.ID), User: r.User, ClientAddr: r.Client, Schema: r.Schema, State: r.State, StateAge: r.For, Node: r.Node, Holds: r.Holds, Age: r.Age}
		if r.Pins != "" {
			row.Pins = strings.Split(r.Pins, ",")
		}
		m.SessionRows = append(m.SessionRows, row)
	}
	return m
}

// problems are what the operator should see at once.
func (g *galley) problems(view *cluster.View) []admin.Problem {
	all := append(g.underWay(), g.reloads.problems()...)
	all = append(all, splitProblems(view)...)
	all = append(all, outageProblems(view)...)
	all = append(all, lineProblems(g.linePart())...)
	all = append(all, pauseProblems(view, g.monitor.History)...)
	all = append(all, accountProblems(g.accounts.State(), len(cluster.AccountsOf(g.config().MySQL.Users)))...)
	state := g.lease.State()
	all = append(all, leaseProblems(&state)...)
	all = append(all, engineProblems(g.engines.Snapshot(), g.engines.State())...)
	for i := range view.Nodes {
		n := &view.Nodes[i]
		if n.Err != "" && n.Reason == cluster.AuthFailed {
			all = append(all, admin.Problem{Severity: admin.SeverityError, Text: "Node " + n.Addr + " refuses the monitor user: " + n.Err, Do: advice(n.Reason)})
		}
	}
	return all
}
