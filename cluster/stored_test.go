package cluster

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestStoredSet(t *testing.T) {
	s := newStoredSet([]storedBody{
		{"outer", "BEGIN CALL Guard(1); END"},
		{"guard", "DO Get_Lock('a', 1)"},
		{"zone", "BEGIN SET @@time_zone = '+01:00', @@`sql_mode` := '', @@session.lc_messages = 'de_DE'; SELECT @@autocommit; END"},
		{"both", "BEGIN CALL zone(); RETURN guard(); END"},
		{"t_log", "SET @x = get_lock('b', 0)"},
		{"plain", "SELECT 'guards', zoned FROM t"},
	})
	for text, want := range map[string]struct {
		locks bool
		sets  []string
	}{
		"CALL outer()":                   {locks: true},
		"CALL `d`.`OUTER`()":             {locks: true},
		"CALL zone()":                    {sets: []string{"time_zone", "sql_mode"}},
		"SELECT both(1)":                 {locks: true, sets: []string{"time_zone", "sql_mode"}},
		"INSERT INTO t_log VALUES (1)":   {locks: true},
		"INSERT INTO t_logs VALUES (1)":  {},
		"CALL plain()":                   {},
		"SELECT guardian, zone1 FROM t2": {},
	} {
		locks, sets := s.Find([]byte(text))
		if locks != want.locks || !slices.Equal(sets, want.sets) {
			t.Errorf("%s: %t %v", text, locks, sets)
		}
	}
	none := newStoredSet([]storedBody{{"plain", "SELECT 1"}})
	if n := testing.AllocsPerRun(100, func() { none.Find([]byte("CALL plain()")) }); n != 0 || len(none.deeds) != 0 {
		t.Errorf("%v allocations, %v", n, none.deeds)
	}
}

func TestDefinedWord(t *testing.T) {
	for text, want := range map[string]string{
		"CREATE PROCEDURE p() SELECT 1":                                    "p",
		"create or replace definer=`a`@`b` function IF NOT EXISTS `My F`(": "my f",
		"CREATE PROCEDURE shop . `take`(n INT) BEGIN END":                  "take",
		"CREATE TRIGGER trg BEFORE INSERT ON shop.`orders` FOR EACH ROW":   "orders",
		"CREATE TRIGGER trg":                        "",
		"CREATE ALGORITHM=MERGE VIEW v AS SELECT 1": "v",
		"CREATE TABLE t (a INT)":                    "",
		"CALL p()":                                  "",
		"CREATE FUNCTION `a":                        "",
		"/* shop */ CREATE\nFUNCTION\tf() RETURNS INT RETURN GET_LOCK('a',1)": "f",
	} {
		if got := definedWord([]byte(text)); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
	known := newStoredSet([]storedBody{{"guard", "DO GET_LOCK('a', 1)"}})
	for text, want := range map[string]bool{
		"CREATE FUNCTION f() RETURNS INT RETURN GET_LOCK('a',1)": true,
		"CREATE PROCEDURE p() SET @@time_zone='+01:00'":          true,
		"CREATE PROCEDURE p() CALL guard()":                      true,
		"CREATE PROCEDURE p() SELECT @@time_zone":                false,
		"CREATE TABLE guard (a INT)":                             false,
	} {
		if got := known.Defined([]byte(text)); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

// FuzzStored: whatever a text is, what is found in it can stand in a list of names.
func FuzzStored(f *testing.F) {
	for _, text := range []string{"SET @@a=1", "SET @@`b` := 2, @@session.c=3, @@", "CREATE FUNCTION a.`b`.\"c\" ON", "CREATE TRIGGER t AFTER INSERT ON d.t", "CREATE VIEW exists v", "@@\xc3\xa9="} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, name := range Unscoped(text) {
			if name == "" || slices.ContainsFunc([]byte(name), func(b byte) bool { return b == '\'' || b == '\\' || b >= 0x80 }) {
				t.Errorf("%q", name)
			}
		}
		newStoredSet([]storedBody{{definedWord(text), string(text)}}).Find(text)
	})
}

// TestStoredIsImported, and what clients define counts at once.
func TestStoredIsImported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1)
		n := net.nodes[addr1]
		n.mu.Lock()
		n.rows = map[string][][]string{
			grantsQuery: {{seesAll}}, LocalTablesQuery: nil, seedsQuery: {{"1"}}, routinesQuery: {{"d", "guard", "DO GET_LOCK('a', 1)"}, {"d", "plain", "SELECT 1"}},
			viewsQuery: {{"d", "v", "select guard()"}, {"d", "hidden", ""}}, triggersQuery: {{"d", "t", "SET @@time_zone='+01:00'"}},
		}
		n.mu.Unlock()
		m := runMonitor(t, net, testSettings(addr1))
		e := runEngines(t, m.Monitor)
		after(2 * time.Second)
		const lock = "CREATE PROCEDURE p() DO GET_LOCK('a', 1)"
		e.Stores([]byte(lock))
		for text, want := range map[string]bool{"CALL guard()": true, "SELECT * FROM v": true, "SELECT * FROM hidden": false, "CALL plain()": false, "CALL p()": true} {
			if locks, sets := e.Stored().Find([]byte(text)); locks != want || len(sets) != 0 {
				t.Errorf("%s: %t %v", text, locks, sets)
			}
		}
		e.Stores([]byte("CREATE OR REPLACE PROCEDURE p() SET @@sql_mode=''"))
		after(time.Minute)
		if locks, sets := e.Stored().Find([]byte("CALL p()")); locks || !slices.Equal(sets, []string{"sql_mode"}) {
			t.Errorf("defined anew: %t %v", locks, sets)
		}
		if _, sets := e.Stored().Find([]byte("INSERT INTO t VALUES (1)")); !slices.Equal(sets, []string{"time_zone"}) || e.State().Err != nil {
			t.Errorf("by a trigger: %v, %v", sets, e.State().Err)
		}
	})
}
