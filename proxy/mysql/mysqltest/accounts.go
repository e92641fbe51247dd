package mysqltest

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/hashicorp/go-hclog"

	"galley/cluster"
)

// AccountRow is a row of mysql.global_priv.
type AccountRow struct{ User, Host, Priv string }

// NativeRow is the row of an account with mysql_native_password, from every host.
func NativeRow(user, password string) AccountRow {
	stored := ""
	if password != "" {
		stored = gomysql.EncodePasswordHex(gomysql.NativePasswordHash([]byte(password)))
	}
	return AccountRow{User: user, Host: "%", Priv: `{"access":0,"plugin":"mysql_native_password","authentication_string":"` + stored + `"}`}
}

// ImportAccounts has package cluster import the rows, with the configured accounts besides, and gives the result.
func ImportAccounts(tb testing.TB, configured []cluster.ConfiguredAccount, rows ...AccountRow) *cluster.AccountSet {
	tb.Helper()
	n := NewNode(tb, "accounts", 99)
	n.On("SHOW GLOBAL STATUS", healthy)
	n.On("CHECKSUM TABLE", func(c *Conn, _ *Command) error {
		c.Rows([]string{"Table", "Checksum"}, []string{"mysql.global_priv", "1"})
		return nil
	})
	n.On("SELECT User, Host, Priv FROM mysql.global_priv", func(c *Conn, _ *Command) error {
		cells := make([][]string, 0, len(rows))
		for _, r := range rows {
			cells = append(cells, []string{r.User, r.Host, r.Priv})
		}
		c.Rows([]string{"User", "Host", "Priv"}, cells...)
		return nil
	})
	ctx, cancel := context.WithCancel(tb.Context())
	m, err := cluster.New(cluster.Options{
		Settings: cluster.Settings{
			Nodes: []cluster.ConfiguredNode{{Addr: "127.0.0.1:3306", Weight: 1}}, User: "monitor", Interval: time.Second, ProbeTimeout: 10 * time.Second,
			AccountsInterval: time.Minute, Limits: cluster.Limits{QueueLow: 0.25, QueueHigh: 0.75},
		},
		Logger: hclog.NewNullLogger(),
		Dial:   func(context.Context, string, string) (net.Conn, error) { return n.Dial() },
	})
	if err != nil {
		cancel()
		tb.Fatal(err)
	}
	a, err := cluster.NewAccounts(cluster.AccountsOptions{Monitor: m, Configured: configured, Logger: hclog.NewNullLogger()})
	if err != nil {
		cancel()
		tb.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { _ = m.Run(ctx) })
	for changed := m.Changed(); m.View().PickReader() == nil; changed = m.Changed() {
		if m.View().PickReader() != nil {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			tb.Fatal(ctx.Err())
		}
	}
	wg.Go(func() { _ = a.Run(ctx) })
	if err := a.Refresh(ctx); err != nil {
		tb.Fatal("importing accounts from a fake node: ", err)
	}
	return a.Snapshot()
}

// healthy answers the monitor's probe as a cluster of one.
func healthy(c *Conn, _ *Command) error {
	c.More = true
	c.Rows([]string{"Variable_name", "Value"}, [][]string{
		{"wsrep_local_state", "4"},
		{"wsrep_cluster_status", "Primary"},
		{"wsrep_ready", "ON"},
		{"wsrep_connected", "ON"},
		{"wsrep_cluster_conf_id", "1"},
		{"wsrep_cluster_state_uuid", "0254d829-e633-11f1-8fbc-3a59d4a15cbf"},
		{"wsrep_cluster_size", "1"},
		{"wsrep_local_index", "0"},
		{"wsrep_local_recv_queue", "0"},
		{"wsrep_local_send_queue", "0"},
		{"wsrep_flow_control_paused_ns", "0"},
		{"wsrep_last_committed", "1"},
		{"wsrep_gcomm_uuid", "0254d829-e633-11f1-8fbc-3a59d4a15cbf"},
		{"wsrep_incoming_addresses", "127.0.0.1:3306"},
		{"threads_running", "1"},
		{"threads_connected", "1"},
		{"uptime", "100"},
	}...)
	c.More = false
	c.Rows([]string{"Variable_name", "Value"}, [][]string{
		{"version", "10.11.19-MariaDB"},
		{"wsrep_on", "ON"},
		{"wsrep_cluster_name", "test"},
		{"wsrep_node_name", "n"},
		{"max_connections", "151"},
		{"wsrep_provider_options", "gcs.fc_factor = 1.0; gcs.fc_limit = 16; "},
		{"read_only", "OFF"},
		{"wsrep_desync", "OFF"},
		{"wsrep_reject_queries", "NONE"},
		{"wsrep_sst_donor_rejects_queries", "OFF"},
		{"wsrep_node_incoming_address", "127.0.0.1:3306"},
		{"skip_name_resolve", "ON"},
		{"wait_timeout", "28800"},
		{"lower_case_table_names", "0"},
		{"default_password_lifetime", "0"},
		{"max_allowed_packet", "16777216"},
	}...)
	return nil
}

// Accounts is a set of accounts that tests change. It is safe for use by many goroutines.
type Accounts struct {
	set       atomic.Pointer[cluster.AccountSet]
	next      atomic.Pointer[cluster.AccountSet]
	refreshes atomic.Int64
	failure   atomic.Pointer[error]
}

// NewAccounts gives what the door asks for accounts.
func NewAccounts(set *cluster.AccountSet) *Accounts {
	a := &Accounts{}
	a.set.Store(set)
	return a
}

// OnRefresh has the next import bring another set.
func (a *Accounts) OnRefresh(set *cluster.AccountSet) { a.next.Store(set) }

// Set replaces the accounts.
func (a *Accounts) Set(set *cluster.AccountSet) { a.set.Store(set) }

// FailRefresh has imports fail.
func (a *Accounts) FailRefresh(err error) { a.failure.Store(&err) }

// Refreshes is how often an import was asked for.
func (a *Accounts) Refreshes() int { return int(a.refreshes.Load()) }

// Snapshot implements the door's Accounts.
func (a *Accounts) Snapshot() *cluster.AccountSet { return a.set.Load() }

// Refresh implements the door's Accounts.
func (a *Accounts) Refresh(context.Context) error {
	a.refreshes.Add(1)
	if err := a.failure.Load(); err != nil {
		return *err
	}
	if next := a.next.Load(); next != nil {
		a.set.Store(next)
	}
	return nil
}

// Variables says which system variables are set without quotes; those that it does not have are unknown.
type Variables map[string]cluster.VariableKind

// Find implements the door's Variables.
func (v Variables) Find(name string) (cluster.Variable, bool) {
	kind, ok := v[name]
	return cluster.Variable{Name: name, Kind: kind, Session: true}, ok
}
