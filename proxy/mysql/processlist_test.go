package mysql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"galley/cluster"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// listThreads has a node list its threads: one of the system, another client's, and its conns with what they run.
func listThreads(n *mysqltest.Node) {
	reply := func(c *mysqltest.Conn, cmd *mysqltest.Command) error {
		rows := [][]string{
			{"1", "system user", "", "", "Sleep", "99", "wsrep applier idle", "", "0.000"},
			{"7", "batch", "10.0.0.9:1", "app", "Query", "3", "Sending data", "SELECT 7", "0.000"},
		}
		for _, th := range n.Threads() {
			text := "SELECT SLOW of " + n.Name
			if th == c.Thread {
				text = cmd.Text
			}
			rows = append(rows, []string{strconv.Itoa(int(th)), "app", "galley:1", "", "Query", "1", "Sending data", text, "0.000"})
		}
		c.Rows([]string{"Id", "User", "Host", "db", "Command", "Time", "State", "Info", "Progress"}, rows...)
		return nil
	}
	n.On("SHOW", reply)
	n.On("show", reply)
	n.On("COM_PROCESS_INFO", reply)
}

// listed runs a statement and gives the rows by their ids.
func listed(t *testing.T, c *testClient, sql string) map[string][]string {
	t.Helper()
	r := c.result(sql)
	return byID(t, r)
}

func byID(t *testing.T, r *mysqltest.Result) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	for _, p := range r.Sets[0].Rows {
		vs, ok := values(append(make([]byte, wire.HeaderLen), p...))
		if !ok {
			t.Fatalf("row %q", p)
		}
		var row []string
		for _, v := range vs {
			if v.null {
				v.text = "NULL"
			}
			row = append(row, v.text)
		}
		rows[row[0]] = row
	}
	return rows
}

func TestProcessList(t *testing.T) {
	set := mysqltest.ImportAccounts(t, []cluster.ConfiguredAccount{}, mysqltest.NativeRow("app", "secret"), mysqltest.NativeRow("other", "word"),
		mysqltest.AccountRow{User: "dba", Host: "%", Priv: `{"access":256,` + mysqltest.NativeRow("dba", "top").Priv[len(`{"access":0,`):]})
	for _, caps := range []wire.Capability{mysqltest.PlainCaps, mysqltest.TrackingCaps} {
		t.Run(fmt.Sprintf("%x", uint64(caps)), func(t *testing.T) {
			d := newSocketDoor(t, 2)
			d.accounts.Set(set)
			for _, n := range d.n {
				n.On("SELECT SLOW", mysqltest.Hang())
				listThreads(n)
			}
			c := d.client(mysqltest.Login{User: "app", Password: "secret", Schema: "shop", Caps: caps})
			idle, reading, stranger := d.client(), d.client(), d.client(mysqltest.Login{User: "other", Password: "word"})
			c.result("INSERT INTO t VALUES (1)")
			asking(reading, "SELECT SLOW")
			d.n[1].Await(t, "SELECT SLOW")
			id := func(c *testClient) string { return strconv.FormatUint(uint64(c.Greeting.ThreadID), 10) }
			rows := listed(t, c, "SHOW FULL PROCESSLIST")
			if len(rows) != 5 {
				t.Errorf("%d rows: %q", len(rows), rows)
			}
			for _, node := range []string{"1", "7"} {
				if rows[node] == nil {
					t.Errorf("thread %s of the node is not shown", node)
				}
			}
			host := func(c *testClient) string { return c.LocalAddr() }
			for who, want := range map[*testClient][]string{
				c:       {id(c), "app", host(c), "shop", "Query", "0", "starting", "SHOW FULL PROCESSLIST", "0.000"},
				idle:    {id(idle), "app", host(idle), "NULL", "Sleep", "0", "", "NULL", "0.000"},
				reading: {id(reading), "app", host(reading), "NULL", "Query", "0", "Sending data", "SELECT SLOW of n2", "0.000"},
			} {
				got := rows[id(who)]
				if len(got) > 5 {
					got[5] = "0"
				}
				if !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			if rows := listed(t, stranger, "show processlist"); rows[id(c)] != nil || rows[id(stranger)] == nil {
				t.Errorf("the stranger sees %q", rows)
			}
			dba := d.client(mysqltest.Login{User: "dba", Password: "top"})
			rows = listed(t, dba, "SHOW PROCESSLIST")
			for _, who := range []*testClient{c, idle, reading, stranger, dba} {
				if rows[id(who)] == nil {
					t.Errorf("the DBA sees %q", rows)
				}
			}
			if err := c.Send(wire.ComProcessInfo, ""); err != nil {
				t.Fatal(err)
			}
			r, err := c.Read()
			if err != nil {
				t.Fatal(err)
			}
			if rows := byID(t, r); rows[id(c)][7] != "NULL" || rows[id(idle)] == nil {
				t.Errorf("COM_PROCESS_INFO: %q", rows)
			}
			d.n[0].On("SHOW", mysqltest.Fail(1227, "Access denied"))
			c.fails("SHOW PROCESSLIST", 1227)
			c.query("SELECT 1")
		})
	}
}

func TestShortened(t *testing.T) {
	long := strings.Repeat("é", 101)
	if got := shortened(long, false); got != long[:200] || shortened(long, true) != long || shortened("a", false) != "a" {
		t.Errorf("%d bytes", len(got))
	}
}
