package mysql

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
)

// crowded is a pool of one conn that is waited for, for a minute.
func crowded(c *config.MySQL) {
	c.Pool.MaxPerNode, c.Pool.WaitForConnection = 1, time.Minute
}

// TestWaitsAreBounded: a session waits for a conn as long as it may and not much longer, whoever else waits, and those that came first are served first.
func TestWaitsAreBounded(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 1, crowded)
		holder := d.client()
		holder.result("BEGIN")
		var answers []<-chan error
		for i := range 5 {
			answers = append(answers, asking(d.client(), fmt.Sprintf("INSERT INTO t VALUES (%d)", i)))
			time.Sleep(10 * time.Second)
		}
		began := time.Now() // 50 s after the first one came.
		for i := range 2 {
			err := <-answers[i]
			if waited := 50*time.Second - time.Duration(i)*10*time.Second + time.Since(began); !mysqltest.IsError(err, codeTooManyConnections) || waited < time.Minute || waited > time.Minute+2*growAfter {
				t.Errorf("session %d: %v after %s", i, err, waited)
			}
		}
		holder.result("COMMIT")
		for i, answer := range answers[2:] {
			if err := <-answer; err != nil {
				t.Errorf("session %d: %v", i+2, err)
			}
		}
		ran := []string{}
		for _, sql := range d.n[0].Texts() {
			if len(sql) > 6 && sql[:6] == "INSERT" {
				ran = append(ran, sql)
			}
		}
		if got, want := fmt.Sprint(ran), "[INSERT INTO t VALUES (2) INSERT INTO t VALUES (3) INSERT INTO t VALUES (4)]"; got != want {
			t.Errorf("ran %s, want %s", got, want)
		}
	})
}

// TestWaitersFollowTheView: who waits for a conn to a node that is not the writer any more goes to the one that is, at once.
func TestWaitersFollowTheView(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2, crowded)
		d.client().result("BEGIN")
		var answers []<-chan error
		for range 3 {
			answers = append(answers, asking(d.client(), "INSERT INTO t VALUES (1)"))
		}
		synctest.Wait()
		if n := d.srv.conns.of(d.cluster.View().WriterNode()).waiting(); n != 3 {
			t.Fatalf("%d sessions wait", n)
		}
		began := time.Now()
		d.cluster.Set(d.n[1], d.n[0], d.n[1])
		for _, answer := range answers {
			if err := <-answer; err != nil || time.Since(began) > growAfter {
				t.Errorf("%v after %s", err, time.Since(began))
			}
		}
		d.expectRan("INSERT INTO t VALUES (1)", 0, 3)
	})
}

// TestWaiterKeepsItsPlace: a change of the view that does not touch it, and a wake-up for nothing, cost a session neither its place nor its wait.
func TestWaiterKeepsItsPlace(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2, crowded)
		holder := d.client()
		holder.result("BEGIN")
		first := asking(d.client(), "INSERT INTO t VALUES (1)")
		time.Sleep(time.Second)
		second := asking(d.client(), "INSERT INTO t VALUES (2)")
		synctest.Wait()
		set := d.srv.conns.of(d.cluster.View().WriterNode())
		for range 3 {
			d.cluster.Set(d.n[0], d.n[0])
			for _, s := range d.srv.allSessions(nil) {
				s.wake()
			}
			synctest.Wait()
		}
		if n := set.waiting(); n != 2 {
			t.Fatalf("%d sessions wait", n)
		}
		holder.result("COMMIT")
		answered(t, first, second)
		d.expectRan("INSERT INTO t VALUES (1)", 1, 0)
	})
}

// TestWaitersWhoseClientsAreGone: they do not wait on, and what they have asked for is not run.
func TestWaitersWhoseClientsAreGone(t *testing.T) {
	d := newSocketDoor(t, 1, crowded)
	holder, gone := d.client(), d.client()
	holder.result("BEGIN")
	asking(gone, "INSERT INTO t VALUES (1)")
	set := d.srv.conns.of(d.cluster.View().WriterNode())
	wait := func(n int) {
		for until := time.Now().Add(30 * time.Second); set.waiting() != n; {
			if time.Now().After(until) {
				t.Fatalf("%d sessions wait, not %d", set.waiting(), n)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	wait(1)
	gone.Close()
	wait(0)
	holder.result("COMMIT")
	d.expectRan("INSERT INTO t VALUES (1)", 0)
}
