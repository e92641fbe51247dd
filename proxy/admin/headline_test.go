package admin

import (
	"testing"
	"time"
)

func TestHeadlineSaysTheWorstFirst(t *testing.T) {
	tests := map[string]struct {
		change func(*Snapshot)
		level  level
		text   string
	}{
		"healthy":              {func(*Snapshot) {}, levelOK, "All good: 3 nodes, writer node1, 0 waiting"},
		"one node":             {func(s *Snapshot) { s.Nodes = s.Nodes[:1] }, levelOK, "All good: 1 node, writer node1, 0 waiting"},
		"empty":                {func(s *Snapshot) { *s = Snapshot{} }, levelIdle, "No node seen yet"},
		"no writer":            {func(s *Snapshot) { s.Cluster.Writer, s.Cluster.NoWriter = "", "every node is read only" }, levelBad, "No writer: every node is read only"},
		"no writer, no reason": {func(s *Snapshot) { s.Cluster.Writer = "" }, levelBad, "No writer: no node is usable for writes"},
		"no primary":           {func(s *Snapshot) { s.Cluster.Primary = false }, levelBad, "No primary component"},
		"read-only":            {func(s *Snapshot) { s.Cluster.Degraded, s.Cluster.Outage, s.Cluster.Writer = true, "x", "" }, levelBad, "Read-only: no primary component"},
		"split brain":          {func(s *Snapshot) { s.Cluster.SplitBrain = "x" }, levelBad, "Split brain: there are two primary components"},
		"stopping":             {func(s *Snapshot) { s.Ready, s.NotReady = false, "shutting down" }, levelWarn, "Not ready: shutting down"},
		"stopping, php-fpm is let go": {func(s *Snapshot) {
			s.Stopping, s.Ready, s.Web = true, false, &Web{Pools: []WebPool{{Name: "php"}}}
		}, levelWarn, "Galley is stopping"},
		"donor": {func(s *Snapshot) { s.Nodes[2].Role, s.Nodes[2].Reason = RoleIdle, "donor" }, levelWarn, "2 of 3 nodes usable: node3 is donor"},
		"two out": {func(s *Snapshot) {
			s.Nodes[1].Role, s.Nodes[1].Reason = RoleOut, "unreachable"
			s.Nodes[2].Role, s.Nodes[2].Reason = RoleOut, "behind_view"
		}, levelWarn, "1 of 3 nodes usable: node2 is unreachable, node3 is behind the others' view"},
		"many out": {func(s *Snapshot) {
			for range 3 {
				s.Nodes = append(s.Nodes, NodeRow{ID: "x", Addr: "10.0.0.9:3306", Role: RoleOut, Reason: "not_synced"})
			}
		}, levelWarn, "3 of 6 nodes usable: 10.0.0.9:3306 is not synced, 10.0.0.9:3306 is not synced, 1 more"},
		"a spare node is fine": {func(s *Snapshot) { s.Nodes[2].Role = RoleIdle }, levelOK, "All good: 3 nodes, writer node1, 0 waiting"},
		"waiting":              {func(s *Snapshot) { s.MySQL.Waiting = 2 }, levelWarn, "3 nodes, writer node1: 2 sessions wait for a node"},
		"a queue that moves": {func(s *Snapshot) {
			s.MySQL.WaitingForConn, s.Nodes[1].Pool.Waiting, s.Nodes[1].Pool.LongestWait = 7, 7, 40*time.Millisecond
		}, levelOK, "All good: 3 nodes, writer node1, 7 waiting"},
		"a queue that stands": {
			func(s *Snapshot) { s.Nodes[1].Pool.Waiting, s.Nodes[1].Pool.LongestWait = 48, 4200*time.Millisecond },
			levelWarn, "48 sessions wait for a connection to node2, the longest for 4.2 s",
		},
		"two queues, and a node out": {func(s *Snapshot) {
			s.Nodes[0].Pool.Waiting, s.Nodes[0].Pool.LongestWait = 1, time.Second
			s.Nodes[1].Pool.Waiting, s.Nodes[1].Pool.LongestWait = 1, 2*time.Second
			s.Nodes[2].Role, s.Nodes[2].Reason = RoleOut, "unreachable"
		}, levelWarn, "1 session waits for a connection to node2, the longest for 2 s, and to 1 more node"},
		"timeouts": {
			func(s *Snapshot) {
				s.Nodes[1].Pool.Waiting, s.Nodes[1].Pool.LongestWait, s.Nodes[1].Pool.LastTimeout = 2, 50*time.Millisecond, s.At.Add(-time.Second)
			}, levelBad, "2 sessions wait for a connection to node2, the longest for 50 ms",
		},
		"timeouts are over": {
			func(s *Snapshot) { s.Nodes[1].Pool.LastTimeout = s.At.Add(-50 * time.Second) }, levelWarn, "Statements found no connection to node2 in time",
		},
		"donor in use":   {func(s *Snapshot) { s.Nodes[0].Reason = "donor" }, levelWarn, "3 nodes, writer node1: node1 is donor"},
		"reason as word": {func(s *Snapshot) { s.Cluster.Writer, s.Cluster.NoWriter = "", "non_primary" }, levelBad, "No writer: non primary"},
		"a problem":      {func(s *Snapshot) { s.Problems = append(s.Problems, Problem{Severity: SeverityError, Text: "x"}) }, levelWarn, "3 nodes, writer node1: 1 problem to look at"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := healthy()
			tt.change(&s)
			h := newHeadline(s)
			if h.Level != tt.level || h.Text != tt.text {
				t.Errorf("got %s %q, want %s %q", h.Level, h.Text, tt.level, tt.text)
			}
			if h.Call == "" || h.Detail == "" {
				t.Errorf("nothing to call out or no detail: %+v", h)
			}
		})
	}
}

