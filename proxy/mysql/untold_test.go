package mysql

import (
	"strings"
	"testing"

	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// TestUnscopedIsNotTold: that galley gives SET @@x a scope, so that the node reports it, is not seen by the client.
func TestUnscopedIsNotTold(t *testing.T) {
	d := newDoor(t, 1)
	c := d.client(mysqltest.Login{User: "app", Password: "secret", Caps: mysqltest.TrackingCaps})
	told := func(sql string) bool {
		t.Helper()
		if err := c.Send(wire.ComQuery, sql); err != nil {
			t.Fatal(err)
		}
		p, err := c.Packet()
		if err != nil {
			t.Fatal(err)
		}
		ok, err := wire.ParseOK(p, true)
		if err != nil {
			t.Fatal(err)
		}
		return len(ok.State) > 0
	}
	if !told("SET time_zone='+01:00'") {
		t.Error("the node's report is not passed on")
	}
	if told("SET @@time_zone='+02:00'") {
		t.Error("galley's own scope is reported")
	}
	if c.result("INSERT INTO t VALUES (1)"); !strings.Contains(d.n[0].Commands()[len(d.n[0].Commands())-1].Vars, "time_zone=+02:00") {
		t.Error("the node has not set it")
	}
}

// TestChangeUserTellsTheSchema: as a node does, to clients that have asked for session tracking.
func TestChangeUserTellsTheSchema(t *testing.T) {
	d := newDoor(t, 1)
	c := d.client(mysqltest.Login{User: "app", Password: "secret", Caps: mysqltest.TrackingCaps})
	body := append([]byte("nopw\x00\x00shop\x00"), 45, 0)
	if err := c.Send(wire.ComChangeUser, string(append(body, "mysql_native_password\x00"...))); err != nil {
		t.Fatal(err)
	}
	p, err := c.Packet()
	if err != nil {
		t.Fatal(err)
	}
	ok, err := wire.ParseOK(p, true)
	if err != nil {
		t.Fatal(err)
	}
	tr := wire.NewTrackers(ok.State)
	if e, more := tr.Next(); !more || e.Type != wire.TrackSchema || string(e.Value) != "shop" {
		t.Errorf("state %q", ok.State)
	}
}
