package mysql

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"galley/balancer"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// waits runs a read, which must run on the reader n[1], and says whether galley waited for that node first.
func (c *testClient) waits(sql string) bool {
	c.tb.Helper()
	n := c.door.n[1]
	ran, waited := n.Ran(sql), n.Ran(waitQuery)
	c.result(sql)
	if n.Ran(sql) != ran+1 {
		c.tb.Fatalf("%s ran %v times", sql, c.door.ran(sql))
	}
	return n.Ran(waitQuery) > waited
}

// openAfter answers OK and leaves a transaction open behind it.
func openAfter(c *mysqltest.Conn, _ *mysqltest.Command) error {
	c.Status |= wire.StatusInTrans
	c.OK(wire.OK{})
	return nil
}

// closedAfter answers as what ends a transaction before it does anything.
func closedAfter(reply mysqltest.Reply) mysqltest.Reply {
	return func(c *mysqltest.Conn, cmd *mysqltest.Command) error {
		c.Status &^= wire.StatusInTrans
		return reply(c, cmd)
	}
}

// transactionEnd is something that ends a transaction.
type transactionEnd struct {
	begin, end string
	reply      mysqltest.Reply
	code       uint16 // Of the error that the client gets.
}

func transactionEnds() []transactionEnd {
	const begin, off = "BEGIN", "SET autocommit=0"
	return []transactionEnd{
		{begin: begin, end: "COMMIT"},
		{begin: off, end: "SET autocommit=1"},
		{begin: off, end: "SET sql_mode='', autocommit=1"},
		{begin: begin, end: "COMMIT AND CHAIN", reply: openAfter},
		{begin: begin, end: "BEGIN"},
		{begin: begin, end: "START TRANSACTION"},
		{begin: begin, end: "START TRANSACTION READ ONLY"},
		{begin: off, end: "BEGIN"},
		{begin: begin, end: "CREATE TABLE x (a INT)", reply: closedAfter(mysqltest.Done())},
		{begin: begin, end: "LOCK TABLES t READ", reply: closedAfter(mysqltest.Done())},
		{begin: begin, end: "CALL p()", reply: openAfter},
		{begin: begin, end: "COMMIT; BEGIN"},
		{begin: begin, end: "CREATE TABLE x (a INT)", reply: closedAfter(mysqltest.Fail(1050, "Table 'x' already exists")), code: 1050},
		{begin: begin, end: "LOCK TABLES x READ", reply: closedAfter(mysqltest.Fail(1146, "Table 'x' doesn't exist")), code: 1146},
		{begin: begin, end: "CALL p()", reply: leavesTransaction, code: 1644},
	}
}

func TestWhatEndsATransactionIsAWrite(t *testing.T) {
	for _, c := range transactionEnds() {
		for _, prepared := range []bool{false, true} {
			if prepared && strings.Contains(c.end, ";") {
				continue
			}
			name := c.begin + ", " + c.end
			if prepared {
				name += ", prepared"
			}
			t.Run(name, func(t *testing.T) {
				d := newDoor(t, 2, causally)
				writer, other := d.client(), d.client()
				if !other.waits("SELECT 0") {
					t.Fatal("what was written before galley started was not waited for")
				}
				end := func() error { _, err := writer.Query(c.end); return err }
				if prepared {
					st := writer.prepare(c.end)
					end = func() error { _, err := writer.Execute(st); return err }
				}
				writer.result(c.begin)
				writer.result("UPDATE t SET a = 1")
				if other.waits("SELECT 1") {
					t.Error("a read waited before anything was committed")
				}
				if c.reply != nil {
					d.n[0].Once(c.end, c.reply)
				}
				if err := end(); c.code == 0 && err != nil || c.code != 0 && !mysqltest.IsError(err, c.code) {
					t.Fatalf("%s: %v", c.end, err)
				}
				if !other.waits("SELECT 2") {
					t.Error("a read did not wait for what has been committed")
				}
				if other.waits("SELECT 3") {
					t.Error("a read waited twice for the same")
				}
			})
		}
	}
}

