package cluster

import (
	"database/sql"
	"testing"
	"testing/synctest"
	"time"
)

// rightsOf folds rows as texts: the table, then name and value by turns.
func rightsOf(rows ...[]string) *rights {
	r := newRights()
	for _, row := range rows {
		if row[0] == privTable {
			r.addRole(row[1], row[2])
			continue
		}
		var columns []string
		var cells []sql.NullString
		for i := 1; i < len(row); i += 2 {
			columns = append(columns, row[i])
			cells = append(cells, sql.NullString{String: row[i+1], Valid: true})
		}
		r.add(row[0], columns, cells)
	}
	return r
}

func TestRights(t *testing.T) {
	db := []string{"db", "Host", "%", "Db", "shop", "User", "app", "Select_priv", "Y"}
	chain := [][]string{
		{"roles_mapping", "Host", "%", "User", "app", "Role", "a"},
		{"roles_mapping", "Host", "", "User", "a", "Role", "b"},
		{"roles_mapping", "Host", "", "User", "b", "Role", "a"}, // no server has it; it must end all the same
		{"roles_mapping", "Host", "%", "User", "stranger", "Role", "c"},
	}
	with := func(more ...[]string) [][]string { return append(append([][]string{db}, chain...), more...) }
	base := rightsOf(with()...).of("app")
	for name, c := range map[string]struct {
		rows [][]string
		same bool
	}{
		"nothing":                    {with(), true},
		"in another order":           {append([][]string{chain[3], chain[2], chain[1], chain[0]}, db), true},
		"by somebody else":           {with([]string{"tables_priv", "User", "other", "Table_name", "t"}), true},
		"a stranger's role":          {with([]string{"db", "User", "c", "Db", "x"}), true},
		"when and by whom":           {append(with()[1:], append([]string{"db", "Timestamp", "2026-01-01", "Grantor", "root@%"}, db[1:]...)), true},
		"a right more":               {with([]string{"tables_priv", "User", "app", "Table_name", "t"}), false},
		"a right less":               {chain, false},
		"another value":              {append(chain, []string{"db", "Host", "%", "Db", "shop", "User", "app", "Select_priv", "N"}), false},
		"in another table":           {append(chain, append([]string{"tables_priv"}, db[1:]...)), false},
		"of a role":                  {with([]string{"db", "User", "a", "Db", "x"}), false},
		"of a role of a role":        {with([]string{"columns_priv", "User", "b", "Db", "x"}), false},
		"of the row of a role":       {with([]string{privTable, "b", `{"access":1,"is_role":true}`}), false},
		"of everyone":                {with([]string{"db", "User", "", "Db", "test%"}), false},
		"of PUBLIC":                  {with([]string{"db", "User", "PUBLIC", "Db", "x"}), false},
		"a role taken away":          {with()[:1], false},
		"a role of a role, in a row": {with([]string{"roles_mapping", "Host", "", "User", "b", "Role", "d"}), false},
	} {
		if got := rightsOf(c.rows...).of("app"); (got == base) != c.same {
			t.Errorf("%s: the same sum %v, want %v", name, got == base, c.same)
		}
	}
}

// TestFingerprintFollowsRights: a GRANT to a user changes its accounts, imported or configured, and no other; what has not changed is not read again.
func TestFingerprintFollowsRights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1)
		n := net.nodes[addr1]
		n.setAccounts([]string{"app", "%", "{}"}, []string{"other", "%", "{}"}, []string{"r", "", `{"is_role":true}`})
		db := [][]string{{"Host", "Db", "User", "Select_priv"}, {"%", "x", "app", "Y"}}
		set := func(table string, rows [][]string) {
			n.mu.Lock()
			defer n.mu.Unlock()
			if n.rights == nil {
				n.rights = map[string][][]string{}
			}
			n.rights[table] = rows
		}
		set("db", db)
		set("roles_mapping", [][]string{{"Host", "User", "Role", "Admin_option"}})
		m := runMonitor(t, net, testSettings(addr1))
		a := runAccounts(t, m.Monitor, ConfiguredAccount{User: "app", Host: "10.%", Password: "p"})
		after(time.Second)
		prints := func() (out [3]uint64) {
			for i, who := range [][2]string{{"app", "1.2.3.4"}, {"app", "10.1.1.1"}, {"other", "1.2.3.4"}} {
				acc, ok := a.Snapshot().Find(who[0], who[1], true)
				if !ok {
					t.Fatalf("no account %v: %+v", who, a.State())
				}
				out[i] = acc.Fingerprint
			}
			return out
		}
		before, reads := prints(), n.count(&n.selects)
		after(20 * time.Second)
		if n.count(&n.selects) != reads || n.count(&n.checksums) < 4 || prints() != before {
			t.Errorf("%d reads although nothing changed, %d looks", n.count(&n.selects)-reads, n.count(&n.checksums))
		}
		changed := func(what string, want [3]bool) {
			t.Helper()
			after(6 * time.Second)
			now := prints()
			if got := [3]bool{now[0] != before[0], now[1] != before[1], now[2] != before[2]}; got != want {
				t.Errorf("%s: changed %v, want %v", what, got, want)
			}
			before = now
		}
		set("db", append(db, []string{"%", "y", "app", "Y"}))
		changed("GRANT to app", [3]bool{true, true, false})
		set("roles_mapping", [][]string{{"Host", "User", "Role", "Admin_option"}, {"%", "other", "r", "N"}})
		changed("a role for other", [3]bool{false, false, true})
		set("db", append(db, []string{"", "z", "r", "Y"}))
		changed("REVOKE from app, GRANT to the role", [3]bool{true, true, true})
		n.setAccounts([]string{"app", "%", `{"access":1}`}, []string{"other", "%", "{}"}, []string{"r", "", `{"is_role":true}`})
		changed("app's row", [3]bool{true, true, false})
		n.setAccounts([]string{"app", "%", `{"access":1}`}, []string{"other", "%", "{}"}, []string{"r", "", `{"access":1,"is_role":true}`})
		changed("the role's row", [3]bool{false, false, true})
	})
}

// TestWithoutTheRightToSeeRights: accounts are imported, and it is told what is missing until it is given.
func TestWithoutTheRightToSeeRights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1)
		n := net.nodes[addr1]
		n.setAccounts([]string{"app", "%", "{}"})
		n.denied = true
		m := runMonitor(t, net, testSettings(addr1))
		a := runAccounts(t, m.Monitor)
		after(time.Second)
		s := a.State()
		if s.Err != nil || s.Imported != 1 || s.Unseen == nil {
			t.Fatalf("state %+v", s)
		}
		if got := s.Unseen.Grants(); len(got) != len(rightsTables()) || got[0] != "GRANT SELECT ON mysql.db TO 'monitor'@'10.%'" {
			t.Errorf("to be granted: %q", got)
		}
		n.mu.Lock()
		n.denied = false
		n.mu.Unlock()
		after(6 * time.Second)
		if s := a.State(); s.Unseen != nil || s.Err != nil {
			t.Errorf("with the rights: %+v", s)
		}
	})
}
