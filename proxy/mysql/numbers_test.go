package mysql

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"galley/cluster"
	"galley/config"
	"galley/proxy/mysql/mysqltest"
)

const syncWait = "SELECT WSREP_SYNC_WAIT_UPTO_GTID("

// numbered is a node that numbers writes. Its server id is its own.
type numbered struct {
	*mysqltest.Node
	server int
	seen   atomic.Int64
	extra  atomic.Int64                // By how much it numbers too high.
	early  atomic.Int64                // How often its wait ends before it has the number.
	unseen atomic.Int64                // How often it is asked before what it has a number for can be seen.
	never  atomic.Bool                 // It ends always so.
	answer atomic.Pointer[func() bool] // Whether the group answers there.
}

func number(n *mysqltest.Node, server int) *numbered {
	g := &numbered{Node: n, server: server}
	g.seen.Store(50)
	n.On(lastSeenQuery, func(c *mysqltest.Conn, _ *mysqltest.Command) error {
		c.Rows([]string{"g"}, []string{g.position()})
		return nil
	})
	n.On(committedQuery, func(c *mysqltest.Conn, _ *mysqltest.Command) error {
		committed := g.seen.Load() + 10
		if g.unseen.Add(-1) >= 0 {
			committed--
		}
		c.Rows([]string{"Variable_name", "Value"}, []string{"wsrep_last_committed", fmt.Sprint(committed)})
		return nil
	})
	n.On(syncWait, func(c *mysqltest.Conn, cmd *mysqltest.Command) error {
		var domain, server, seq int
		if _, err := fmt.Sscanf(strings.TrimPrefix(cmd.Text, syncWait), "'%d-%d-%d'", &domain, &server, &seq); err != nil {
			return err
		}
		if server == g.server && !g.never.Load() && g.early.Add(-1) < 0 {
			g.seen.Store(max(g.seen.Load(), int64(seq)))
		}
		c.Rows([]string{"w", "g"}, []string{"1", g.position()})
		return nil
	})
	return g
}

func (g *numbered) position() string {
	return fmt.Sprintf("0-%d-%d", g.server, g.seen.Load()+g.extra.Load())
}

// asked gives the numbers for which the node was had wait.
func (g *numbered) asked() (all []string) {
	for _, text := range g.Texts() {
		if rest, ok := strings.CutPrefix(text, syncWait+"'"); ok {
			all = append(all, rest[:strings.Index(rest, "'")])
		}
	}
	return all
}

// numberedDoor is a door with a writer and a reader that number. The group does not answer on the reader, as when a member has been lost.
func numberedDoor(t *testing.T, change ...func(*config.MySQL)) (d *door, w, r *numbered) {
	t.Helper()
	d = newDoor(t, 2, append([]func(*config.MySQL){causally}, change...)...)
	d.cluster.Update(func(v *cluster.View) { v.StateUUID, v.ConfID = "u", 3 })
	w, r = number(d.n[0], 1), number(d.n[1], 2)
	d.srv.untold = time.Hour
	r.slowGroup(t)
	return d, w, r
}

// slowGroup has the group not answer on the node until it is told to.
func (g *numbered) slowGroup(t *testing.T) {
	t.Helper()
	g.answers(func() bool { return false })
	t.Cleanup(func() { g.answers(nil) })
	g.On(waitQuery, func(c *mysqltest.Conn, cmd *mysqltest.Command) error {
		for when := g.answer.Load(); when != nil && !(*when)(); when = g.answer.Load() {
			time.Sleep(time.Millisecond)
		}
		return mysqltest.Usual()(c, cmd)
	})
}

// answers says when the group answers on the node; nil is always.
func (g *numbered) answers(when func() bool) {
	if when == nil {
		g.answer.Store(nil)
		return
	}
	g.answer.Store(&when)
}

// write writes through c.
func (g *numbered) write(c *testClient) {
	c.tb.Helper()
	g.seen.Add(1)
	c.result("INSERT INTO t VALUES (1)")
}

// readsOn runs a read, which must run on the reader once.
func readsOn(c *testClient, r *numbered) {
	c.tb.Helper()
	const sql = "SELECT a FROM t"
	before := r.Ran(sql)
	c.result(sql)
	if r.Ran(sql) != before+1 {
		c.tb.Fatalf("the read ran %v times", c.door.ran(sql))
	}
}

