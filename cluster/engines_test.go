package cluster

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

func TestEngineSet(t *testing.T) {
	tables := []LocalTable{{"Shop", "old", "MyISAM"}, {"shop", "log", "Aria"}}
	views := []localView{
		{"plain", "fine", "select `plain`.`t`.`a` AS `a` from `plain`.`t`"},
		{"plain", "mixed", "select `shop`.`old`.`a` AS `a` from `shop`.`old`"},
		{"plain", "upon", "select `mixed`.`a` AS `a` from `plain`.`mixed`"},
		{"plain", "hidden", ""},
		{"shop", "own", "select 1 AS `1`"},
	}
	e := newEngineSet(tables, views, []string{"noted"})
	for schema, want := range map[string]bool{"shop": true, "SHOP": true, "noted": true, "plain": false, "": false, "shops": false} {
		if e.Local(schema) != want {
			t.Errorf("Local(%q) is %v", schema, !want)
		}
	}
	for text, want := range map[string]bool{
		"SELECT * FROM shop.old":                 true,
		"SELECT * FROM `Shop` . `old`":           true,
		"SELECT * FROM Noted.t":                  true,
		"SELECT * FROM mixed":                    true,
		"SELECT * FROM plain.UPON":               true,
		"SELECT * FROM hidden h":                 true,
		"SELECT * FROM fine":                     false,
		"SELECT * FROM workshop.old, shops.t":    false,
		"SELECT shop_id, $shop, own FROM t":      false,
		"SELECT * FROM shop\xc3\xa9":             false,
		"shop":                                   true,
		"":                                       false,
		"SELECT '\xc3\xa9' FROM plain.t, `fine`": false,
	} {
		if e.Named([]byte(text)) != want {
			t.Errorf("Named(%q) is %v", text, !want)
		}
	}
	if e.Count != 2 || len(e.Tables) != 2 || !slices.Equal(e.Schemas(), []string{"noted", "shop"}) {
		t.Errorf("set %+v", e)
	}
	none := newEngineSet(nil, views, nil)
	if none.Any() || none.Named([]byte("SELECT * FROM hidden")) {
		t.Error("views alone are nothing to look for")
	}
	for _, schema := range []string{"a`b", "geschäft"} {
		if !newEngineSet([]LocalTable{{schema, "t", "MyISAM"}}, nil, nil).Named([]byte("SELECT 'gesch\xe4ft'")) {
			t.Errorf("a schema %q may be written in several ways", schema)
		}
	}
	if n := testing.AllocsPerRun(100, func() { e.Named([]byte("SELECT a FROM fine WHERE b = 'workshop'")); e.Local("plain") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestDefines(t *testing.T) {
	known := newEngineSet([]LocalTable{{"old", "t", "MyISAM"}}, nil, nil)
	for _, c := range []struct {
		set     *EngineSet
		sql     string
		engine  string
		schemas []string
		changed bool
	}{
		{&EngineSet{}, "CREATE TABLE t (a INT)", "InnoDB", nil, false},
		{&EngineSet{}, "CREATE TABLE t (a INT) ENGINE=InnoDB", "", nil, false},
		{&EngineSet{}, "CREATE TABLE t (a INT) engine = `innodb`", "InnoDB", nil, false},
		{&EngineSet{}, "CREATE TABLE t (engine VARCHAR(9), engine_x INT)", "InnoDB", nil, false},
		{&EngineSet{}, "CREATE TABLE t (engine INT) ENGINE=MyISAM", "InnoDB", []string{"web"}, true},
		{&EngineSet{}, "CREATE TABLE shop.t (a INT) /*!40100 ENGINE=Aria */", "", []string{"shop", "web"}, true},
		{&EngineSet{}, "ALTER TABLE `sh op`.`t` ENGINE Memory", "", []string{"sh op", "web"}, true},
		{&EngineSet{}, "CREATE TABLE t (a INT) ENGINE /* x */ = MyISAM", "InnoDB", []string{"web"}, true},
		{&EngineSet{}, "CREATE TABLE t (a INT)", "MyISAM", []string{"web"}, true},
		{&EngineSet{}, "CREATE TABLE t LIKE u", "InnoDB", nil, false},
		{known, "CREATE TABLE t LIKE u", "InnoDB", nil, false},
		{known, "CREATE TABLE t LIKE old.t", "InnoDB", []string{"old", "web"}, true},
		{known, "RENAME TABLE old.t TO \"other\" . t", "InnoDB", []string{"old", "other", "web"}, true},
		{known, "CREATE VIEW v AS SELECT a FROM old.t", "InnoDB", []string{"old", "web"}, true},
		{known, "DROP TABLE old.t", "InnoDB", nil, true},
		{known, "DROP TABLE t", "InnoDB", nil, false},
	} {
		schemas, changed := c.set.Defines([]byte(c.sql), "web", c.engine)
		if !slices.Equal(schemas, c.schemas) || changed != c.changed {
			t.Errorf("%s (%s): %q, %v", c.sql, c.engine, schemas, changed)
		}
	}
}

func FuzzEngineNames(f *testing.F) {
	f.Add([]byte("CREATE TABLE `a`.b LIKE c.d"), "a")
	f.Fuzz(func(_ *testing.T, sql []byte, schema string) {
		e := newEngineSet([]LocalTable{{schema, "t", "MyISAM"}}, []localView{{"v", schema, string(sql)}}, nil)
		e.Named(sql)
		e.Defines(sql, schema, "")
	})
}

func TestSeesTables(t *testing.T) {
	for line, want := range map[string]bool{
		"GRANT USAGE ON *.* TO `monitor`@`%` IDENTIFIED BY PASSWORD '*A'": false,
		"GRANT SHOW DATABASES, PROCESS ON *.* TO `monitor`@`%`":           false,
		"GRANT PROCESS, SHOW VIEW ON *.* TO `monitor`@`%`":                true,
		"GRANT ALL PRIVILEGES ON *.* TO `root`@`%` WITH GRANT OPTION":     true,
		"GRANT SELECT ON `mysql`.* TO `monitor`@`%`":                      false,
		"GRANT SELECT ON `mysql`.`global_priv` TO `monitor`@`%`":          false,
		"GRANT SHOW VIEW ON `shop`.* TO `monitor`@`%`":                    true,
		"GRANT SELECT (`a`) ON `shop`.`t` TO `monitor`@`%`":               false,
		"GRANT `SELECT` TO `monitor`@`%`":                                 false,
		"SET DEFAULT ROLE `r` FOR `monitor`@`%`":                          false,
	} {
		if seesTables(line) != want {
			t.Errorf("%s: %v", line, !want)
		}
	}
}

// setTables scripts what the node says of its tables.
func (n *fakeNode) setTables(grant string, tables, views [][]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rows = map[string][][]string{grantsQuery: {{grant}}, LocalTablesQuery: tables, viewsQuery: views}
}

func runEngines(t *testing.T, m *Monitor) *Engines {
	t.Helper()
	e, err := NewEngines(m, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = e.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return e
}

const seesAll = "GRANT SHOW VIEW ON *.* TO `monitor`@`10.%`"

func TestEnginesAreImported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1, addr2)
		for _, n := range net.nodes {
			n.setTables(seesAll, nil, nil)
		}
		m := runMonitor(t, net, testSettings(addr1, addr2))
		e := runEngines(t, m.Monitor)
		after(2 * time.Second)
		if s := e.State(); s.Err != nil || s.Blind != nil || s.At.IsZero() || e.Snapshot().Any() {
			t.Fatalf("state %+v", s)
		}
		for _, n := range net.nodes {
			n.setTables(seesAll, [][]string{{"shop", "old", "MyISAM"}}, [][]string{{"web", "v", ""}})
		}
		after(31 * time.Second)
		set := e.Snapshot()
		if !set.Local("shop") || !set.Named([]byte("select * from v")) || set.Tables[0].String() != "shop.old (MyISAM)" {
			t.Fatalf("set %+v", set)
		}
		after(65 * time.Second)
		if e.Snapshot() != set {
			t.Error("another snapshot although nothing has changed")
		}
		// Another writer is asked at once.
		net.nodes[addr2].setTables(seesAll, nil, nil)
		net.nodes[addr1].kill()
		net.nodes[addr2].set(map[string]string{"wsrep_cluster_conf_id": "4", "wsrep_cluster_size": "1", "wsrep_incoming_addresses": addr2})
		after(20 * time.Second)
		if e.Snapshot().Any() {
			t.Errorf("after a change of the writer: %+v, view %+v", e.Snapshot(), m.View().Writer)
		}
	})
}

func TestEnginesSaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1)
		n := net.nodes[addr1]
		n.setTables(seesAll, nil, nil)
		m := runMonitor(t, net, testSettings(addr1))
		e := runEngines(t, m.Monitor)
		after(2 * time.Second)
		resume := n.hang()
		e.Refresh() // This import begins before the statement that follows, and sees nothing of it.
		after(100 * time.Millisecond)
		e.Saw("Shop", "")
		if !e.Snapshot().Local("shop") {
			t.Error("what was seen does not count at once")
		}
		resume()
		after(500 * time.Millisecond)
		if !e.Snapshot().Local("shop") {
			t.Error("an import that began before the statement takes it back")
		}
		n.setTables(seesAll, [][]string{{"shop", "old", "MyISAM"}}, nil)
		after(3 * time.Second)
		if !e.Snapshot().Local("shop") || e.Snapshot().Count != 1 {
			t.Errorf("the import does not see it: %+v", e.Snapshot())
		}
		n.setTables(seesAll, nil, nil)
		e.Refresh()
		after(2 * time.Second)
		if e.Snapshot().Any() {
			t.Error("it is gone and still counts")
		}
	})
}

func TestEnginesBlind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1)
		net.nodes[addr1].setTables("GRANT USAGE ON *.* TO `monitor`@`10.%`", nil, nil)
		m := runMonitor(t, net, testSettings(addr1))
		e := runEngines(t, m.Monitor)
		e.Saw("shop")
		after(time.Minute)
		if s := e.State(); s.Err != nil || s.Blind == nil || s.Blind.Grant() != "GRANT SHOW VIEW ON *.* TO 'monitor'@'10.%'" {
			t.Errorf("state %+v", s)
		}
		if !e.Snapshot().Local("shop") {
			t.Error("an import that sees nothing takes back what was seen")
		}
	})
}
