package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"galley/cluster"
	"galley/config"
	"galley/proxy/admin"
)

// TestWriterEvents: why the writer was left is never "ok", whatever the node's state was.
func TestWriterEvents(t *testing.T) {
	for _, tt := range []struct {
		event  cluster.Event
		reason cluster.Reason
		text   string
	}{
		{cluster.Event{Kind: cluster.EventWriterChanged, Was: "n1:1", From: cluster.OK, To: cluster.Handover}, cluster.Handover, "no writer: handover"},
		{cluster.Event{Kind: cluster.EventWriterChanged, Was: "n1:1", From: cluster.Unreachable, To: cluster.Unreachable, Detail: "x"}, cluster.Unreachable, "no writer: unreachable (x)"},
		{cluster.Event{Kind: cluster.EventWriterChanged, Addr: "n2:1", From: cluster.LeaseStalled}, cluster.LeaseStalled, "is the writer"},
		{cluster.Event{Kind: cluster.EventWriterChanged, Addr: "n2:1", Was: "n1:1", From: cluster.Switchover}, cluster.Switchover, "is the writer; n1:1 was left: switchover"},
	} {
		if got := writerReason(&tt.event); got != tt.reason {
			t.Errorf("%+v: got the reason %s", tt.event, got)
		}
		if got := eventText(&tt.event); got != tt.text {
			t.Errorf("got %q, want %q", got, tt.text)
		}
	}
}

func TestLastName(t *testing.T) {
	v := &cluster.View{Writer: -1, Nodes: []cluster.Node{{}, {Status: cluster.Status{ClusterName: "shop"}}}}
	if got := lastName(v); got != "shop" {
		t.Errorf("got %q", got)
	}
	if got := lastName(&cluster.View{}); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestNodeAdvice(t *testing.T) {
	for _, tt := range []struct{ err, want string }{
		{"dial tcp: lookup db9.test on 10.0.0.1:53: no such host", "Its name cannot be looked up."},
		{"dial tcp 10.0.0.1:3306: connect: connection refused", "Nothing answers at this address."},
	} {
		if got := nodeAdvice(&cluster.Node{Reason: cluster.Unreachable, Err: tt.err}); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: got %q", tt.err, got)
		}
	}
}

// TestReloadSaysWhatNeedsARestart: a setting that is back to what galley was started with needs none.
func TestReloadSaysWhatNeedsARestart(t *testing.T) {
	boot, changed := &config.Config{}, &config.Config{}
	changed.MySQL.Listen = "127.0.0.1:1"
	for _, tt := range []struct {
		name      string
		old, next *config.Config
		want      string
	}{
		{"away", boot, changed, `[WARN]  changed: setting=mysql.listen from="" to=127.0.0.1:1 effect="needs a restart"`},
		{"back", changed, boot, `[INFO]  changed: setting=mysql.listen from=127.0.0.1:1 to="" effect="needs no restart any more: galley was started with it"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			(&reloads{}).take(hclog.New(&hclog.LoggerOptions{Output: &out, DisableTime: true}), config.Diff(tt.old, tt.next), config.Diff(boot, tt.next))
			if !strings.Contains(out.String(), tt.want) {
				t.Errorf("got %s", out.String())
			}
		})
	}
}

func TestAccountsThatCannotBeRead(t *testing.T) {
	missing := &cluster.GrantError{Account: "'m'@'%'"}
	for _, tt := range []struct {
		name       string
		state      cluster.AccountsState
		configured int
		ready      bool
		severity   string // Empty where there is no problem.
		do         string
	}{
		{"not yet", cluster.AccountsState{}, 0, false, "", ""},
		{"imported", cluster.AccountsState{At: time.Unix(1, 0)}, 0, true, "", ""},
		{"no right", cluster.AccountsState{Err: missing}, 0, false, admin.SeverityError, "GRANT SELECT ON mysql.global_priv TO 'm'@'%'"},
		{"no right, some configured", cluster.AccountsState{Err: missing}, 1, true, admin.SeverityError, "GRANT SELECT"},
		{"no right any more", cluster.AccountsState{At: time.Unix(1, 0), Err: missing}, 0, true, admin.SeverityError, "GRANT SELECT"},
		{"no such table, some configured", cluster.AccountsState{Err: cluster.ErrNoGlobalPriv}, 1, true, admin.SeverityNote, ""},
		{"no such table", cluster.AccountsState{Err: cluster.ErrNoGlobalPriv}, 0, false, admin.SeverityError, "log"},
		{"rights unseen", cluster.AccountsState{At: time.Unix(1, 0), Unseen: missing}, 0, true, admin.SeverityNote, "GRANT SELECT"},
	} {
		ready, why := haveAccounts(tt.state, tt.configured)
		if ready != tt.ready || ready != (why == "") || strings.Contains(tt.do, "'m'") != strings.Contains(why, "refused") {
			t.Errorf("%s: ready %v %q", tt.name, ready, why)
		}
		p := accountProblems(tt.state, tt.configured)
		if tt.severity == "" {
			if len(p) > 0 {
				t.Errorf("%s: %+v", tt.name, p)
			}
		} else if len(p) != 1 || p[0].Severity != tt.severity || !strings.Contains(p[0].Do, tt.do) {
			t.Errorf("%s: %+v", tt.name, p)
		}
	}
}
