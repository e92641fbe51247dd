package mysql

import (
	"testing"

	"galley/cluster"
	"galley/proxy/mysql/mysqltest"
)

// hang has the writer not answer any more, and the second node be the writer.
func (d *door) hang() {
	d.cluster.Update(func(v *cluster.View) {
		v.Nodes[0].Reason, v.Nodes[0].WriteGrade, v.Nodes[0].ReadGrade = cluster.ProbeTimeout, cluster.Never, cluster.Never
		v.Writer, v.Readers = 1, []int{2}
		d.n[0].Backend.SetHealthy(false)
	})
}

// TestTransactionsLeaveANodeThatHangs: what is in flight within a transaction, and what comes next in one, goes on on the next writer. What may have committed waits for its node.
func TestTransactionsLeaveANodeThatHangs(t *testing.T) {
	for _, at := range []string{"UPDATE t SET a = 1", "SELECT a FROM t FOR UPDATE", "SAVEPOINT s", "ROLLBACK"} {
		t.Run(at, func(t *testing.T) {
			d, c := replayDoor(t)
			idle := d.client()
			for _, cl := range []*testClient{c, idle} {
				cl.result("BEGIN")
				cl.result("INSERT INTO t VALUES (1)")
			}
			d.n[0].On(at, mysqltest.Hang())
			answer := asking(c, at)
			d.n[0].Await(t, at)
			d.hang()
			answered(t, answer)
			idle.result("SELECT a FROM t")
			idle.result("COMMIT")
			d.expectRan("SELECT a FROM t", 0, 1, 0)
			d.expectRan(at, 1, 1, 0)
			d.expectRan("COMMIT", 0, 1, 0)
		})
	}
	for _, at := range []string{"COMMIT", "CALL p()", "CREATE TABLE u (a INT)", "SET autocommit=1"} {
		t.Run(at, func(t *testing.T) {
			d, c := replayDoor(t)
			c.result("BEGIN")
			c.result("INSERT INTO t VALUES (1)")
			gate := make(chan struct{})
			d.n[0].On(at, mysqltest.After(gate, mysqltest.Done()))
			answer := asking(c, at)
			d.n[0].Await(t, at)
			d.hang()
			d.client().result("INSERT INTO u VALUES (1)") // Until the door has seen it.
			select {
			case err := <-answer:
				t.Errorf("answered before the node did: %v", err)
			default:
			}
			close(gate)
			answered(t, answer)
			d.expectRan(at, 1, 0, 0)
		})
	}
}

// TestALockingReadIsRunAgain outside a transaction: nothing of it is left.
func TestALockingReadIsRunAgain(t *testing.T) {
	const sql = "SELECT * FROM t FOR UPDATE"
	for _, c := range lossCases() {
		t.Run(c.name, func(t *testing.T) {
			d := newSocketDoor(t, 2)
			d.n[0].Once(sql, c.reply)
			d.client().query(sql)
			d.expectRan(sql, 2, 0)
		})
	}
	t.Run("its node hangs", func(t *testing.T) {
		d, c := replayDoor(t)
		d.n[0].On(sql, mysqltest.Hang())
		answer := asking(c, sql)
		d.n[0].Await(t, sql)
		d.hang()
		answered(t, answer)
		d.expectRan(sql, 1, 1, 0)
	})
}
