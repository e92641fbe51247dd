package mysql

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"galley/balancer"
	"galley/cluster"
	"galley/proxy/mysql/mysqltest"
)

// pending checks that an answer is still waited for.
func pending(t *testing.T, what string, answer <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-answer:
		t.Errorf("%s was answered: %v", what, err)
	default:
	}
}

// open is what the door says is under way on the writer: the sessions that are waited for, by what they do.
func (d *door) open(want ...string) []cluster.WritingSession {
	d.tb.Helper()
	synctest.Wait() // A client may have its answer a moment before the session looks up.
	w := d.srv.Writing()
	ok := len(w.Sessions) == len(want)
	for i := range min(len(w.Sessions), len(want)) {
		ok = ok && w.Sessions[i].Doing == want[i]
	}
	if !ok {
		d.tb.Errorf("under way: %+v, want %v", w.Sessions, want)
	}
	return w.Sessions
}

func TestGateHoldsWhatHasNotBegun(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 3)
		trx, writer, reader, beginner, locker := d.client(), d.client(), d.client(), d.client(), d.client()
		trx.result("BEGIN")
		trx.result("INSERT INTO t VALUES (1)")
		locker.result("SELECT GET_LOCK('a', 1)")
		d.open("in transaction")
		release, other := d.srv.Hold(), d.srv.Hold()
		write, begin := asking(writer, "INSERT INTO t VALUES (2)"), asking(beginner, "BEGIN")
		pending(t, "a write", write)
		pending(t, "BEGIN", begin)
		if rows := d.srv.Stats(); rows.Waiting != 2 {
			t.Errorf("%d sessions wait", rows.Waiting)
		}
		reader.query("SELECT 1")                  // Reads go on,
		trx.result("INSERT INTO t VALUES (3)")    // and what has begun,
		locker.result("INSERT INTO t VALUES (4)") // and what stays on its node.
		if w := d.srv.Writing(); w.Pinned != 1 {
			t.Errorf("%d pinned sessions", w.Pinned)
		}
		d.open("in transaction")
		trx.result("COMMIT")
		d.open()
		after := asking(trx, "INSERT INTO t VALUES (5)")
		pending(t, "a write behind the transaction", after)
		d.cluster.Set(d.n[1], d.n[0], d.n[2])
		release()
		release() // Once more does nothing.
		pending(t, "a write", write)
		other()
		for what, answer := range map[string]<-chan error{"a write": write, "BEGIN": begin, "a write behind the transaction": after} {
			if err := <-answer; err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		d.expectRan("INSERT INTO t VALUES (2)", 0, 1, 0)
		d.expectRan("INSERT INTO t VALUES (5)", 0, 1, 0)
		d.expectRan("BEGIN", 1, 1, 0)
		d.expectRan("INSERT INTO t VALUES (4)", 1, 0, 0)
		d.open("in transaction")
	})
}

// TestGateSeesWritesUntilTheirAnswer: a write that runs is under way as long as its client has no answer.
func TestGateSeesWritesUntilTheirAnswer(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2)
		c, reading := d.client(), d.client()
		gate := make(chan struct{})
		d.n[0].On("INSERT", mysqltest.After(gate, mysqltest.Done()))
		d.n[1].On("SELECT slow", mysqltest.After(gate, mysqltest.Usual()))
		write, read := asking(c, "INSERT INTO t VALUES (1)"), asking(reading, "SELECT slow")
		synctest.Wait()
		before := d.open("running")
		close(gate)
		answered(t, write)
		synctest.Wait()
		d.open()
		answered(t, read)
		c.result("BEGIN")
		if now := d.open("in transaction"); now[0].ID != before[0].ID || now[0].Serial == before[0].Serial {
			t.Errorf("%+v after %+v", now, before)
		}
		c.Close()
		synctest.Wait()
		d.open()
	})
}

func TestGateAndKill(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2)
		c := d.client()
		release := d.srv.Hold()
		defer release()
		write := asking(c, "INSERT INTO t VALUES (1)")
		pending(t, "a write", write)
		c.Close()
		time.Sleep(time.Second)
		synctest.Wait()
		d.expectRan("INSERT INTO t VALUES (1)", 0, 0)
	})
}

func TestTransactionsAreEnded(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2)
		idle, rolling, pinned, running := d.client(), d.client(), d.client(), d.client()
		pinned.result("SELECT GET_LOCK('a', 1)")
		for _, c := range []*testClient{idle, rolling, pinned} {
			c.result("BEGIN")
			c.result("INSERT INTO t VALUES (1)")
		}
		gate := make(chan struct{})
		d.n[0].On("UPDATE", mysqltest.After(gate, mysqltest.Done()))
		write := asking(running, "UPDATE t SET a = 1")
		synctest.Wait()
		w := d.srv.Writing()
		if len(w.Sessions) != 4 {
			t.Fatalf("under way: %+v", w.Sessions)
		}
		d.srv.EndTransactions(w.Sessions)
		d.cluster.Set(d.n[1], d.n[0])
		close(gate)
		if err := <-write; err != nil { // What runs ends where it runs.
			t.Error(err)
		}
		idle.fails("COMMIT", 1213)
		d.expectRan("COMMIT", 0, 0)
		d.expectRan("ROLLBACK", 1, 0)
		rolling.result("ROLLBACK")
		pinned.result("COMMIT") // With its lock it stays where it is.
		d.expectRan("COMMIT", 1, 0)
		for _, c := range []*testClient{idle, rolling, running} {
			if on := c.on("INSERT INTO t VALUES (9)"); on != "n2" {
				t.Errorf("a write behind it runs on %s", on)
			}
		}
	})
}

