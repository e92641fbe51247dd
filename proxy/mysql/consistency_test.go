package mysql

import (
	"testing"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
)

// TestLevels: how much a read must see is what its hint says, else its user's, else everybody's.
func TestLevels(t *testing.T) {
	const eventually, own, all, strictly = "/* galley: consistency=eventual */ ", "/*galley:consistency=SESSION*/", "SELECT /* galley:consistency=cluster */ 1, ", "/* galley:consistency=strict */"
	type outcome int
	const (
		nothing outcome = iota
		number
		group
	)
	for name, c := range map[string]struct {
		global, user, sql string
		others, ownWrite  outcome // What a read waits for behind a write of another session, and of its own.
	}{
		"cluster":               {config.Consistent, "", "SELECT a FROM t", number, number},
		"session":               {config.OwnWrites, "", "SELECT a FROM t", nothing, number},
		"eventual":              {config.Eventual, "", "SELECT a FROM t", nothing, nothing},
		"strict":                {config.Strict, "", "SELECT a FROM t", group, group},
		"a user's own":          {config.Consistent, config.Eventual, "SELECT a FROM t", nothing, nothing},
		"a user's own, more":    {config.Eventual, config.OwnWrites, "SELECT a FROM t", nothing, number},
		"a hint":                {config.Consistent, "", eventually + "SELECT a FROM t", nothing, nothing},
		"a hint for a session":  {config.Consistent, "", own + "SELECT a FROM t", nothing, number},
		"a hint for all":        {config.Eventual, config.Eventual, all + "a FROM t", number, number},
		"a hint for the group":  {config.OwnWrites, config.Eventual, strictly + "SELECT a FROM t", group, group},
		"a hint that says none": {config.Consistent, "", "/* galley: consistency=some */ SELECT a FROM t", number, number},
		"beside another hint":   {config.Consistent, "", "/* galley:reader */ " + eventually + "SELECT a FROM t", nothing, nothing},
		"not in a string":       {config.Consistent, "", "SELECT a FROM t WHERE a = '" + eventually + "'", number, number},
	} {
		t.Run(name, func(t *testing.T) {
			d, w, r := numberedDoor(t, func(m *config.MySQL) {
				m.Consistency = c.global
				if c.user != "" {
					m.Users = []config.User{{User: "nopw", Consistency: config.Strict}, {User: "app", Consistency: c.user, Imported: true}}
				}
			})
			writer, other := d.client(), d.client()
			const all = "/* galley:consistency=cluster */ SELECT 0"
			for _, mine := range []bool{false, true} {
				other.result(all)
				from := writer
				want := c.others
				if mine {
					from, want = other, c.ownWrite
				}
				w.write(from)
				numbers, groups := len(r.asked()), r.Ran(waitQuery)
				other.result(c.sql)
				got := nothing
				if len(r.asked()) > numbers {
					got = number
				}
				if r.Ran(waitQuery) > groups {
					got = group
				}
				if got != want {
					t.Errorf("own write %v: waited for %d, want %d; %v", mine, got, want, d.ran(c.sql))
				}
			}
		})
	}
}

// TestLevelsOfPreparedStatements: a hint in a prepared statement holds for its executions.
func TestLevelsOfPreparedStatements(t *testing.T) {
	d, w, r := numberedDoor(t)
	writer, other := d.client(), d.client()
	st := other.prepare("/* galley:consistency=eventual */ SELECT a FROM t")
	other.execute(st)
	before := len(r.asked())
	w.write(writer)
	other.execute(st)
	if len(r.asked()) != before {
		t.Error("an execution waited")
	}
	readsOn(other, r)
	if len(r.asked()) == before {
		t.Error("a read did not wait")
	}
}

// TestLevelFollowsTheUser: COM_CHANGE_USER and another configuration are followed.
func TestLevelFollowsTheUser(t *testing.T) {
	d, w, r := numberedDoor(t, func(m *config.MySQL) {
		m.Users = []config.User{{User: "other", Consistency: config.Eventual, Imported: true}}
	})
	writer, c := d.client(), d.client(mysqltest.Login{User: "other", Password: "word"})
	waited := func() bool {
		w.write(writer)
		before := len(r.asked())
		readsOn(c, r)
		return len(r.asked()) > before
	}
	readsOn(writer, r)
	if waited() {
		t.Error("a read waited although its user's consistency is eventual")
	}
	next := *d.srv.config()
	next.Users = nil
	d.srv.SetConfig(next)
	if !waited() {
		t.Error("a read did not wait by the new configuration")
	}
}
