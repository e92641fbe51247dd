package mysql

import (
	"testing"

	"github.com/hashicorp/go-hclog"

	"galley/cluster"
	"galley/proxy/mysql/mysqltest"
)

// engines gives the door what it knows of tables that are not replicated: at first, that there are none.
func (d *door) engines() *cluster.Engines {
	d.tb.Helper()
	m, err := cluster.New(cluster.Options{Settings: cluster.Settings{
		Nodes: []cluster.ConfiguredNode{{Addr: "127.0.0.1:3306", Weight: 1}}, User: "monitor", Interval: 1, ProbeTimeout: 1, AccountsInterval: 1, Limits: cluster.Limits{QueueHigh: 1},
	}, Logger: hclog.NewNullLogger()})
	if err != nil {
		d.tb.Fatal(err)
	}
	e, err := cluster.NewEngines(m, hclog.NewNullLogger())
	if err != nil {
		d.tb.Fatal(err)
	}
	d.srv.mu.Lock()
	defer d.srv.mu.Unlock()
	d.srv.engines = e // Sessions that begin behind it see it.
	return e
}

func TestReadsOfTablesThatAreNotReplicated(t *testing.T) {
	d := newDoor(t, 2)
	e := d.engines()
	c := d.client(mysqltest.Login{User: "app", Password: "secret", Schema: "web"})
	if got := c.query("SELECT 1"); got != "n2" {
		t.Fatalf("the read ran on %s", got)
	}
	e.Saw("Shop")
	for sql, want := range map[string]string{
		"SELECT a FROM t":                                  "n2",
		"SELECT a FROM workshop.t":                         "n2",
		"SELECT a FROM SHOP.t":                             "n1",
		"SELECT a FROM `shop`.t, web.t":                    "n1",
		"/* galley:reader */ SELECT a FROM shop.t":         "n1",
		"SELECT a FROM t WHERE b = 'in the shop'":          "n1", // To be sure.
		"WITH c AS (SELECT 1 FROM shop.u) SELECT 1 FROM c": "n1",
	} {
		if got := c.query(sql); got != want {
			t.Errorf("%s ran on %s, want %s", sql, got, want)
		}
	}
	p, err := c.Prepare("SELECT a FROM shop.t")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := c.Execute(p); err != nil || r.Value() != "n1" {
		t.Errorf("the prepared statement ran on %v, %v", r, err)
	}
	c.result("USE shop")
	inShop, err := c.Prepare("SELECT a FROM u")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.query("SELECT a FROM u"); got != "n1" {
		t.Errorf("a read in the schema ran on %s", got)
	}
	if got := c.on("START TRANSACTION READ ONLY"); got != "n1" {
		t.Errorf("the transaction began on %s", got)
	}
	c.result("COMMIT")
	c.result("USE web")
	if got := c.query("SELECT a FROM u"); got != "n2" {
		t.Errorf("a read in another schema ran on %s", got)
	}
	if r, err := c.Execute(inShop); err != nil || r.Value() != "n1" {
		t.Errorf("a statement prepared in the schema ran on %v, %v", r, err)
	}
}

func TestDefinitionsTellOfEngines(t *testing.T) {
	for _, test := range []struct {
		first, sql string
		prepare    bool
		local      string
	}{
		{sql: "CREATE TABLE t (a INT) ENGINE=MyISAM", local: "web"},
		{sql: "CREATE TABLE shop.t (a INT) ENGINE = 'Aria'", local: "shop"},
		{sql: "ALTER TABLE t ENGINE=Memory", local: "web"},
		{sql: "ALTER TABLE t ENGINE=Memory", prepare: true, local: "web"},
		{sql: "/*!50000 CREATE TABLE t (a INT) ENGINE=MyISAM */", local: "web"},
		{sql: "SELECT 1; CREATE TABLE t (a INT) ENGINE=MyISAM", local: "web"},
		{first: "SET default_storage_engine=MyISAM", sql: "CREATE TABLE t (a INT)", local: "web"},
		{sql: "CREATE TABLE t (a INT)"},
		{sql: "CREATE TABLE t (a INT) ENGINE=InnoDB"},
		{first: "SET default_storage_engine=InnoDB", sql: "CREATE TABLE t (a INT)"},
		{sql: "INSERT INTO t VALUES ('ENGINE=MyISAM')"},
		{sql: "CREATE TEMPORARY TABLE t (a INT) ENGINE=MyISAM"},
	} {
		t.Run(test.sql, func(t *testing.T) {
			d := newDoor(t, 2)
			e := d.engines()
			c := d.client(mysqltest.Login{User: "app", Password: "secret", Schema: "web"})
			if test.first != "" {
				c.result(test.first)
			}
			if test.prepare {
				p, err := c.Prepare(test.sql)
				if err == nil {
					_, err = c.Execute(p)
				}
				if err != nil {
					t.Fatal(err)
				}
			} else {
				c.result(test.sql)
			}
			if set := e.Snapshot(); test.local == "" && set.Any() || test.local != "" && !set.Local(test.local) {
				t.Errorf("schemas %q, want %q", set.Schemas(), test.local)
			}
		})
	}
}
