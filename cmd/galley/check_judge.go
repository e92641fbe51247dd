package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"galley/cluster"
	"galley/config"
)

// finding is one thing that check has to say, and what to do about it.
type finding struct{ Text, Do string }

// report is what check prints, in the order in which it prints it.
type report struct {
	Nodes    []nodeLine
	Backends []backendLine
	Writer   string
	Readers  string
	Accounts string
	Unusable []accountLine
	Errors   []finding
	Warnings []finding
}

// nodeLine is one row of the table of nodes.
type nodeLine struct{ Addr, Name, State, Role, View, Queue, FCLimit, Threads, Version, Reason string }

// accountLine is one account that cannot be used through galley.
type accountLine struct{ Account, Why string }

// plainReport has what the configuration alone gives rise to.
func plainReport(c *config.Config) *report {
	r := &report{}
	for _, w := range c.Warnings() {
		r.warn(w.String(), "")
	}
	return r
}

// judge makes a report of what was seen; it is pure.
func judge(c *config.Config, s *sighting) *report {
	r := plainReport(c)
	if !s.Complete {
		r.warn("The time was up before every node had answered or failed.", "Run it again with a longer --timeout.")
	}
	for i := range s.View.Nodes {
		r.node(&s.View.Nodes[i])
	}
	r.roles(s.View)
	r.accounts(c, s)
	r.versions(s.View)
	r.connections(c, s.View)
	r.variables(s)
	r.tables(s)
	r.lease(c, s)
	r.certificates(c, time.Now())
	r.transport(c, s)
	return r
}

func (r *report) fail(text, do string) { r.Errors = append(r.Errors, finding{text, do}) }
func (r *report) warn(text, do string) { r.Warnings = append(r.Warnings, finding{text, do}) }

// node adds a node's line, and what is wrong with it.
func (r *report) node(n *cluster.Node) {
	line := nodeLine{Addr: n.Addr, Name: n.Name, State: "-", Role: role(n), View: "-", Queue: "-", FCLimit: "-", Threads: "-", Version: "-", Reason: words(n.Reason)}
	if st := &n.Status; !n.LastSeen.IsZero() {
		line.State = st.State.String()
		line.View = fmt.Sprintf("%d (%d nodes)", st.ConfID, st.ClusterSize)
		line.Queue = fmt.Sprintf("%d/%d", st.RecvQueue, st.SendQueue)
		line.FCLimit = fmt.Sprintf("%g", st.FCLimit)
		line.Threads = fmt.Sprintf("%d/%d/%d", st.ThreadsRunning, st.ThreadsConnected, st.MaxConnections)
		line.Version = st.Server.Version
		if !st.Galera {
			line.View, line.FCLimit = "-", "-"
		}
	}
	r.Nodes = append(r.Nodes, line)
	if n.Reason == cluster.OK {
		return
	}
	text := "Node " + n.Addr + ": " + words(n.Reason) + "."
	if n.Err != "" {
		text = fmt.Sprintf("Node %s: %s (%s).", n.Addr, words(n.Reason), n.Err)
	}
	if n.Configured && n.ReadGrade == cluster.Never && n.WriteGrade == cluster.Never {
		r.fail(text, nodeAdvice(n))
		return
	}
	r.warn(text, nodeAdvice(n))
}

// roles says who would be the writer and why, and who would take reads.
func (r *report) roles(v *cluster.View) {
	w := v.WriterNode()
	if w == nil {
		r.Writer = "none: " + words(v.WriterReason)
		r.fail("There is no node for writes: "+words(v.WriterReason)+".", advice(v.WriterReason))
	} else {
		r.Writer = w.Addr + ", " + whyWriter(v)
	}
	var readers []string
	for _, i := range v.Readers {
		readers = append(readers, v.Nodes[i].Addr)
	}
	switch {
	case len(readers) == 0:
		r.Readers = "none"
		r.fail("There is no node for reads.", "")
	case len(readers) == 1 && v.Readers[0] == v.Writer:
		r.Readers = readers[0] + ", the writer, as there is no other"
	default:
		r.Readers = strings.Join(readers, ", ")
	}
}

// whyWriter explains the choice of the writer: which nodes come before it in the order, and why they were passed over.
func whyWriter(v *cluster.View) string {
	var passed []string
	for i := range v.Writer {
		n := &v.Nodes[i]
		why := words(n.Reason)
		if n.Reason == cluster.OK {
			why = "usable now, but another one was sooner"
		}
		passed = append(passed, n.Addr+": "+why)
	}
	if len(passed) == 0 {
		return "the first in configured order"
	}
	return "the first in configured order that takes writes (passed over: " + strings.Join(passed, "; ") + ")"
}