func TestReadsWaitForNumbers(t *testing.T) {
	d, w, r := numberedDoor(t)
	writer, other := d.client(), d.client()
	readsOn(other, r)
	if w.Ran(waitQuery) != 1 {
		t.Errorf("the writer was had wait %d times before its number counted: it must have all that was written before", w.Ran(waitQuery))
	}
	if got := r.asked(); len(got) != 0 {
		t.Errorf("waited for %v, although the reader has that", got)
	}
	w.write(writer)
	readsOn(other, r)
	readsOn(other, r)
	if got := r.asked(); !slices.Equal(got, []string{"0-2-51"}) {
		t.Errorf("waited for %v, want the writer's number under the reader's own server id, once", got)
	}
	if r.Ran(waitQuery) != 1 || w.Ran(waitQuery) != 2 {
		t.Errorf("the group was asked %d times on a node where it does not answer, %d times on the writer", r.Ran(waitQuery), w.Ran(waitQuery))
	}
}

// TestTheGroupAnswers: then nobody is asked for a number, and the writer for nothing.
func TestTheGroupAnswers(t *testing.T) {
	d, w, r := numberedDoor(t)
	r.answers(nil)
	writer, other := d.client(), d.client()
	for range 3 {
		w.write(writer)
		readsOn(other, r)
		readsOn(other, r)
	}
	if got := r.Ran(waitQuery); got != 3 {
		t.Errorf("the group was asked %d times behind three writes", got)
	}
	if len(r.asked()) != 0 || w.Ran(lastSeenQuery) != 0 || r.Ran(committedQuery) != 0 {
		t.Error("a number was asked for")
	}
}

// TestTheGroupRefuses: a number tells as well.
func TestTheGroupRefuses(t *testing.T) {
	d, w, r := numberedDoor(t)
	r.On(waitQuery, mysqltest.Fail(codeUnknownCommand, "WSREP has not yet prepared node for application use"))
	writer, other := d.client(), d.client()
	w.write(writer)
	readsOn(other, r)
	if n := d.srv.NodeStats(&d.cluster.View().Nodes[1]).ApplyByNumber; n != 1 {
		t.Errorf("%d waits for a number", n)
	}
}

// TestANumberAHairEarly: the server's wait may end before the write can be seen; then no read runs yet.
func TestANumberAHairEarly(t *testing.T) {
	d, w, r := numberedDoor(t)
	writer, other := d.client(), d.client()
	readsOn(other, r)
	w.write(writer)
	r.early.Store(2)
	readsOn(other, r)
	if got := r.asked(); len(got) != 3 {
		t.Errorf("waited for %v", got)
	}
	if r.seen.Load() != 51 {
		t.Error("the read ran too early")
	}
}

// TestServerIDsAreLearnt: a node that has another server id than was thought is not taken for having the number.
func TestServerIDsAreLearnt(t *testing.T) {
	d, w, r := numberedDoor(t)
	writer, other := d.client(), d.client()
	readsOn(other, r)
	r.server = 7
	w.write(writer)
	readsOn(other, r)
	if got := r.asked(); !slices.Equal(got, []string{"0-2-51", "0-7-51"}) {
		t.Errorf("waited for %v", got)
	}
}

func TestFallbacks(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w, r *numbered)
		why    fallback
	}{
		"the number does not come":  {func(_, r *numbered) { r.never.Store(true) }, fallbackUnverified},
		"the writer has no number":  {func(w, _ *numbered) { w.seen.Store(-1) }, fallbackNoIndex},
		"the reader numbers higher": {func(_, r *numbered) { r.seen.Store(51); r.extra.Store(1) }, fallbackDiffers},
		"the writer has no function": {func(w, _ *numbered) {
			w.On(lastSeenQuery, mysqltest.Fail(codeNoSuchRoutine, "FUNCTION x does not exist"))
		}, fallbackNoFunctions},
		"the reader has no function": {func(_, r *numbered) {
			r.On(lastSeenQuery, mysqltest.Fail(codeNoSuchRoutine, "FUNCTION x does not exist"))
		}, fallbackNoFunctions},
		"the writer is lost": {func(w, _ *numbered) { w.On(lastSeenQuery, mysqltest.Close()) }, fallbackWriterLost},
	} {
		t.Run(name, func(t *testing.T) {
			d, w, r := numberedDoor(t)
			c.change(w, r)
			writer, other := d.client(), d.client()
			w.write(writer)
			fallbacks := func() (all []FallbackCount, n uint64) {
				all = d.srv.NodeStats(&d.cluster.View().Nodes[1]).Fallbacks
				for _, f := range all {
					n += f.N
				}
				return all, n
			}
			r.answers(func() bool { _, n := fallbacks(); return n > 0 })
			readsOn(other, r)
			if r.Ran(waitQuery) != 1 {
				t.Errorf("the group was asked %d times", r.Ran(waitQuery))
			}
			all, _ := fallbacks()
			for _, f := range all {
				if got := f.N > 0; got != (f.Reason == c.why.String()) {
					t.Errorf("%d fallbacks for %s", f.N, f.Reason)
				}
			}
		})
	}
}

