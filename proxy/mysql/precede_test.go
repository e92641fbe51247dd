package mysql

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"galley/cluster"
	"galley/proxy/mysql/mysqltest"
)

// precedeDoor is a door whose writer has been lost with a transaction, which is run again on the second node as soon as that is the writer, up to its UPDATE.
func precedeDoor(t *testing.T) (d *door, trx, write <-chan error, goOn chan struct{}) {
	t.Helper()
	d = newDoor(t, 2, replaying)
	c, early, late := d.client(), d.client(), d.client()
	c.result("BEGIN")
	c.result("UPDATE t SET a = 1")
	goOn = make(chan struct{})
	d.n[1].On("UPDATE t SET a = 1", mysqltest.After(goOn, mysqltest.Usual()))
	d.n[0].On("SELECT 1 FOR UPDATE", func(*mysqltest.Conn, *mysqltest.Command) error {
		d.cluster.Update(func(v *cluster.View) { v.Writer, v.Readers = -1, nil })
		return errors.New("gone")
	})
	trx = asking(c, "SELECT 1 FOR UPDATE")
	synctest.Wait()
	write = asking(early, "INSERT INTO t VALUES (1)")
	begin := asking(late, "BEGIN")
	pending(t, "a write", write)
	time.Sleep(time.Second)
	d.cluster.Set(d.n[1])
	synctest.Wait()
	begun := asking(d.client(), "BEGIN")
	pending(t, "a transaction", trx)
	pending(t, "a write", write)
	pending(t, "BEGIN", begin)
	pending(t, "another BEGIN", begun)
	d.expectRan("UPDATE t SET a = 1", 1, 1)
	d.expectRan("INSERT INTO t VALUES (1)", 0, 0)
	return d, trx, write, goOn
}

func TestTransactionsThatAreRunAgainGoFirst(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d, trx, write, goOn := precedeDoor(t)
		close(goOn)
		for what, answer := range map[string]<-chan error{"the transaction": trx, "the write": write} {
			if err := <-answer; err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		d.expectRan("INSERT INTO t VALUES (1)", 0, 1)
		if d.srv.gate.shut.Load() != nil {
			t.Error("the gate is still shut")
		}
	})
}

// TestTransactionsThatAreRunAgainHoldOthersForAWhile only: one that does not get on keeps nobody for long.
func TestTransactionsThatAreRunAgainHoldOthersForAWhile(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		_, trx, write, goOn := precedeDoor(t)
		time.Sleep(precedeAtMost)
		answered(t, write)
		pending(t, "a transaction", trx)
		close(goOn)
		answered(t, trx)
	})
}

// TestWithoutAWriterNobodyWaitsLonger: where no writer comes, what is kept back is told so when its time is over.
func TestWithoutAWriterNobodyWaitsLonger(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2, replaying)
		c, other := d.client(), d.client()
		c.result("BEGIN")
		c.result("UPDATE t SET a = 1")
		d.n[0].On("SELECT 1 FOR UPDATE", func(*mysqltest.Conn, *mysqltest.Command) error {
			d.cluster.Update(func(v *cluster.View) { v.Writer, v.Readers = -1, nil })
			return errors.New("gone")
		})
		trx := asking(c, "SELECT 1 FOR UPDATE")
		limit := d.srv.config().WaitForNode
		time.Sleep(limit / 2)
		began := time.Now()
		other.fails("INSERT INTO t VALUES (1)", 1047)
		if waited := time.Since(began); waited > limit {
			t.Errorf("waited %s", waited)
		}
		if err := <-trx; err == nil {
			t.Error("no error")
		}
	})
}
