package mysql

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"galley/cluster"
	"galley/proxy/mysql/classify"
)

// watch follows the cluster's views and cuts the backend conns of nodes that are lost for good: what is in flight there will not be answered any more.
func (s *Server) watch(ctx context.Context) {
	type charsets struct{ server, collation, client, version string }
	var known charsets
	var was epoch
	degraded := false
	for {
		changed := s.cluster.Changed()
		view := s.cluster.View()
		if now := (charsets{view.Server.Charset, view.Server.CollationName, view.Server.ClientCharset, view.Server.Version}); now != known {
			if known != (charsets{}) {
				s.charsets.clear()
				s.accepted.clear()
				s.known.forget()
			}
			known = now
		}
		s.expectLost(view)
		s.cutLost(view)
		s.moveReads(view)
		s.moveTransactions(view)
		for _, set := range s.conns.all() {
			set.review(view)
		}
		now := epochOf(view)
		s.follow(was, now)
		was = now.after(was)
		s.leaveDrained(view)
		degraded = s.leaveDegraded(ctx, degraded, view)
		s.since106.Store(since106(view))
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) cutLost(view *cluster.View) {
	for i := range view.Nodes {
		node := &view.Nodes[i]
		if !node.Evicted {
			continue
		}
		if n := s.conns.of(node).cut(); n > 0 {
			s.log.Warn("the cluster goes on without a node: its backend conns are cut", "node", node.Addr, "conns", n)
		}
	}
	s.conns.forget(view)
}

// moveReads takes the reads that may be run elsewhere off nodes that are lost or hang.
func (s *Server) moveReads(view *cluster.View) {
	for i := range view.Nodes {
		node := &view.Nodes[i]
		if len(view.Readers) == 0 || slices.Contains(view.Readers, i) || i == view.Writer || node.ReadGrade != cluster.Never || node.Reason == cluster.Draining {
			continue
		}
		if n := s.conns.of(node).move(runMovable); n > 0 {
			s.log.Info("reads are moved off a node", "node", node.Addr, "reason", node.Reason, "reads", n)
		}
	}
}

// since106 says whether every node is MariaDB 10.6 or later.
func since106(view *cluster.View) bool {
	for i := range view.Nodes {
		version := view.Nodes[i].Status.Server.Version
		if version == "" {
			continue // Not seen yet: nothing runs there.
		}
		major, rest, _ := strings.Cut(version, ".")
		minor, _, _ := strings.Cut(rest, ".")
		a, _ := strconv.Atoi(major)
		b, _ := strconv.Atoi(minor)
		if !strings.Contains(version, "MariaDB") || a < 10 || a == 10 && b < 6 {
			return false
		}
	}
	return true
}

func (s *Server) modeOfNodes() classify.Mode {
	if s.since106.Load() {
		return classify.Since106
	}
	return 0
}

// drainTick is how often a drain looks whether all sessions have ended.
const drainTick = 20 * time.Millisecond

// cutAfter is how long sessions that are cut may take to end before their nodes are cut too.
const cutAfter = time.Second

// drain ends the sessions: idle ones at once, the others when their statement and transaction have ended, all of them when the grace time is over or cut ends.
func (s *Server) drain(cut context.Context, cancel context.CancelCauseFunc) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.wg.Wait()
	}()
	timer := time.NewTimer(s.config().Grace)
	defer timer.Stop()
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	for waiting := true; waiting; {
		s.endIdle()
		select {
		case <-tick.C:
		case <-done:
			waiting = false
		case <-timer.C:
			waiting = false
		case <-cut.Done():
			waiting = false
		}
	}
	if n := s.sessionCount(); n > 0 {
		s.log.Warn("cutting the sessions that are left", "sessions", n)
	}
	cancel(errShuttingDown)
	timer.Reset(cutAfter)
	select {
	case <-done:
	case <-timer.C:
		s.conns.end() // Who has not ended by now waits for a node that hangs.
		<-done
	}
}

// endIdle has the sessions that wait for a command outside a transaction end. A command that arrives at the same time is still answered: the deadline only ends a wait.
func (s *Server) endIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.sessions {
		if !c.shown.busy.busy() && !c.shown.inTrans.Load() {
			_ = c.client.NetConn().SetReadDeadline(time.Unix(1, 0))
		}
	}
}
