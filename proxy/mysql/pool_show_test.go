package mysql

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"galley/config"
	"galley/proxy/mysql/wire"
)

// TestWhoHoldsTheConns: two conns, one kept by a temporary table, one by a transaction, and a third session that waits until it gets an error.
func TestWhoHoldsTheConns(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 1, func(c *config.MySQL) {
			c.Pool.MaxPerNode, c.Pool.MaxPerUser, c.Pool.WaitForConnection = 2, 50, 10*time.Second
		})
		idle, trx, pinned, waits := d.client(), d.client(), d.client(), d.client()
		idle.query("SELECT 1")
		pinned.result("CREATE TEMPORARY TABLE x (a INT)")
		trx.result("BEGIN")
		stats := func() NodeStats { return d.srv.NodeStats(&d.cluster.View().Nodes[0]) }
		done := asking(waits, "SELECT 2")
		time.Sleep(4 * time.Second)
		n := stats()
		want := UserPool{User: "app", Open: 2, Waiting: 1, Max: 50}
		if n.Open != 2 || n.Idle != 0 || n.InUse() != 2 || n.Limit != 2 || n.Waiting != 1 || n.Longest != 4*time.Second || !slices.Equal(n.Users, []UserPool{want}) {
			t.Errorf("while one waits: %+v", n)
		}
		if n.Pinned != 1 || n.InTransaction != 1 || n.Running != 0 || n.Kept != 0 || !slices.Equal(n.PinnedBy, []PinCount{{"temporary_table", 1}}) {
			t.Errorf("what keeps them: %+v", n)
		}
		if st := d.srv.Stats(); st.Queued != 1 || st.Waiting != 0 {
			t.Errorf("%+v", st)
		}
		var rows []string
		for _, r := range d.srv.Sessions(9) {
			rows = append(rows, strings.Join([]string{r.State, r.Pins, strings.Join(r.Holds, "+")}, ","))
		}
		addr := d.n[0].Addr
		if want := []string{"in transaction,," + addr, "idle,temporary_table," + addr, "waiting for a connection,,", "idle,,"}; !slices.Equal(rows, want) {
			t.Errorf("sessions %q, want %q", rows, want)
		}
		waits.failed("SELECT 2", <-done, codeTooManyConnections)
		if n = stats(); n.Waiting != 0 || n.Longest != 0 || n.Timeouts != 1 || !n.LastTimeout.Equal(time.Now()) || n.Waited < 10*time.Second {
			t.Errorf("when it has given up: %+v", n)
		}
		trx.result("COMMIT")
		moved := n.Moved
		waits.query("SELECT 2")
		synctest.Wait() // The conn is given back behind the answer.
		if n = stats(); n.Moved != moved+1 || n.Idle != 1 || n.InTransaction != 0 || n.Opened != 2 || len(n.Users) != 1 || n.Users[0].Idle != 1 {
			t.Errorf("behind the transaction: %+v", n)
		}
		pinned.command(wire.ComResetConnection, "")
		synctest.Wait()
		if n = stats(); n.Idle != 2 || n.Pinned != 0 || d.srv.pinned() != [pinCount]int{} {
			t.Errorf("behind COM_RESET_CONNECTION: %+v", n)
		}
		if got := d.srv.metrics.pins[0].Load(); got != 1 {
			t.Errorf("%d temporary tables counted", got)
		}
	})
}

// TestWhatIsReadForOthers: what a session has left on a conn that another one takes is read first, and counted.
func TestWhatIsReadForOthers(t *testing.T) {
	d := newDoor(t, 1, func(c *config.MySQL) { c.Pool.MaxPerNode = 1 })
	one, other := d.client(), d.client()
	one.result("SET @a=(SELECT 1)")
	other.query("SELECT 1")
	if n := d.srv.NodeStats(&d.cluster.View().Nodes[0]); n.Rescues != 1 {
		t.Errorf("%+v", n)
	}
}

// TestMetricsAreWell: names and help texts as Prometheus wants them, and the figures behind them.
func TestMetricsAreWell(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	c.result("CREATE TEMPORARY TABLE x (a INT)")
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(newCollector(d.srv)); err != nil {
		t.Fatal(err)
	}
	if problems, err := testutil.GatherAndLint(r); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	addr := d.n[0].Addr
	want := map[string]float64{
		"galley_mysql_backend_conns{" + addr + "}": 1, "galley_mysql_backend_conns_in_use{" + addr + "}": 1, "galley_mysql_backend_conns_idle{" + addr + "}": 0,
		"galley_mysql_backend_conns_limit{" + addr + "}": float64(d.srv.limit(&d.cluster.View().Nodes[0])), "galley_mysql_backend_conns_opened_total{" + addr + "}": 1,
		"galley_mysql_sessions_pinned{temporary_table}": 1, "galley_mysql_pins_total{temporary_table}": 1, "galley_mysql_pins_total{user_lock}": 0,
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if len(m.GetLabel()) != 1 {
				continue
			}
			key := f.GetName() + "{" + m.GetLabel()[0].GetValue() + "}"
			if _, ok := want[key]; ok {
				got[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
