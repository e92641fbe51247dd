package main

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"galley/cluster"
	"galley/config"
)

// load makes a configuration of a text.
func load(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Load(config.Source{File: "galley.yaml", Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const sections = "mysql: {listen: 127.0.0.1:0, max_connections: 100}\ncluster:\n  monitor: {user: monitor, password: hush}\n  probe_timeout: 500ms\n  nodes: "

// node is a synced node as the monitor sees one.
func node(addr string, role cluster.Role) cluster.Node {
	return cluster.Node{
		Addr: addr, Configured: true, Role: role, WriteGrade: cluster.Usable, ReadGrade: cluster.Usable, LastSeen: time.Unix(1, 0),
		Status: cluster.Status{
			Galera: true, State: cluster.StateSynced, ConfID: 7, ClusterSize: 3, MaxConnections: 500, FCLimit: 16,
			Server: cluster.ServerFacts{Version: "10.11.19-MariaDB"},
		},
	}
}

// sound is a sighting of which nothing is to be said.
func sound() *sighting {
	return &sighting{
		Complete: true,
		View: &cluster.View{
			ConfID: 7, Writer: 0, Readers: []int{1, 2},
			Nodes: []cluster.Node{node("10.0.0.1:3306", cluster.RoleWriter), node("10.0.0.2:3306", cluster.RoleReader), node("10.0.0.3:3306", cluster.RoleReader)},
		},
		State: cluster.AccountsState{At: time.Unix(1, 0), Imported: 1},
		Accounts: []*cluster.Account{{
			User: "app", Host: "%", Methods: []cluster.AuthMethod{{Plugin: "mysql_native_password", AuthString: "*" + strings.Repeat("A", 40)}},
		}},
		Answers: map[string]answers{
			"10.0.0.1:3306": {Variables: map[string]string{"sql_mode": "A", "wsrep_sync_wait": "0"}},
			"10.0.0.2:3306": {Variables: map[string]string{"sql_mode": "A", "wsrep_sync_wait": "0"}},
		},
	}
}

func TestJudge(t *testing.T) {
	c := load(t, sections+"[10.0.0.1, 10.0.0.2, 10.0.0.3]")
	for _, test := range []struct {
		name     string
		change   func(*sighting)
		errors   []string // A part of each.
		warnings []string
	}{
		{name: "sound", change: func(*sighting) {}},
		{
			name: "a node is down", change: func(s *sighting) {
				s.View.Nodes[2] = cluster.Node{Addr: "10.0.0.3:3306", Configured: true, Reason: cluster.Unreachable, Err: "connection refused"}
				s.View.Readers = []int{1}
			}, errors: []string{"10.0.0.3:3306: unreachable (connection refused)"},
		},
		{
			name: "a donor is no error", change: func(s *sighting) {
				s.View.Nodes[2].Reason, s.View.Nodes[2].ReadGrade, s.View.Nodes[2].WriteGrade = cluster.Donor, cluster.LastResort, cluster.LastResort
			}, warnings: []string{"10.0.0.3:3306: donor"},
		},
		{
			name: "no writer, no readers", change: func(s *sighting) {
				s.View.Writer, s.View.WriterReason, s.View.Readers = -1, cluster.NonPrimary, nil
			}, errors: []string{"no node for writes: non primary", "no node for reads"},
		},
		{
			name:   "the accounts may not be read",
			change: func(s *sighting) { s.State = cluster.AccountsState{Err: &cluster.GrantError{Account: "'monitor'@'%'"}} },
			errors: []string{"may not read the accounts"},
		},
		{
			name: "the rights may not be read",
			change: func(s *sighting) {
				s.State.Unseen = &cluster.GrantError{Account: "'monitor'@'%'", Tables: []string{"db", "roles_mapping"}}
			},
			warnings: []string{"may not read the rights of accounts"},
		},
		{
			name: "nobody can log in", change: func(s *sighting) { s.Accounts[0].Locked = true }, errors: []string{"no account that a client could use"},
		},
		{
			name: "settings differ", change: func(s *sighting) { s.Answers["10.0.0.2:3306"].Variables["sql_mode"] = "" },
			warnings: []string{"differ in sql_mode: (empty) on 10.0.0.2:3306; A on 10.0.0.1:3306"},
		},
		{
			name: "wsrep_sync_wait", change: func(s *sighting) {
				s.Answers["10.0.0.1:3306"].Variables["wsrep_sync_wait"] = "1"
				s.Answers["10.0.0.2:3306"].Variables["wsrep_sync_wait"] = "1"
			}, warnings: []string{"wsrep_sync_wait is on"},
		},
		{
			name: "versions differ", change: func(s *sighting) { s.View.Nodes[1].Status.Server.Version = "10.6.1-MariaDB" },
			warnings: []string{"different versions: 10.11.19-MariaDB on 10.0.0.1:3306, 10.0.0.3:3306; 10.6.1-MariaDB on 10.0.0.2:3306"},
		},
		{
			name: "other engines", change: func(s *sighting) {
				a := s.Answers["10.0.0.1:3306"]
				a.Tables = make([]string, 23)
				for i := range a.Tables {
					a.Tables[i] = "shop.old (MyISAM)"
				}
				s.Answers["10.0.0.1:3306"] = a
			}, warnings: []string{"shop.old (MyISAM) and 3 more"},
		},
		{
			name: "the tables cannot be seen", change: func(s *sighting) {
				a := s.Answers["10.0.0.1:3306"]
				a.Blind = &cluster.TablesGrant{Account: "'monitor'@'%'"}
				s.Answers["10.0.0.1:3306"] = a
			}, warnings: []string{"may not see which tables there are"},
		},
		{
			name: "an unfinished look", change: func(s *sighting) { s.Complete = false }, warnings: []string{"time was up"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := sound()
			test.change(s)
			r := judge(c, s)
			compare(t, "error", r.Errors, test.errors)
			compare(t, "warning", r.Warnings, test.warnings)
			var out bytes.Buffer
			r.print(&out)
			for _, f := range append(r.Errors, r.Warnings...) {
				if !strings.Contains(out.String(), f.Text) {
					t.Errorf("not printed: %s", f.Text)
				}
			}
			if strings.Contains(out.String(), "hush") {
				t.Error("the password is printed")
			}
		})
	}
}

// compare holds findings against a part of each.
func compare(t *testing.T, what string, got []finding, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%ss: got %q, want parts %q", what, got, want)
	}
	for i := range got {
		if !strings.Contains(got[i].Text, want[i]) {
			t.Errorf("%s %q has no %q", what, got[i].Text, want[i])
		}
	}
}

func TestTheGrantIsNamed(t *testing.T) {
	s := sound()
	s.State = cluster.AccountsState{Err: &cluster.GrantError{Account: "'monitor'@'10.%'"}}
	r := judge(load(t, sections+"[10.0.0.1]"), s)
	if want := "Run on any node: GRANT SELECT ON mysql.global_priv TO 'monitor'@'10.%';"; len(r.Errors) != 1 || r.Errors[0].Do != want {
		t.Errorf("got %q, want %q", r.Errors, want)
	}
}

func TestWhyWriter(t *testing.T) {
	v := sound().View
	if got := whyWriter(v); got != "the first in configured order" {
		t.Errorf("got %q", got)
	}
	v.Writer, v.Nodes[0].Reason = 1, cluster.ReadOnly
	if got := whyWriter(v); !strings.Contains(got, "10.0.0.1:3306: read only") {
		t.Errorf("got %q", got)
	}
}

func TestUnusable(t *testing.T) {
	native := "*" + strings.Repeat("0", 40)
	method := func(plugin, auth string) cluster.AuthMethod {
		return cluster.AuthMethod{Plugin: plugin, AuthString: auth}
	}
	for _, test := range []struct {
		name    string
		account cluster.Account
		want    string // A part; empty if clients can use it.
	}{
		{"native", cluster.Account{Methods: []cluster.AuthMethod{method("mysql_native_password", native)}}, ""},
		{"no password", cluster.Account{Methods: []cluster.AuthMethod{method("mysql_native_password", "")}}, ""},
		{"root of Debian", cluster.Account{Methods: []cluster.AuthMethod{method("mysql_native_password", "invalid"), method("unix_socket", "")}}, "an invalid password or unix_socket"},
		{"socket or native", cluster.Account{Methods: []cluster.AuthMethod{method("unix_socket", ""), method("mysql_native_password", native)}}, ""},
		{"ed25519", cluster.Account{Methods: []cluster.AuthMethod{method("ed25519", "x")}}, "ed25519 cannot be relayed"},
		{"from the configuration", cluster.Account{FromConfig: true, Password: "x"}, ""},
		{"locked", cluster.Account{Locked: true, Methods: []cluster.AuthMethod{method("mysql_native_password", native)}}, "locked"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := unusable(&test.account)
			if got == "" != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestLookEnds: one node is closed, one takes connections and is silent for ever.
func TestLookEnds(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	c := load(t, sections+"["+silent.Addr().String()+", "+closed.Addr().String()+"]")
	began := time.Now()
	s, err := look(t.Context(), c, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 10*time.Second || !s.Complete {
		t.Errorf("took %s, complete %v", took, s.Complete)
	}
	r := judge(c, s)
	if len(r.Errors) != 4 {
		t.Errorf("want two nodes, no writer, no readers: got %q", r.Errors)
	}
	if a, b := s.View.Nodes[0].Reason, s.View.Nodes[1].Reason; a != cluster.ProbeTimeout || b != cluster.Unreachable {
		t.Errorf("got %s and %s", a, b)
	}
}

// TestCheckCommand goes through the command: its exit and what it prints.
func TestCheckCommand(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	var out bytes.Buffer
	cmd := newRoot()
	cmd.SetOut(&out)
	cmd.SetArgs([]string{
		"check", "--timeout", "200ms", "--mysql.listen", "127.0.0.1:0", "--cluster.nodes", closed.Addr().String(), "--cluster.monitor.user", "monitor",
		"--cluster.monitor.password", "hush",
	})
	err = cmd.ExecuteContext(t.Context())
	if _, told := errors.AsType[*toldError](err); !told {
		t.Errorf("got the error %v", err)
	}
	for _, want := range []string{"is valid", closed.Addr().String(), "unreachable", "Writer:", "Errors:"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("not printed: %s\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "hush") {
		t.Errorf("the password is printed:\n%s", out.String())
	}
}