// TestTooLate: a node that does not apply in time leaves the read to the writer.
func TestTooLate(t *testing.T) {
	d, w, r := numberedDoor(t)
	writer, other := d.client(), d.client()
	readsOn(other, r)
	w.write(writer)
	r.Once(syncWait, mysqltest.Fail(codeLockWaitTimeout, "Lock wait timeout exceeded; try restarting transaction"))
	const sql = "SELECT b FROM t"
	other.result(sql)
	d.expectRan(sql, 1, 0)
	readsOn(other, r)
}

// TestAWriterThatNumbersForItself: what the writer alone counts is waited for in vain once; from then on the group is asked.
func TestAWriterThatNumbersForItself(t *testing.T) {
	d, w, r := numberedDoor(t)
	writer, other := d.client(), d.client()
	readsOn(other, r)
	w.extra.Store(3)
	r.never.Store(true) // And is never reached.
	r.Once(syncWait, mysqltest.Fail(codeLockWaitTimeout, "Lock wait timeout exceeded; try restarting transaction"))
	w.write(writer)
	r.seen.Add(1)
	set := d.srv.conns.of(&d.cluster.View().Nodes[1])
	for busy := true; busy; runtime.Gosched() {
		set.numbers.mu.Lock()
		if busy = set.numbers.running; !busy {
			set.position.checked = time.Time{} // The next look is due.
		}
		set.numbers.mu.Unlock()
	}
	const sql = "SELECT b FROM t"
	other.result(sql)
	d.expectRan(sql, 1, 0)
	differs := &set.fallbacks[fallbackDiffers]
	for range 3 {
		before := differs.Load()
		r.answers(func() bool { return differs.Load() > before })
		w.write(writer)
		r.seen.Add(1)
		readsOn(other, r)
	}
	if got := r.asked(); len(got) > 1 {
		t.Errorf("waited for %v", got)
	}
}

// TestNoNumberAndASlowGroup: what no number tells is not waited for where the writer has it.
func TestNoNumberAndASlowGroup(t *testing.T) {
	d, w, r := numberedDoor(t, func(c *config.MySQL) { c.CausalWait = time.Hour })
	d.srv.untold = untoldPatience
	writer, other := d.client(), d.client()
	r.seen.Store(51)
	r.extra.Store(1)
	w.write(writer)
	for _, sql := range []string{"SELECT b FROM t", "SELECT c FROM t"} {
		other.result(sql)
		d.expectRan(sql, 1, 0)
	}
	if n := d.srv.conns.of(&d.cluster.View().Nodes[1]).fallbacks[fallbackDiffers].Load(); n == 0 {
		t.Error("a number has told")
	}
}

// TestTheEndOfATransactionOnAReader: it is no write, so that no other node is waited for.
func TestTheEndOfATransactionOnAReader(t *testing.T) {
	d, _, _ := numberedDoor(t)
	d.cluster.Update(func(v *cluster.View) {
		for i := range v.Nodes {
			v.Nodes[i].Status.Server.Version = "10.11.6-MariaDB"
		}
	})
	writer, c := d.client(), d.client()
	writer.result("INSERT INTO t VALUES (1)")
	before := d.srv.causal.acked.Load()
	d.srv.conns.of(&d.cluster.View().Nodes[1]).applied.Store(before)
	for _, sql := range []string{"START TRANSACTION READ ONLY", "SELECT a FROM t", "COMMIT"} {
		c.result(sql)
	}
	d.expectRan("SELECT a FROM t", 0, 1)
	if now, turn := d.srv.causal.acked.Load(), d.srv.causal.turn.Load().node; now != before || turn != d.cluster.View().WriterNode().Backend {
		t.Errorf("%d writes acknowledged, then %d, the last on another node", before, now)
	}
}

// TestNumberBeforeCommit: a node gives a write its number before anybody can see it there.
func TestNumberBeforeCommit(t *testing.T) {
	d, w, r := numberedDoor(t)
	c := d.client()
	readsOn(c, r)
	w.write(c)
	r.unseen.Store(3)
	readsOn(c, r)
	if left := r.unseen.Load(); left >= 0 {
		t.Errorf("the read ran before the write could be seen: %d looks too early", left+1)
	}
}

