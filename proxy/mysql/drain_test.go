package mysql

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// drained waits until Serve has returned, and says how long after began.
func (d *door) drained(t *testing.T, began time.Time) time.Duration {
	t.Helper()
	err := <-d.served
	d.served <- err
	return time.Since(began)
}

func TestDrainEndsIdleSessions(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2)
		idle, used := d.client(), d.client()
		used.query("SELECT 1")
		began := time.Now()
		d.stop()
		if took := d.drained(t, began); took > time.Second {
			t.Errorf("took %s", took)
		}
		idle.ended()
		used.ended()
		for _, n := range d.n {
			synctest.Wait()
			if n.Conns() != 0 {
				t.Errorf("%d backend conns left on %s", n.Conns(), n.Name)
			}
		}
	})
}

func TestDrainWaitsForStatementsAndTransactions(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2)
		running, trx := d.client(), d.client()
		d.n[1].On("SELECT 1", mysqltest.Delay(2*time.Second, mysqltest.Usual()))
		answer := asking(running, "SELECT 1")
		trx.result("BEGIN")
		synctest.Wait()
		began := time.Now()
		d.stop()
		if err := <-answer; err != nil {
			t.Errorf("the running statement: %v", err)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("answered after %s", took)
		}
		running.ended()
		time.Sleep(time.Second)
		trx.result("INSERT INTO t VALUES (1)")
		trx.result("COMMIT")
		trx.ended()
		if took := d.drained(t, began); took > 3100*time.Millisecond {
			t.Errorf("took %s", took)
		}
		d.expectRan("COMMIT", 1, 0)
	})
}

func TestDrainCutsAfterGrace(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2)
		running, trx := d.client(), d.client()
		d.n[1].On("SELECT 1", mysqltest.Hang())
		answer := asking(running, "SELECT 1")
		trx.result("BEGIN")
		synctest.Wait()
		began := time.Now()
		d.stop()
		if took := d.drained(t, began); took < 5*time.Second || took > 5100*time.Millisecond {
			t.Errorf("took %s, where grace is 5s", took)
		}
		if err := <-answer; err == nil {
			t.Error("an answer")
		}
		trx.ended()
	})
}

func TestDrainCutAtOnce(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2)
		c := d.client()
		c.result("BEGIN")
		began := time.Now()
		d.stop()
		time.Sleep(time.Second)
		d.cut()
		if took := d.drained(t, began); took > 1100*time.Millisecond {
			t.Errorf("took %s", took)
		}
		c.ended()
	})
}

// TestCommandsThatArriveDuringADrain: each has its answer or surely did not run, and a session that got one ends without an error in between.
func TestCommandsThatArriveDuringADrain(t *testing.T) {
	for round := range 30 {
		d := newSocketDoor(t, 2)
		clients := make([]*testClient, 8)
		for i := range clients {
			clients[i] = d.client()
			clients[i].query("SELECT 1")
		}
		go d.stop()
		for i, c := range clients {
			sql := fmt.Sprintf("INSERT INTO t VALUES (%d)", i)
			_, err := c.Query(sql)
			ran := d.n[0].Ran(sql)
			if err == nil && ran != 1 || err != nil && ran != 0 {
				t.Errorf("round %d: %v, and it ran %d times", round, err, ran)
			}
		}
		if err := <-d.served; err != nil {
			t.Error(err)
		}
		d.served <- nil
	}
}

// TestNewClientsDuringADrain are not taken.
func TestNewClientsDuringADrain(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 1)
		trx := d.client()
		trx.result("BEGIN")
		d.stop()
		synctest.Wait()
		if _, err := d.mem.Dial(); err == nil {
			t.Error("a client was taken")
		}
		if err := trx.Send(wire.ComPing, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := trx.Read(); err != nil {
			t.Errorf("PING in a transaction: %v", err)
		}
		trx.result("ROLLBACK")
		trx.ended()
	})
}

// TestDrainTellsThoseWhoWaitForANode: nothing of theirs runs, and there may be no node for long.
func TestDrainTellsThoseWhoWaitForANode(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2)
		writer, reader := d.client(), d.client()
		d.cluster.Set(nil)
		answers := []<-chan error{asking(writer, "INSERT INTO t VALUES (1)"), asking(reader, "SELECT 1")}
		login := make(chan error, 1)
		go func() {
			_, err := d.login(mysqltest.Login{User: "app", Password: "secret"})
			login <- err
		}()
		answers = append(answers, login)
		synctest.Wait()
		began := time.Now()
		d.stop()
		for _, answer := range answers {
			if err := <-answer; err == nil || !strings.Contains(err.Error(), "Server shutdown in progress") || !strings.Contains(err.Error(), "1053") {
				t.Errorf("told %v", err)
			}
		}
		if took := d.drained(t, began); took > time.Second {
			t.Errorf("took %s", took)
		}
		d.expectRan("INSERT INTO t VALUES (1)", 0, 0)
	})
}
