package mysql

import (
	"testing"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
)

// TestLevels: how much a read must see is what its hint says, else its user's, else everybody's.
func TestLevels(t *testing.T) {
	const eventually, own, all, strictly = "/* galley: consistency=eventual */ ", "/*galley:consistency=SESSION*/", "SELECT /* galley:consistency=cluster */ 1, ", "/* galley:consistency=strict */"
	const ( // How often two reads wait behind a write.
		nothing = iota
		once
		each
	)
	for name, c := range map[string]struct {
		global, user, sql string
		others, ownWrite  int // What a read waits for behind a write of another session, and of its own.
	}{
		"cluster":               {config.Consistent, "", "SELECT a FROM t", once, once},
		"session":               {config.OwnWrites, "", "SELECT a FROM t", nothing, once},
		"eventual":              {config.Eventual, "", "SELECT a FROM t", nothing, nothing},
		"strict":                {config.Strict, "", "SELECT a FROM t", each, each},
		"a user's own":          {config.Consistent, config.Eventual, "SELECT a FROM t", nothing, nothing},
		"a user's own, more":    {config.Eventual, config.OwnWrites, "SELECT a FROM t", nothing, once},
		"a hint":                {config.Consistent, "", eventually + "SELECT a FROM t", nothing, nothing},
		"a hint for a session":  {config.Consistent, "", own + "SELECT a FROM t", nothing, once},
		"a hint for all":        {config.Eventual, config.Eventual, all + "a FROM t", once, once},
		"a hint for the group":  {config.OwnWrites, config.Eventual, strictly + "SELECT a FROM t", each, each},
		"a hint that says none": {config.Consistent, "", "/* galley: consistency=some */ SELECT a FROM t", once, once},
		"beside another hint":   {config.Consistent, "", "/* galley:reader */ " + eventually + "SELECT a FROM t", nothing, nothing},
		"not in a string":       {config.Consistent, "", "SELECT a FROM t WHERE a = '" + eventually + "'", once, once},
	} {
		t.Run(name, func(t *testing.T) {
			d, w, r := numberedDoor(t, func(m *config.MySQL) {
				m.Consistency = c.global
				if c.user != "" {
					m.Users = []config.User{{User: "nopw", Consistency: config.Strict}, {User: "app", Consistency: c.user, Imported: true}}
				}
			})
			r.answers(nil)
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
				before := r.Ran(waitQuery)
				other.result(c.sql)
				other.result(c.sql)
				if got := r.Ran(waitQuery) - before; got != want {
					t.Errorf("own write %v: waited %d times, want %d times; %v", mine, got, want, d.ran(c.sql))
				}
			}
		})
	}
}

// TestLevelsOfPreparedStatements: a hint in a prepared statement holds for its executions.
func TestLevelsOfPreparedStatements(t *testing.T) {
	d, w, r := numberedDoor(t)
	r.answers(nil)
	writer, other := d.client(), d.client()
	st := other.prepare("/* galley:consistency=eventual */ SELECT a FROM t")
	other.execute(st)
	before := r.Ran(waitQuery)
	w.write(writer)
	other.execute(st)
	if r.Ran(waitQuery) != before {
		t.Error("an execution waited")
	}
	readsOn(other, r)
	if r.Ran(waitQuery) == before {
		t.Error("a read did not wait")
	}
}

// TestLevelFollowsTheUser: COM_CHANGE_USER and another configuration are followed.
func TestLevelFollowsTheUser(t *testing.T) {
	d, w, r := numberedDoor(t, func(m *config.MySQL) {
		m.Users = []config.User{{User: "other", Consistency: config.Eventual, Imported: true}}
	})
	r.answers(nil)
	writer, c := d.client(), d.client(mysqltest.Login{User: "other", Password: "word"})
	waited := func() bool {
		w.write(writer)
		before := r.Ran(waitQuery)
		readsOn(c, r)
		return r.Ran(waitQuery) > before
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
