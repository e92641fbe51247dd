package mysql

import (
	"testing"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
)

// TestSideConnsFollowTheMonitorUser: a monitor user that a reload brings is that of galley's own questions, too.
func TestSideConnsFollowTheMonitorUser(t *testing.T) {
	d := newDoor(t, 1)
	d.n[0].AddUser("watcher", mysqltest.User{Password: "word"})
	node := d.cluster.View().WriterNode()
	ask := func() error {
		var conn side
		b, _, err := conn.get(d.srv, node)
		if err == nil {
			conn.drop(b)
		}
		return err
	}
	d.srv.SetMonitor("watcher", config.NewSecret("wrong"))
	if err := ask(); err == nil {
		t.Error("a wrong password gets in")
	}
	d.srv.SetMonitor("watcher", config.NewSecret("word"))
	if err := ask(); err != nil {
		t.Error(err)
	}
}
