package mysql

import (
	"testing"

	"galley/balancer"
	"galley/cluster"
	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

func TestRoute(t *testing.T) {
	const auto = wire.StatusAutocommit
	idle := situation{status: auto, readOnlyReaders: true}
	with := func(change func(*situation)) situation {
		s := idle
		change(&s)
		return s
	}
	inTrans := with(func(s *situation) { s.inTransaction, s.status = true, auto|wire.StatusInTrans })
	manual := with(func(s *situation) { s.status = 0 })
	pinned := with(func(s *situation) { s.pins = pinTempTable })
	for _, c := range []struct {
		sql    string
		in     situation
		want   target
		reason routeReason
	}{
		{"SELECT 1", idle, toReader, routeRead},
		{"SELECT * FROM t WHERE a = 'FOR UPDATE'", idle, toReader, routeRead},
		{"SELECT * FROM t FOR UPDATE", idle, toWriter, routeWrite},
		{"SELECT f(1)", idle, toWriter, routeWrite},
		{"SELECT @a", idle, toWriter, routeWrite},
		{"INSERT INTO t VALUES (1)", idle, toWriter, routeWrite},
		{"nonsense", idle, toWriter, routeWrite},
		{"", idle, toWriter, routeWrite},
		{"SELECT 1; SELECT 2", idle, toWriter, routeWrite},
		{"SELECT LAST_INSERT_ID()", idle, toWriter, routeWrite},
		{"USE x", idle, toWriter, routeCommand},
		{"SHOW WARNINGS", idle, toLast, routeDiagnostics},
		{"SELECT ROW_COUNT()", idle, toLast, routeDiagnostics},
		{"SELECT FOUND_ROWS()", idle, toLast, routeDiagnostics},
		{"SET NAMES utf8", idle, toWriter, routeWrite},
		{"BEGIN", idle, toWriter, routeWrite},
		{"START TRANSACTION READ ONLY", idle, toReader, routeReadOnlyTransaction},
		{"START TRANSACTION READ ONLY", with(func(s *situation) { s.readOnlyReaders = false }), toWriter, routeWrite},
		{"START TRANSACTION READ ONLY; INSERT INTO t VALUES (1)", idle, toWriter, routeWrite},
		{"SELECT 1", inTrans, toTransaction, routeTransaction},
		{"SHOW WARNINGS", inTrans, toTransaction, routeTransaction},
		{"/* galley:reader */ SELECT 1", inTrans, toTransaction, routeTransaction},
		{"SELECT 1", manual, toWriter, routeNoAutocommit},
		{"/* galley:reader */ SELECT 1", manual, toWriter, routeNoAutocommit},
		{"SHOW WARNINGS", manual, toLast, routeDiagnostics},
		{"SELECT 1", pinned, toWriter, routePinned},
		{"SHOW WARNINGS", pinned, toWriter, routePinned},
		{"/* galley:node=n2 */ SELECT 1", pinned, toWriter, routePinned},
		{"/* galley:writer */ SELECT 1", idle, toWriter, routeHint},
		{"/* galley:reader */ SELECT f(1)", idle, toReader, routeHint},
		{"/* galley:reader */ SELECT 1", idle, toReader, routeRead},
		{"/* galley:reader */ SELECT * FROM t FOR UPDATE", idle, toWriter, routeWrite},
		{"/* galley:reader */ SELECT @a", idle, toWriter, routeWrite},
		{"/* galley:reader */ INSERT INTO t VALUES (1)", idle, toWriter, routeWrite},
		{"/* galley:node=n2 */ SELECT 1", idle, toNode, routeHint},
		{"/* galley:node=n2 */ INSERT INTO t VALUES (1)", idle, toWriter, routeWrite},
		{"KILL 5", idle, toWriter, routeWrite},
	} {
		class := classify.Statement([]byte(c.sql), 0)
		if got, reason := route(&class, c.in); got != c.want || reason != c.reason {
			t.Errorf("%q in %+v goes to %d (%s), want %d (%s)", c.sql, c.in, got, reason, c.want, c.reason)
		}
	}
}

func TestRepeatableAndAtomic(t *testing.T) {
	for _, c := range []struct {
		sql                string
		repeatable, atomic bool
	}{
		{"SELECT 1", true, true},
		{"BEGIN", true, true},
		{"START TRANSACTION READ ONLY", true, true},
		{"USE x", true, true},
		{"INSERT INTO t VALUES (1)", false, true},
		{"SELECT * FROM t FOR UPDATE", false, true},
		{"SELECT f(1)", false, false},
		{"INSERT INTO t VALUES (f(1))", false, false},
		{"SELECT GET_LOCK('a', 1)", false, true},
		{"CALL p()", false, false},
		{"SELECT 1; INSERT INTO t VALUES (1)", false, false},
		{"INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)", false, false},
		{"SELECT NEXTVAL(s)", false, false},
		{"COMMIT", false, false},
		{"EXECUTE s", false, false},
		{"SET NAMES utf8", false, true},
		{"CREATE TABLE t (a INT)", false, true},
		{"LOAD DATA LOCAL INFILE 'f' INTO TABLE t", false, true},
		{"nonsense", false, false},
	} {
		class := classify.Statement([]byte(c.sql), 0)
		if got := repeatable(&class); got != c.repeatable {
			t.Errorf("%q repeatable: %v (%s %s)", c.sql, got, class.Kind, class.Flags)
		}
		if got := atomicKind(&class); got != c.atomic {
			t.Errorf("%q atomic: %v (%s %s)", c.sql, got, class.Kind, class.Flags)
		}
	}
}

func TestPickReader(t *testing.T) {
	type node struct {
		load, share float64
		weight      int
		waiting     int
	}
	for _, c := range []struct {
		name  string
		nodes []node
		want  int
	}{
		{"no reader", nil, -1},
		{"the only one", []node{{9, 1, 1, 9}}, 0},
		{"the less loaded", []node{{3, 1, 1, 0}, {1, 1, 1, 0}}, 1},
		{"the one for which fewer wait", []node{{1, 1, 1, 4}, {1, 1, 1, 0}}, 1},
		{"the heavier one", []node{{4, 1, 1, 0}, {6, 1, 3, 0}}, 1},
		{"one without a share last", []node{{0, 0, 1, 0}, {50, 1, 1, 50}}, 1},
		{"one without a share when it is alone", []node{{0, 0, 1, 0}}, 0},
		{"one without weight last", []node{{0, 1, 0, 0}, {50, 1, 1, 0}}, 1},
	} {
		srv := &Server{conns: connSets{sets: map[*balancer.Backend]*connSet{}}}
		view := &cluster.View{Writer: -1}
		for i, n := range c.nodes {
			fake := mysqltest.NewNode(t, string(rune('a'+i)), i)
			fake.Backend.SetReported(n.load)
			fake.Backend.SetShare(n.share)
			fake.Backend.SetWeight(n.weight)
			view.Nodes = append(view.Nodes, cluster.Node{Addr: fake.Addr, Backend: fake.Backend})
			view.Readers = append(view.Readers, i)
			for range n.waiting {
				srv.conns.of(&view.Nodes[i]).queue.push(&waiter{})
			}
		}
		got := srv.pickReader(view)
		if c.want < 0 {
			if got != nil {
				t.Errorf("%s: %s", c.name, got.Addr)
			}
			continue
		}
		if got != &view.Nodes[c.want] {
			t.Errorf("%s: %v, want node %d", c.name, got, c.want)
		}
	}
}

// TestPickReaderAmongEquals takes them in turn, so that sessions that come one after the other spread.
func TestPickReaderAmongEquals(t *testing.T) {
	srv := &Server{conns: connSets{sets: map[*balancer.Backend]*connSet{}}}
	view := &cluster.View{Writer: -1}
	for i := range 3 {
		fake := mysqltest.NewNode(t, string(rune('a'+i)), i)
		view.Nodes = append(view.Nodes, cluster.Node{Addr: fake.Addr, Backend: fake.Backend})
		view.Readers = append(view.Readers, i)
	}
	picked := map[string]int{}
	for range 30 {
		picked[srv.pickReader(view).Addr]++
	}
	for addr, n := range picked {
		if n != 10 {
			t.Errorf("%s was picked %d times of 30", addr, n)
		}
	}
}