// A screen reader must not speak each second: what it is told may not hold figures that change with the load.
func TestHeadlineCallIsSteady(t *testing.T) {
	a, b := healthy(), healthy()
	a.MySQL.Waiting, b.MySQL.Waiting = 3, 4
	if x, y := newHeadline(a).Call, newHeadline(b).Call; x != y {
		t.Errorf("%q differs from %q", x, y)
	}
	a.Nodes[0].Pool.Waiting, a.Nodes[0].Pool.LongestWait = 3, 2*time.Second
	b.Nodes[0].Pool.Waiting, b.Nodes[0].Pool.LongestWait = 4, 3*time.Second
	if x, y := newHeadline(a).Call, newHeadline(b).Call; x != y {
		t.Errorf("%q differs from %q", x, y)
	}
}

func TestNodeLevel(t *testing.T) {
	tests := []struct {
		node NodeRow
		want level
	}{
		{NodeRow{Role: RoleWriter, State: "Synced"}, levelOK},
		{NodeRow{Role: RoleReader, State: "Synced"}, levelOK},
		{NodeRow{Role: RoleIdle, State: "Synced"}, levelIdle},
		{NodeRow{Role: RoleWriter, State: "Donor/Desynced", Reason: "donor"}, levelWarn},
		{NodeRow{Role: RoleOut, State: "Joining", Reason: "joining"}, levelWarn},
		{NodeRow{Role: RoleOut, State: "", Reason: "unreachable"}, levelBad},
	}
	for _, tt := range tests {
		if got := nodeLevel(tt.node); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.node, got, tt.want)
		}
	}
}

func TestFormats(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{count(0), "0"},
		{count(7), "7"},
		{count(2.34), "2.3"},
		{count(42.4), "42"},
		{count(1234), "1,234"},
		{count(9999.7), "10,000"},
		{count(56700), "56.7k"},
		{count(1.25e6), "1.3M"},
		{seconds(0.00064), "640 µs"},
		{seconds(0.0012), "1.2 ms"},
		{seconds(0.052), "52 ms"},
		{seconds(3.44), "3.4 s"},
		{percent(0), "0%"},
		{percent(0.004), "<1%"},
		{percent(0.5), "50%"},
		{percent(1), "100%"},
		{age(12e9), "12 s"},
		{age(5 * 60e9), "5 min"},
		{age(200 * 60e9), "3 h 20 min"},
		{age(98 * 3600e9), "4 d 2 h"},
		{age(-1), "0 s"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// A source that says "ok" for a node says nothing.
func TestReasonOKIsNoReason(t *testing.T) {
	s := healthy()
	for i := range s.Nodes {
		s.Nodes[i].Reason, s.Nodes[i].ReasonText = "ok", "It is fine."
	}
	server := newTestServer(t, func(o *Options) { o.Source = newFakeSource(s) })
	v := server.board.view()
	if v.Headline.Level != levelOK || v.Nodes[0].Level != levelOK || v.Nodes[0].Reason != "" || v.Nodes[0].Text != "" {
		t.Errorf("%+v, %+v", v.Headline, v.Nodes[0])
	}
	if s.Nodes[0].Reason != "ok" {
		t.Error("the source's own rows were changed")
	}
}