// TestAWriteIsCountedBeforeTheClientKnows: a read that begins when the client has its answer waits.
func TestAWriteIsCountedBeforeTheClientKnows(t *testing.T) {
	d := newDoor(t, 2, causally)
	writer, other := d.client(), d.client()
	for range 300 {
		writer.result("INSERT INTO t VALUES (1)")
		if !other.waits("SELECT 1") {
			t.Fatal("a read did not wait")
		}
	}
}

// TestWaitsInARow: each write is waited for once.
func TestWaitsInARow(t *testing.T) {
	for _, sql := range []string{"DO 1", "SELECT 9"} {
		d := newDoor(t, 2, causally)
		writer, other := d.client(), d.client()
		for i := range 5 {
			writer.result("INSERT INTO t VALUES (1)")
			if !other.waits(sql) {
				t.Errorf("run %d: %q did not wait", i, sql)
			}
		}
		if other.waits("SELECT 2") {
			t.Errorf("after %q a read waited without need", sql)
		}
	}
}

// TestWhatWaits: whatever sees data waits before any of it reaches the node, and the wait is under wsrep_sync_wait.
func TestWhatWaits(t *testing.T) {
	for _, c := range []struct {
		name string
		com  byte
		text string
		node int
	}{
		{"DO", wire.ComQuery, "DO 1", 1},
		{"SHOW", wire.ComQuery, "SHOW CREATE USER app", 1},
		{"VALUES", wire.ComQuery, "VALUES (1)", 1},
		{"HELP", wire.ComQuery, "HELP 'x'", 0},
		{"DML", wire.ComQuery, "UPDATE t SET a = 1", 0},
		{"CALL", wire.ComQuery, "CALL p()", 0},
		{"COM_FIELD_LIST", wire.ComFieldList, "t\x00", 1},
		{"COM_STMT_PREPARE", wire.ComStmtPrepare, "SELECT a FROM t", 1},
		{"COM_STMT_EXECUTE", wire.ComStmtExecute, "DO 1", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDoor(t, 2, causally)
			cl := d.client()
			n := d.n[c.node]
			switch c.com {
			case wire.ComStmtPrepare:
				cl.prepare(c.text)
			case wire.ComStmtExecute:
				st := cl.prepare(c.text)
				n.Forget()
				d.srv.causal.ack(d.n[0].Backend) // Another session's write.
				cl.execute(st)
			case wire.ComFieldList:
				if err := cl.Send(c.com, c.text); err != nil {
					t.Fatal(err)
				}
				var set mysqltest.Set
				if err := cl.ReadRows(&set); err != nil {
					t.Fatal(err)
				}
			default:
				cl.result(c.text)
			}
			var got []string
			for _, cmd := range n.Commands() {
				got = append(got, cmd.Text)
				if cmd.Text == waitQuery && !strings.Contains(cmd.Vars, "wsrep_sync_wait=15") {
					t.Errorf("the wait ran with %q", cmd.Vars)
				}
			}
			front, at := slices.Index(got, waitQuery), slices.Index(got, c.text)
			if front < 0 || at < front {
				t.Fatalf("sent %q, want a wait before %q", got, c.text)
			}
			if c.node == 1 && cl.waits("SELECT 2") {
				t.Error("then a read waited again")
			}
		})
	}
}

// TestANodeThatDoesNotCatchUpIsNotTakenForCaughtUp: where the wait fails, the writer answers, and the next read waits.
func TestANodeThatDoesNotCatchUpIsNotTakenForCaughtUp(t *testing.T) {
	for name, reply := range map[string]mysqltest.Reply{
		"too late":  mysqltest.Fail(codeLockWaitTimeout, "Lock wait timeout exceeded; try restarting transaction"),
		"a refusal": mysqltest.Fail(codeUnknownCommand, "WSREP has not yet prepared node for application use"),
		"a loss":    mysqltest.Close(),
	} {
		d := newDoor(t, 2, causally)
		c := d.client()
		d.n[1].Once(waitQuery, reply)
		const sql = "SELECT a FROM t"
		c.result(sql)
		if d.n[0].Ran(sql) != 1 {
			t.Errorf("%s: %s ran %v times", name, sql, d.ran(sql))
		}
		if !c.waits("SELECT 2") {
			t.Errorf("%s: the node was taken for caught up", name)
		}
	}
}