// TestTransactionsThatAreEndedAreRunAgain on the new writer, as soon as it is that; not where an answer is another one there, or where that is turned off.
func TestTransactionsThatAreEndedAreRunAgain(t *testing.T) {
	d, c := replayDoor(t)
	end := func(writer, reader *mysqltest.Node) {
		t.Helper()
		release := d.srv.Hold()
		d.srv.EndTransactions(d.srv.Writing().Sessions)
		done := asking(c, "SELECT b FROM t")
		until(t, "it waits", func() bool { return d.srv.metrics.waiting.Load() == 1 })
		d.cluster.Set(writer, reader)
		release()
		if err := <-done; err != nil && d.outcome(replayDiverged) == 0 {
			t.Error(err)
		}
	}
	c.result("BEGIN")
	c.result("INSERT INTO t VALUES (1)")
	end(d.n[1], d.n[0])
	c.result("COMMIT")
	d.expectRan("INSERT INTO t VALUES (1)", 1, 1, 0)
	d.expectRan("SELECT b FROM t", 0, 1, 0)
	d.expectRan("ROLLBACK", 1, 0, 0)
	d.expectRan("COMMIT", 0, 1, 0)

	c.result("BEGIN")
	c.result("SELECT /* galley:writer */ a FROM t")
	d.n[2].On("SELECT /* galley:writer */ a FROM t", mysqltest.Table("something else"))
	end(d.n[2], d.n[0])
	d.expectRan("SELECT b FROM t", 0, 1, 0)
	if d.outcome(replayDone) != 1 || d.outcome(replayDiverged) != 1 {
		t.Errorf("%d done, %d diverged", d.outcome(replayDone), d.outcome(replayDiverged))
	}
	c.result("INSERT INTO t VALUES (2)")
	d.expectRan("INSERT INTO t VALUES (2)", 0, 0, 1)
}

func TestDrainedNodeIsLeft(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 3)
		gate := make(chan struct{})
		slow := "/* galley:node=n3 */ SELECT slow"
		d.n[2].On(slow, mysqltest.After(gate, mysqltest.Usual()))
		trx, reading := d.client(), d.client()
		read := asking(reading, slow)
		d.n[2].Await(t, slow)
		for trx.result("START TRANSACTION READ ONLY"); d.n[2].Ran("START TRANSACTION READ ONLY") == 0; trx.result("START TRANSACTION READ ONLY") {
			trx.result("COMMIT")
			trx.door.client().query("SELECT 1")
		}
		drain := func(state balancer.State, reason cluster.Reason, readers ...int) {
			d.n[2].Backend.SetState(state)
			d.cluster.Update(func(v *cluster.View) {
				v.Nodes[2].Drained, v.Nodes[2].Reason, v.Readers = state == balancer.Draining, reason, readers
				v.Nodes[2].ReadGrade = cluster.Never
				if reason == cluster.OK {
					v.Nodes[2].ReadGrade = cluster.Usable
				}
			})
			synctest.Wait()
		}
		drain(balancer.Draining, cluster.Draining, 1)
		for range 20 {
			if on := d.client().query("SELECT 1"); on != "n2" {
				t.Errorf("a new session reads on %s", on)
			}
		}
		if on := trx.query("SELECT 2"); on != "n3" {
			t.Errorf("the transaction goes on on %s", on)
		}
		trx.result("COMMIT")
		close(gate)
		answered(t, read)
		synctest.Wait()
		if n := d.n[2].Conns(); n != 0 {
			t.Errorf("%d conns to the drained node", n)
		}
		drain(balancer.Up, cluster.OK, 2)
		if on := d.client().query("SELECT 1"); on != "n3" {
			t.Errorf("a read with the node back runs on %s", on)
		}
	})
}

// TestAKilledWaitEndsAnEndedTransaction: a transaction that was taken off the old writer and is not run again, as its statement was killed while it waited for the new one, is told as rolled back. Its client
// would take it for open else, and have a part of it written.
func TestAKilledWaitEndsAnEndedTransaction(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2, replaying)
		c, killer := d.client(), d.client()
		c.result("BEGIN")
		c.result("INSERT INTO t VALUES (1)")
		release := d.srv.Hold()
		defer release()
		d.srv.EndTransactions(d.srv.Writing().Sessions)
		answer := asking(c, "INSERT INTO t VALUES (2)")
		pending(t, "a statement", answer)
		killer.result(fmt.Sprintf("KILL QUERY %d", c.Greeting.ThreadID))
		if err := <-answer; !mysqltest.IsError(err, codeDeadlock) {
			t.Errorf("the transaction is undone, and its client is told %v", err)
		}
		d.expectRan("INSERT INTO t VALUES (2)", 0, 0)
	})
}

// TestATransactionIsEndedOnANodeThatHangs: it is run again on the new writer although the old one does not answer the ROLLBACK.
func TestATransactionIsEndedOnANodeThatHangs(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2, replaying)
		c := d.client()
		c.result("BEGIN")
		c.result("INSERT INTO t VALUES (1)")
		d.n[0].On("ROLLBACK", mysqltest.Hang())
		d.srv.EndTransactions(d.srv.Writing().Sessions)
		d.cluster.Set(d.n[1], d.n[0])
		answer := asking(c, "COMMIT")
		time.Sleep(time.Minute)
		synctest.Wait()
		select {
		case err := <-answer:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Fatal("no answer")
		}
		d.expectRan("COMMIT", 0, 1)
	})
}
