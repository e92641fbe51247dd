//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"galley/cluster/clusterlab"
)

// slack is what galley and a busy machine may add to what Galera itself needs.
const slack = 12 * time.Second

// role is which node an event strikes.
type role string

const (
	onReader role = "reader"
	onWriter role = "writer"
)

// event is something that happens to one node under load and passes.
type event struct {
	name string
	on   role
	act  func(ctx context.Context, n *clusterlab.Node) error
	heal func(ctx context.Context, n *clusterlab.Node) error
	// hold is the time between act and heal, in which Galera has to get over it.
	hold time.Duration
	// quiet is how long after act the node may still answer reads; none is asked for if it is 0.
	quiet time.Duration
	// also are kinds of errors that writes may get besides the lost-connection error.
	also []string
	// always are the roles that it strikes in every run; the others only in a run of everything.
	always []role
}

func set(statement string) func(context.Context, *clusterlab.Node) error {
	return func(ctx context.Context, n *clusterlab.Node) error { return n.Exec(ctx, statement) }
}

func rejoin(ctx context.Context, n *clusterlab.Node) error { return startNode(ctx, n) }

func nodeEvents() []event {
	terminate := func(ctx context.Context, n *clusterlab.Node) error { return n.Terminate(ctx) }
	kill := func(_ context.Context, n *clusterlab.Node) error { return n.Kill() }
	pause := func(_ context.Context, n *clusterlab.Node) error { return n.Pause() }
	resume := func(_ context.Context, n *clusterlab.Node) error { return n.Resume() }
	both := []event{
		{name: "sigterm", act: terminate, heal: rejoin, hold: 3 * time.Second, quiet: 2 * time.Second, always: []role{onWriter}},
		{name: "sigkill", act: kill, heal: rejoin, hold: 9 * time.Second, quiet: time.Second, always: []role{onReader, onWriter}},
		{name: "sigstop", act: pause, heal: resume, hold: 10 * time.Second, quiet: time.Second, always: []role{onWriter}},
		{
			name: "desync", act: set("SET GLOBAL wsrep_desync=ON"), heal: set("SET GLOBAL wsrep_desync=OFF"),
			hold: 4 * time.Second, quiet: 2 * time.Second, always: []role{onWriter},
		},
		{
			name: "reject_queries", act: set("SET GLOBAL wsrep_reject_queries=ALL"), heal: set("SET GLOBAL wsrep_reject_queries=NONE"),
			hold: 4 * time.Second, quiet: time.Second,
		},
		// A node that is read-only remains a good reader. A transaction that is open on it is refused its writes: nobody can finish it elsewhere.
		{name: "read_only", act: set("SET GLOBAL read_only=ON"), heal: set("SET GLOBAL read_only=OFF"), hold: 4 * time.Second, also: []string{"1290"}},
	}
	var all []event
	for _, on := range []role{onReader, onWriter} {
		for _, e := range both {
			e.on = on
			if everything() || slices.Contains(e.always, on) {
				all = append(all, e)
			}
		}
	}
	return all
}

// TestNodeEvents strikes a reader and the writer with each event while clients work.
func TestNodeEvents(t *testing.T) {
	for i, e := range nodeEvents() {
		t.Run(e.name+"_of_"+string(e.on), func(t *testing.T) {
			needGalley(t)
			before := settle(t)
			name := before.writer
			if e.on == onReader {
				name = anyReader(before)
			}
			struck := nodeNamed(t, name)
			l := startLoad(t, e.name+"_of_"+string(e.on), i+1)
			l.addFloor(openNode(t, others(struck)[0]))
			time.Sleep(time.Second)

			if err := e.act(suite.ctx, struck); err != nil {
				t.Fatal(err)
			}
			acted := time.Now() // A node may take its time to leave.
			healed := false
			heal := func() {
				if !healed {
					healed = true
					if err := e.heal(suite.ctx, struck); err != nil {
						t.Error(err)
					}
				}
			}
			defer heal()
			time.Sleep(e.hold)
			ended := time.Now()
			heal()
			after := settle(t)
			l.end()
			l.verify(t)

			if e.quiet > 0 {
				if n := l.readsFrom(acted.Add(e.quiet), ended)[name]; n > 0 {
					t.Errorf("%s answered %d reads more than %s after %s", name, n, e.quiet, e.name)
				}
			}
			finish(t, l, e.also...)
			// When the node joins again the writer may be its donor, which is a reason to move.
			switch writers := l.writersUntil(ended); {
			case e.on == onReader && !slices.Equal(writers, []string{before.writer}):
				t.Errorf("writes went to %v although nothing happened to the writer, %s", writers, before.writer)
			case len(writers) > 2:
				t.Errorf("writes went to %v", writers)
			case e.on == onWriter && after.writer == before.writer:
				t.Errorf("%s is the writer again; galley must not fail back by itself", after.writer)
			}
		})
	}
}

func anyReader(r roles) string {
	for name := range r.readers {
		return name
	}
	return ""
}

