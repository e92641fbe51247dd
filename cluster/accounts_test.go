package cluster

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

// runAccounts runs the import until the test ends.
func runAccounts(t *testing.T, m *Monitor, configured ...ConfiguredAccount) *Accounts {
	t.Helper()
	a, err := NewAccounts(AccountsOptions{Monitor: m, Configured: configured, Logger: hclog.NewNullLogger()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return a
}

func (n *fakeNode) setAccounts(rows ...[]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.accounts = rows
}

func TestAccountsAreImported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1, addr2)
		n := net.nodes[addr1]
		for _, node := range net.nodes { // the first import may come before there is a writer
			node.setAccounts([]string{"app", "%", `{"access":1}`}, []string{"role", "", `{"is_role":true}`}, []string{"bad", "%", `{`})
		}
		m := runMonitor(t, net, testSettings(addr1, addr2))
		a := runAccounts(t, m.Monitor, ConfiguredAccount{User: "given", Password: "p"})
		if _, ok := a.Snapshot().Find("given", "10.0.0.9", true); !ok {
			t.Error("the account from the configuration is not there from the start")
		}
		after(time.Second)
		first, ok := a.Snapshot().Find("app", "10.0.0.9", true)
		if !ok || len(a.Snapshot().All()) != 2 {
			t.Fatalf("accounts %+v, %+v", a.Snapshot().All(), a.State())
		}
		snapshot := a.Snapshot()
		after(11 * time.Second)
		if a.Snapshot() != snapshot {
			t.Error("another snapshot although nothing has changed")
		}
		n.setAccounts([]string{"app", "%", `{"access":3}`}, []string{"new", "%", `{}`})
		after(6 * time.Second)
		second, ok := a.Snapshot().Find("app", "10.0.0.9", true)
		if !ok || second == first || second.Fingerprint == first.Fingerprint {
			t.Error("the changed row was not seen")
		}
		if _, ok = a.Snapshot().Find("new", "10.0.0.9", true); !ok {
			t.Error("the new account was not seen")
		}
		a.SetConfigured(nil)
		after(2 * time.Second)
		if _, ok = a.Snapshot().Find("given", "10.0.0.9", true); ok {
			t.Error("an account that was taken out of the configuration is still there")
		}
		if s := a.State(); s.Err != nil || s.Imported != 2 || s.At.IsZero() {
			t.Errorf("state %+v", s)
		}
		n.kill() // the accounts outlive every node
		net.nodes[addr2].kill()
		after(time.Minute)
		if _, ok = a.Snapshot().Find("app", "10.0.0.9", true); !ok || a.State().Err == nil {
			t.Errorf("after the loss of all nodes: %v, state %+v", ok, a.State())
		}
	})
}

func TestAccountsRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1)
		n := net.nodes[addr1]
		m := runMonitor(t, net, testSettings(addr1))
		a := runAccounts(t, m.Monitor)
		after(1500 * time.Millisecond)
		before := n.count(&n.selects)
		n.setAccounts([]string{"app", "%", `{}`})
		start := time.Now()
		var wg sync.WaitGroup
		for range 200 { // a storm of wrong passwords
			wg.Go(func() {
				if err := a.Refresh(t.Context()); err != nil {
					t.Error(err)
				}
				if _, ok := a.Snapshot().Find("app", "10.0.0.9", true); !ok {
					t.Error("Refresh came back without the new account")
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took > 1100*time.Millisecond {
			t.Errorf("took %v", took)
		}
		for range 20 {
			if err := a.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if took, n := time.Since(start), n.count(&n.selects)-before; n > int(took/time.Second)+2 {
			t.Errorf("%d imports in %v", n, took)
		}
		resume := n.hang()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := a.Refresh(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a hung node: %v", err)
		}
		resume()
	})
}

func TestAccountsErrors(t *testing.T) {
	for number, check := range map[uint16]func(error) bool{
		errTableAccess: func(err error) bool {
			e := (*GrantError)(nil)
			return errors.As(err, &e) && e.Grant() == "GRANT SELECT ON mysql.global_priv TO 'monitor'@'10.%'"
		},
		errNoSuchTable: func(err error) bool {
			return errors.Is(err, ErrNoGlobalPriv) && strings.Contains(err.Error(), "mysql.users")
		},
		1105: func(err error) bool { return strings.Contains(err.Error(), addr1) },
	} {
		synctest.Test(t, func(t *testing.T) {
			net := newFakeNet(addr1)
			net.nodes[addr1].selectErr = number
			m := runMonitor(t, net, testSettings(addr1))
			a := runAccounts(t, m.Monitor)
			after(2 * time.Second)
			if err := a.State().Err; err == nil || !check(err) {
				t.Errorf("error %d became %v", number, err)
			}
		})
	}
}

func TestVariables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1, addr2)
		m := runMonitor(t, net, testSettings(addr1, addr2))
		v, err := NewVariables(m.Monitor, hclog.NewNullLogger())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = v.Run(ctx) })
		defer func() { cancel(); wg.Wait() }()
		after(time.Second)
		if v.Len() != 5 {
			t.Fatalf("%d variables", v.Len())
		}
		for name, want := range map[string]VariableKind{
			"sql_mode": TextVariable, "TimeStamp": NumberVariable, "autocommit": BooleanVariable, "wait_timeout": NumberVariable, "nonsense": TextVariable,
		} {
			if got := v.Kind(name); got != want {
				t.Errorf("%s is of kind %v, want %v", name, got, want)
			}
		}
		if x, ok := v.Find("timestamp"); !ok || !x.Session || x.Global || x.ReadOnly {
			t.Errorf("timestamp %+v", x)
		}
		if x, ok := v.Find("version"); !ok || x.Session || !x.Global || !x.ReadOnly {
			t.Errorf("version %+v", x)
		}
	})
}
