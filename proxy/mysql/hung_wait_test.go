package mysql

import (
	"testing"
	"time"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
)

// TestWaitingOnAWriterThatHangs: a write that has chosen a writer, and waits there for what was committed before, goes to the next one, whether the first ever answers or not.
func TestWaitingOnAWriterThatHangs(t *testing.T) {
	for _, sql := range []string{"INSERT INTO t VALUES (1)", "BEGIN", "SELECT a FROM t FOR UPDATE"} {
		t.Run(sql, func(t *testing.T) {
			d := newSocketDoor(t, 3, func(c *config.MySQL) { c.Consistency = config.Consistent })
			c := d.client()
			d.n[0].On(waitQuery, mysqltest.Hang())
			done := make(chan error, 1)
			go func() {
				_, err := c.Query(sql)
				done <- err
			}()
			d.n[0].Await(t, waitQuery)
			d.cluster.Set(d.n[1], d.n[2])
			if err := <-done; err != nil {
				t.Errorf("%s: %v", sql, err)
			}
			d.expectRan(sql, 0, 1, 0)
		})
	}
}

// TestStoppingWhileANodeHangs: what galley asks of a node for itself does not keep it from ending.
func TestStoppingWhileANodeHangs(t *testing.T) {
	d := newSocketDoor(t, 2, func(c *config.MySQL) { c.Consistency, c.Grace = config.Consistent, time.Millisecond })
	c := d.client()
	d.n[0].On(waitQuery, mysqltest.Hang())
	go func() { _, _ = c.Query("INSERT INTO t VALUES (1)") }()
	d.n[0].Await(t, waitQuery)
	began := time.Now()
	d.stop()
	err := <-d.served
	d.served <- err
	if took := time.Since(began); err != nil || took > sideLimit*2/3 {
		t.Errorf("stopped after %s, %v", took, err)
	}
}