// TestOneQuestionForMany: reads that come while the writer is asked wait together for the next answer.
func TestOneQuestionForMany(t *testing.T) {
	d, w, r := numberedDoor(t)
	clients := []*testClient{d.client(), d.client(), d.client(), d.client(), d.client()}
	readsOn(clients[0], r)
	w.write(clients[0])
	before := w.Ran(lastSeenQuery)
	hold, held := make(chan struct{}), make(chan struct{})
	w.Once(lastSeenQuery, func(c *mysqltest.Conn, _ *mysqltest.Command) error {
		close(held)
		<-hold
		c.Rows([]string{"g"}, []string{w.position()})
		return nil
	})
	set := d.srv.conns.of(&d.cluster.View().Nodes[1])
	waits := set.waits.Load()
	var all sync.WaitGroup
	read := func(c *testClient) { all.Go(func() { c.result("SELECT 1") }) }
	read(clients[0])
	<-held
	for _, c := range clients[1:] {
		read(c)
	}
	for set.waits.Load() < waits+5 {
		runtime.Gosched()
	}
	close(hold)
	all.Wait()
	if got := w.Ran(lastSeenQuery) - before; got != 1 {
		t.Errorf("the writer was asked %d times: all five reads came after the one write", got)
	}
	if got := r.asked(); len(got) != 1 {
		t.Errorf("waited for %v", got)
	}
}

// TestPeers: where other galleys write, each read asks the writer anew.
func TestPeers(t *testing.T) {
	d, w, r := numberedDoor(t)
	d.srv.peers = func() bool { return true }
	c := d.client()
	readsOn(c, r)
	for i := range int64(3) {
		w.seen.Add(1) // Through another galley.
		readsOn(c, r)
		if r.seen.Load() != 51+i {
			t.Fatal("the read ran too early")
		}
	}
	asked := len(r.asked())
	readsOn(c, r)
	if len(r.asked()) != asked {
		t.Error("waited for a number that the reader has")
	}
}

// TestPeersOfAWriterBefore: what another galley's client was told on the writer before, the next one may have still to apply. It is asked for its number behind that.
func TestPeersOfAWriterBefore(t *testing.T) {
	d := newDoor(t, 3, causally)
	d.srv.peers = func() bool { return true }
	d.cluster.Update(func(v *cluster.View) { v.StateUUID, v.ConfID = "u", 3 })
	_, next, r := number(d.n[0], 1), number(d.n[1], 2), number(d.n[2], 3)
	r.slowGroup(t)
	d.cluster.Set(d.n[0], d.n[1])
	c := d.client()
	c.result("SELECT a FROM t")
	d.cluster.Set(d.n[0], d.n[2])
	c.result("SELECT a FROM t")
	next.On(waitQuery, func(c *mysqltest.Conn, cmd *mysqltest.Command) error {
		next.seen.Store(51) // Which the other galley has told its client of.
		return mysqltest.Usual()(c, cmd)
	})
	d.cluster.Update(func(v *cluster.View) { v.WriterSince = v.WriterSince.Add(time.Second) })
	d.cluster.Set(d.n[1], d.n[2])
	c.result("SELECT b FROM t")
	if got := r.seen.Load(); got != 51 || r.Ran("SELECT b FROM t") != 1 {
		t.Errorf("it has read on %v, where the write up to %d was applied", d.ran("SELECT b FROM t"), got)
	}
}

// TestAClusterStartedAnew: what was known of the cluster before holds no more, of the writer neither.
func TestAClusterStartedAnew(t *testing.T) {
	for name, change := range map[string]func(v *cluster.View){
		"another cluster": func(v *cluster.View) { v.StateUUID = "v" },
		"the same data":   func(v *cluster.View) { v.ConfID = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			d, w, r := numberedDoor(t)
			writer, other := d.client(), d.client()
			readsOn(other, r)
			w.write(writer)
			readsOn(other, r)
			before := d.srv.causal.acked.Load()
			w.seen.Store(40)
			r.seen.Store(30)
			d.cluster.Update(change)
			for d.srv.causal.acked.Load() == before {
				runtime.Gosched()
			}
			readsOn(other, r)
			if w.Ran(waitQuery) < 2 {
				t.Error("the writer was taken for having all of it")
			}
			if got := r.asked(); got[len(got)-1] != "0-2-40" {
				t.Errorf("waited for %v", got)
			}
		})
	}
}
