package mysql

import (
	"context"
	"errors"
	"strconv"
	"time"

	"galley/config"
	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// sweepTick is how often the sweeper looks at every session that is not asleep (sleepers.go). What it measures is as exact as that, and never too short.
const sweepTick = 250 * time.Millisecond

var (
	errWaitTimeout = errors.New("the client has sent nothing for wait_timeout")
	errSlowClient  = errors.New("the client has taken nothing of its answer for client_write_timeout")
	errClientGone  = errors.New("the client is gone")
)

// sweep looks after what takes too long, so that the sessions need no timers: idle clients, clients that are gone or take nothing, reads that run for too long.
func (s *Server) sweep(ctx context.Context) {
	defer s.late.Wait()
	tick := time.NewTicker(sweepTick)
	defer tick.Stop()
	var all []*session
	for {
		select {
		case now := <-tick.C:
			all = s.sweepAll(all[:0], now)
		case <-ctx.Done():
			return
		}
	}
}

// sweepAll looks at the sessions whose turn it is. all is scratch.
func (s *Server) sweepAll(all []*session, now time.Time) []*session {
	all = s.sleepers.due(all, now)
	facts := &s.cluster.View().Server
	r := rules{config: s.config(), idle: facts.WaitTimeout, interactive: facts.InteractiveTimeout}
	for i, c := range all {
		c.sweep(&r, now)
		s.sleepers.rest(c, now)
		all[i] = nil
	}
	return all
}

func (s *Server) allSessions(all []*session) []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.sessions {
		all = append(all, c)
	}
	return all
}

// rules are what holds for all sessions in one sweep.
type rules struct {
	config            *config.MySQL
	idle, interactive time.Duration // The cluster's wait_timeout and interactive_timeout; 0 is not known.
}

// executionTime is how long a user's reads may run; 0 is without a limit.
func (r *rules) executionTime(user string) time.Duration {
	if own := r.config.LimitOf(user).MaxExecutionTime; own > 0 {
		return own
	}
	return r.config.MaxExecutionTime
}

// sweep looks at one session. Only the sweeper calls it.
func (s *session) sweep(r *rules, now time.Time) {
	doing, l := s.shown.busy.now.Load(), &s.shown.swept
	switch {
	case doing != l.seen.Load() || l.since.Load() == 0:
		l.since.Store(now.UnixNano())
		l.seen.Store(doing)
		l.next = 0
	case byte(doing) != 0:
		s.sweepBusy(r, doing, now)
	case now.UnixNano() >= l.next:
		s.sweepIdle(r, doing, now)
	}
}

// idleLook is the longest time between two looks at an idle session.
const idleLook = 10 * time.Second

// sweepIdle ends the session if it has waited for a command for as long as it may.
func (s *session) sweepIdle(r *rules, doing uint64, now time.Time) {
	if s.shown.login.Load() == nil {
		return // The handshake has a deadline of its own.
	}
	s.shown.swept.next = now.Add(idleLook).UnixNano()
	limit := s.idleLimit(r)
	if limit <= 0 {
		return
	}
	if s.since(now) >= limit && s.shown.busy.over(doing) {
		s.cancel(errWaitTimeout)
	}
	s.shown.swept.next = min(s.shown.swept.next, s.shown.swept.since.Load()+int64(limit))
}

// goneLook is how long a session may wait for a conn before it is looked whether its client is still there.
const goneLook = time.Second

// sweepBusy looks at a session that has been at the same command since the last look.
func (s *session) sweepBusy(r *rules, doing uint64, now time.Time) {
	l := s.shown.login.Load()
	if l == nil || byte(doing) == activityOver {
		return
	}
	if s.takesNothing(now, r.config.ClientWriteTimeout) {
		s.cancel(errSlowClient)
		return
	}
	if s.shown.swept.dealt == doing {
		return
	}
	b := s.shown.running.Load()
	if b == nil && s.waiter.in.Load() != nil && s.since(now) < goneLook {
		return // A look at each of thousands that wait for a moment would cost more than their statements.
	}
	switch limit := r.executionTime(l.user); {
	case s.client.Gone():
		s.shown.swept.dealt = doing
		if b == nil {
			if s.waits() {
				s.cancel(errClientGone)
			}
			s.shown.swept.dealt = 0 // It may begin to run yet.
			return
		}
		if b.reads.Load() || r.config.KillWritesOfGoneClients {
			s.srv.killLate(s, l, doing, killClientGone)
		}
	case limit > 0 && s.since(now) >= limit && b != nil && b.reads.Load():
		s.shown.swept.dealt = doing
		s.overtime.Store(doing)
		s.srv.killLate(s, l, doing, killOvertime)
	}
}

// idleLimit is how long the session may wait for a command: wait_timeout as it has set it, or the cluster's own; at login an interactive client's is interactive_timeout.
func (s *session) idleLimit(r *rules) time.Duration {
	if own := s.shown.waitTimeout.Load(); own > 0 {
		return time.Duration(own) * time.Second
	}
	if s.caps.Has(wire.ClientInteractive) {
		return r.interactive
	}
	return r.idle
}

// takesNothing says whether the client has taken nothing of its answer for as long as it may.
func (s *session) takesNothing(now time.Time, limit time.Duration) bool {
	stall := s.client.Stalled()
	if stall == 0 || stall != s.shown.swept.stall {
		s.shown.swept.stall, s.shown.swept.stalled = stall, now
		return false
	}
	return limit > 0 && now.Sub(s.shown.swept.stalled) >= limit
}

// killLate kills what a session has been running for too long or for nobody, unless it has ended in the meantime.
func (s *Server) killLate(c *session, l *login, doing uint64, reason killReason) {
	s.late.Go(func() {
		k := classify.KillStatement{Target: classify.KillQuery, Query: true}
		ran, err := s.interrupt(c.ctx, c, l, &k, func() bool { return c.shown.busy.now.Load() == doing })
		if ran && err == nil {
			s.metrics.kills[reason].Add(1)
		}
		s.log.Debug("killing a statement", "session", c.id, "reason", reason, "ran", ran, "error", err)
	})
}

// showTimeout publishes the wait_timeout that the session has set.
func (s *session) showTimeout() {
	s.state.shownAt = s.state.changes
	seconds := int64(0)
	if v, ok := s.state.value("wait_timeout"); ok {
		seconds, _ = strconv.ParseInt(v, 10, 64)
	}
	s.shown.waitTimeout.Store(seconds)
}

// overtimeText is what the server says of a statement that max_statement_time has ended.
const overtimeText = "Query execution was interrupted (max_statement_time exceeded)"

// retold gives the packets of win, of which the last, at start, is an ERR packet, as the client is to see them: what was killed for its time ends with the error that says so.
func (s *session) retold(win []byte, start int) []byte {
	if errorCode(win[start+wire.HeaderLen:]) != codeInterrupted || s.overtime.Load() != s.shown.busy.now.Load() {
		return win
	}
	e := wire.ServerError{Code: codeStatementTimeout, SQLState: "70100", Message: overtimeText}
	s.scratch = append(s.scratch[:0], win[:start]...)
	s.scratch = append(s.scratch, 0, 0, 0, win[start+3])
	s.scratch = e.Append(s.scratch)
	wire.PutHeader(s.scratch[start:], len(s.scratch)-start-wire.HeaderLen, win[start+3])
	return s.scratch
}