// accounts says which accounts clients can use.
func (r *report) accounts(c *config.Config, s *sighting) {
	configured := len(cluster.AccountsOf(c.MySQL.Users))
	if err := s.State.Err; err != nil {
		r.Accounts = fmt.Sprintf("not imported; %d from the configuration", configured)
		text, do := "The accounts cannot be imported: "+err.Error()+".", ""
		if s.View.Writer < 0 && len(s.View.Readers) == 0 {
			return // There was nobody to ask, which has been said.
		}
		if grant, ok := grantOf(err); ok {
			text, do = "The monitor user may not read the accounts of the cluster.", "Run on any node: "+grant+";"
		}
		if errors.Is(err, cluster.ErrNoGlobalPriv) && configured > 0 {
			r.warn(text, do)
			return
		}
		r.fail(text, do)
		return
	}
	if unseen := s.State.Unseen; unseen != nil {
		r.warn("The monitor user may not read the rights of accounts: galley does not notice GRANT and REVOKE, so what is revoked may go on until a connection to a node is closed (mysql.pool.lifetime).",
			"Run on any node: "+strings.Join(unseen.Grants(), "; ")+";")
	}
	for _, a := range s.Accounts {
		why := unusable(a)
		if why == "" {
			why = requires(a, c)
		}
		if why != "" {
			r.Unusable = append(r.Unusable, accountLine{Account: "'" + a.User + "'@'" + a.Host + "'", Why: why})
		}
	}
	usable := len(s.Accounts) - len(r.Unusable)
	r.Accounts = fmt.Sprintf("%d imported, %d from the configuration; clients can use %d of them", s.State.Imported, configured, usable)
	if usable == 0 && (!s.State.At.IsZero() || s.View.Writer >= 0) {
		r.fail("There is no account that a client could use.", "Create one with mysql_native_password, or give accounts under mysql.users.")
	}
}

// unusable says why no client can use an account through galley; empty if one can.
func unusable(a *cluster.Account) string {
	switch {
	case a.Locked:
		return "the account is locked"
	case a.FromConfig:
		return ""
	}
	plugins, needs := make([]string, 0, len(a.Methods)), ""
	for _, m := range a.Methods {
		switch m.Plugin {
		case "mysql_native_password":
			if m.AuthString == "" || len(m.AuthString) == 41 && m.AuthString[0] == '*' {
				return ""
			}
			plugins = append(plugins, "an invalid password")
		case "ed25519", "parsec", "caching_sha2_password":
			// The server keeps no more than what checks an answer, so nobody but the client can prove anything with it.
			needs = m.Plugin
		default:
			plugins = append(plugins, m.Plugin)
		}
	}
	if needs != "" {
		return needs + " cannot be relayed: give its password under mysql.users"
	}
	return strings.Join(plugins, " or ") + " cannot be relayed: let it have mysql_native_password too"
}

// versions warns of nodes of different versions.
func (r *report) versions(v *cluster.View) {
	by := map[string][]string{}
	for i := range v.Nodes {
		if n := &v.Nodes[i]; n.Status.Server.Version != "" {
			by[n.Status.Server.Version] = append(by[n.Status.Server.Version], n.Addr)
		}
	}
	if len(by) > 1 {
		r.warn("The nodes are of different versions: "+each(by)+".", "Galley greets clients with the lowest one. Bring the nodes to one version.")
	}
}

// variables warns of settings of the nodes that do not go well with a proxy, or with each other.
func (r *report) variables(s *sighting) {
	for _, name := range alike() {
		by := map[string][]string{}
		for addr, a := range s.Answers {
			if value, ok := a.Variables[name]; ok {
				by[value] = append(by[value], addr)
			}
		}
		if len(by) > 1 {
			r.warn("The nodes differ in "+name+": "+each(by)+".", "Sessions use several nodes: set it alike.")
		}
	}
	var waiting []string
	for _, addr := range slices.Sorted(maps.Keys(s.Answers)) {
		a := s.Answers[addr]
		if a.Err != nil && !errors.Is(a.Err, errHeaderRefused) {
			r.warn("Node "+addr+" could not be asked for its settings: "+a.Err.Error()+".", "")
			continue
		}
		if wait := a.Variables["wsrep_sync_wait"]; wait != "" && wait != "0" {
			waiting = append(waiting, addr)
		}
		if mode := a.Variables["innodb_autoinc_lock_mode"]; mode != "" && mode != "2" {
			r.warn("Node "+addr+" has innodb_autoinc_lock_mode="+mode+".", "Galera needs 2.")
		}
		if format := a.Variables["binlog_format"]; format != "" && !strings.EqualFold(format, "ROW") {
			r.warn("Node "+addr+" has binlog_format="+format+".", "Galera needs ROW.")
		}
	}
	if len(waiting) > 0 {
		r.warn("wsrep_sync_wait is on: a read waits until its node has applied all that the cluster has written before ("+strings.Join(waiting, ", ")+").",
			"Right if reads must never be old; each costs a round trip to the group. Otherwise: SET GLOBAL wsrep_sync_wait=0.")
	}
}

// tables warns of tables that Galera does not replicate.
func (r *report) tables(s *sighting) {
	w := s.View.WriterNode()
	if w == nil {
		return
	}
	a, ok := s.Answers[w.Addr]
	switch {
	case !ok || a.Err != nil:
		return
	case len(a.Tables) > 0:
		shown := a.Tables[:min(len(a.Tables), shownTables)]
		text := strings.Join(shown, ", ")
		if more := len(a.Tables) - len(shown); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		r.warn("Tables that are not of InnoDB are not replicated: their rows are on the node that wrote them only. All reads of their schemas go to the writer: "+text+".", replicate)
	}
	if a.Blind != nil {
		r.warn(blind, letSee(a.Blind))
	}
}

// each lists values with the nodes that have them.
func each(by map[string][]string) string {
	var parts []string
	for _, value := range slices.Sorted(maps.Keys(by)) {
		addrs := by[value]
		slices.Sort(addrs)
		shown := value
		if shown == "" {
			shown = "(empty)"
		}
		parts = append(parts, shown+" on "+strings.Join(addrs, ", "))
	}
	return strings.Join(parts, "; ")
}