// TestOneWaitForMany: reads that come while a wait is under way wait together for the next one.
func TestOneWaitForMany(t *testing.T) {
	d := newSocketDoor(t, 2, causally)
	clients := []*testClient{d.client(), d.client(), d.client(), d.client(), d.client()}
	hold, held := make(chan struct{}), make(chan struct{})
	d.n[1].Once(waitQuery, func(c *mysqltest.Conn, _ *mysqltest.Command) error {
		close(held)
		<-hold
		c.Rows([]string{"a"}, []string{"a"})
		return nil
	})
	var all sync.WaitGroup
	read := func(c *testClient) { all.Go(func() { c.result("SELECT 1") }) }
	read(clients[0])
	<-held
	for _, c := range clients[1:] {
		read(c)
	}
	for d.srv.conns.of(&d.cluster.View().Nodes[1]).waits.Load() < 5 {
		runtime.Gosched()
	}
	if d.n[1].Ran("SELECT 1") != 0 {
		t.Error("a read ran before the node had caught up")
	}
	close(hold)
	all.Wait()
	if got := d.n[1].Ran(waitQuery); got != 2 {
		t.Errorf("%d waits for five reads", got)
	}
}

// TestStrictSessions: a session that asks for wsrep_sync_wait waits each time.
func TestStrictSessions(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	if c.waits("SELECT 1") {
		t.Error("a read waited with eventual consistency")
	}
	c.result("SET wsrep_sync_wait=1")
	for range 2 {
		if !c.waits("SELECT 2") {
			t.Error("a read did not wait")
		}
	}
	c.result("SET wsrep_sync_wait=0")
	if c.waits("SELECT 3") {
		t.Error("a read waited")
	}
}

// TestCausalNumbers: whatever two nodes acknowledge at the same time, each must be waited for on the other.
func TestCausalNumbers(t *testing.T) {
	a, b := balancer.NewBackend("a", 1), balancer.NewBackend("b", 1)
	var c causal
	c.start()
	if c.need(a) != 1 || c.need(b) != 1 {
		t.Errorf("at first %d and %d", c.need(a), c.need(b))
	}
	for range 20000 {
		before := c.acked.Load()
		var both sync.WaitGroup
		start := make(chan struct{})
		for _, n := range []*balancer.Backend{a, b} {
			both.Go(func() {
				<-start
				c.ack(n)
			})
		}
		close(start)
		both.Wait()
		// The later one's turn begins with its own number, so that both need both.
		if c.need(a) < before+2 || c.need(b) < before+2 {
			t.Fatalf("of %d and %d, a needs %d, b %d", before+1, before+2, c.need(a), c.need(b))
		}
	}
}

// TestCausalNeedsNeverFallBehind: while others acknowledge, what one has acknowledged on a node stays needed on the other.
func TestCausalNeedsNeverFallBehind(t *testing.T) {
	nodes := []*balancer.Backend{balancer.NewBackend("a", 1), balancer.NewBackend("b", 1)}
	var c causal
	c.start()
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			own, other := nodes[i%2], nodes[(i+1)%2]
			for range 5000 {
				least := c.acked.Load() + 1 // The number that ack gives is not below it.
				c.ack(own)
				if need := c.need(other); need < least {
					t.Errorf("a write with at least the number %d, and the other node needs %d", least, need)
					return
				}
			}
		})
	}
	all.Wait()
	if got := c.acked.Load(); got != 1+6*5000 {
		t.Errorf("%d writes in the end", got)
	}
}

// TestCausalCovers: a node that is asked is not taken for having what another one acknowledges at that moment.
func TestCausalCovers(t *testing.T) {
	a, b := balancer.NewBackend("a", 1), balancer.NewBackend("b", 1)
	var c causal
	c.start()
	for range 50000 {
		c.ack(a)
		var n, upTo, need uint64
		var both sync.WaitGroup
		start := make(chan struct{})
		both.Go(func() {
			<-start
			n = c.ack(b)
		})
		both.Go(func() {
			<-start
			upTo, need = c.covers(a)
		})
		close(start)
		both.Wait()
		if upTo >= n && need < n {
			t.Fatalf("b made write %d; a needs only %d to have all %d", n, need, upTo)
		}
	}
}