// finish reports what the clients of an event saw and holds it against what is promised: reads get no error; a write in
// flight on a node that is lost may get the lost-connection error, and a transaction that cannot be run again 1213; nobody waits much longer than Galera itself.
func finish(t *testing.T, l *load, also ...string) {
	t.Helper()
	allow(t, l, func(kind string) bool { return isLost(kind) || isUndone(kind) || slices.Contains(also, kind) })
	o := l.out
	if o.longest > o.floor+slack {
		t.Errorf("writes paused for %s, Galera itself for %s", o.longest, o.floor)
	}
	if o.longestRead > max(o.floor, o.floorRead)+slack {
		t.Errorf("reads paused for %s", o.longestRead)
	}
}

// allow reports what the clients saw, and fails for each kind of error that is not allowed to writes.
func allow(t *testing.T, l *load, allowed func(kind string) bool) {
	t.Helper()
	o := l.out
	fmt.Fprintln(os.Stdout, o)
	suite.report.add(o)
	for kind, n := range o.errors {
		if !allowed(kind) {
			t.Errorf("%d errors of kind %s; the first of each:%s", n, kind, o.firsts())
		}
	}
	if len(l.kept) < 50 || len(l.reads) < 50 {
		t.Errorf("only %d writes and %d reads were answered", len(l.kept), len(l.reads))
	}
}

// TestFlushTablesWithReadLock holds a reader's appliers still: its queue grows, and it must lose its share of the reads
// before flow control stops the writer.
func TestFlushTablesWithReadLock(t *testing.T) {
	needGalley(t)
	before := settle(t)
	reader := nodeNamed(t, anyReader(before))
	writer := nodeNamed(t, before.writer)
	pausedBefore := statusNumber(t, writer, "wsrep_flow_control_paused_ns")
	l := startLoad(t, "flush_tables_with_read_lock", 50)
	l.addFloor(openNode(t, writer))
	l.addReadFloor(openNode(t, reader))
	time.Sleep(time.Second)

	lock := openNode(t, reader)
	if _, err := lock.ExecContext(suite.ctx, "FLUSH TABLES WITH READ LOCK"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	time.Sleep(5 * time.Second)
	ended := time.Now()
	queue := statusNumber(t, reader, "wsrep_local_recv_queue")
	if _, err := lock.ExecContext(suite.ctx, "UNLOCK TABLES"); err != nil {
		t.Fatal(err)
	}
	settle(t)
	l.end()
	l.verify(t)
	if queue == 0 {
		t.Errorf("the queue of %s did not grow: this test shows nothing", reader.Name())
	}
	if n := l.readsFrom(began.Add(2*time.Second), ended)[reader.Name()]; n > 0 {
		t.Errorf("%s answered %d reads with a queue of up to %d", reader.Name(), n, queue)
	}
	if paused := statusNumber(t, writer, "wsrep_flow_control_paused_ns") - pausedBefore; paused > int64(time.Second) {
		t.Errorf("flow control stopped the writer for %s", time.Duration(paused))
	}
	t.Logf("reads on %s itself paused for %s", reader.Name(), l.out.floorRead)
	finish(t, l)
}

func statusNumber(t *testing.T, n *clusterlab.Node, name string) int64 {
	t.Helper()
	text, err := n.Status(suite.ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	var v int64
	if _, err := fmt.Sscan(text, &v); err != nil {
		t.Fatalf("%s = %q: %v", name, text, err)
	}
	return v
}

// TestNodeAddedAndRemoved lets a fourth node join by a state transfer, so that one of the three becomes its donor, and leave.
func TestNodeAddedAndRemoved(t *testing.T) {
	if !everything() {
		t.Skip("a state transfer takes long: make e2e-all")
	}
	needGalley(t)
	settle(t)
	l := startLoad(t, "node_added_by_sst", 60)
	time.Sleep(time.Second)
	added, err := suite.lab.AddNode(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := sign(suite.ctx, added); err != nil {
		t.Fatal(err)
	}
	after := settle(t) // With reads from all four but the writer.
	l.end()
	l.verify(t)
	allow(t, l, func(kind string) bool { return isLost(kind) })
	if after.readers[added.Name()] == 0 {
		t.Errorf("%s gets no reads: %v", added.Name(), after.readers)
	}

	l = startLoad(t, "node_removed", 61)
	l.addFloor(openNode(t, others(added)[0]))
	time.Sleep(time.Second)
	if err := added.Terminate(suite.ctx); err != nil {
		t.Fatal(err)
	}
	settle(t)
	err = eventually(suite.ctx, 15*time.Second, func() error {
		page, err := suite.galley.get(suite.ctx, "/api/status")
		if err != nil {
			return err
		}
		var status struct {
			Nodes []struct{ Addr string }
		}
		if err := json.Unmarshal([]byte(page), &status); err != nil {
			return err
		}
		if len(status.Nodes) != len(runningNodes()) {
			return fmt.Errorf("/api/status still has %v", status.Nodes)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	l.end()
	l.verify(t)
	finish(t, l)
}
