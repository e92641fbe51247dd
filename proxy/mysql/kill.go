package mysql

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// firstConnectionID is where galley's connection ids start. Those of nodes count up from 1 and do not come near, so that a KILL shows by its number whom it means.
// The eight bits below the highest are galley's instance id, the rest a counter.
const firstConnectionID = 1 << 31

const instanceShift = 23

// mayKillOthers are the global privileges that let a user kill others' sessions: SUPER and CONNECTION ADMIN (MariaDB: sql/privilege.h).
const mayKillOthers = 1<<15 | 1<<32

// kill runs KILL where it means what galley knows: its own sessions, a user's, or a statement on whichever node. False means that the node is to run it.
func (s *session) kill(x *exchange, sql []byte) (done bool, err error) {
	if !x.cmd.Whole() {
		return false, nil
	}
	k, ok := classify.ParseKill(sql, s.mode())
	if !ok {
		return false, nil
	}
	if k.Target == classify.KillUser {
		return true, s.killUser(&k)
	}
	if x.stmt != nil && x.stmt.params > 0 {
		if k.ID, k.Plain = x.stmt.number(x.cmd.Body); !k.Parameter || !k.Plain {
			return false, nil
		}
	}
	if !k.Plain {
		evaluated, err := s.evaluate(&k, sql[k.Start:k.End])
		if !evaluated {
			return true, err
		}
	}
	switch {
	case k.Target == classify.KillQueryID:
		return true, s.killQueryID(&k)
	case k.ID < firstConnectionID:
		return false, nil
	}
	return true, s.killID(&k)
}

// evaluate has a node say what the expression of a KILL is. False means that the client has its answer, an error.
func (s *session) evaluate(k *classify.KillStatement, expression []byte) (bool, error) {
	answer, ok, err := s.runKept("SELECT (" + string(expression) + ")")
	if !ok {
		return false, err
	}
	if refused := answer.refused(); refused != nil {
		return false, s.writeError(refused)
	}
	if len(answer.rows) == 1 {
		if row, ok := values(answer.rows[0]); ok && len(row) == 1 {
			k.ID, _ = strconv.ParseUint(row[0].text, 10, 64) // NULL and what is no number are 0, which nothing has.
			return true, nil
		}
	}
	return false, s.writeError(wire.NewError(codeNoSuchThread, "Unknown thread id: 0"))
}

// processKill runs COM_PROCESS_KILL.
func (s *session) processKill(cmd *wire.Command) error {
	if len(cmd.Body) < 5 {
		return s.writeError(wire.NewError(codeMalformed, "Malformed communication packet"))
	}
	id := uint64(binary.LittleEndian.Uint32(cmd.Body[1:]))
	if id >= firstConnectionID {
		return s.killID(&classify.KillStatement{Target: classify.KillConnection, ID: id})
	}
	x := exchange{cmd: cmd, packet: cmd.Packet, kind: wire.AnswerSingle, noData: true}
	return s.execute(s.homeTarget(toWriter), &x)
}

// killID kills the session of this galley that has the id.
func (s *session) killID(k *classify.KillStatement) error {
	target := s.srv.session(k.ID)
	switch {
	case target == s && k.Query:
		return s.writeError(wire.NewError(codeInterrupted, "Query execution was interrupted"))
	case target == s:
		return s.killSelf()
	case target == nil:
		return s.writeError(noSuchSession(k.ID, s.srv.config().InstanceID))
	}
	if refused := s.killSession(target, k); refused != nil {
		return s.writeError(refused)
	}
	return s.writeOK()
}

// killSelf ends the session in the server's words.
func (s *session) killSelf() error {
	_ = s.writeError(&wire.ServerError{Code: codeConnectionKilled, SQLState: "70100", Message: "Connection was killed"})
	return endSession(closeKilled, errKilled)
}

// noSuchSession says that there is no session with an id, or which galley has it.
func noSuchSession(id uint64, instance int) *wire.ServerError {
	if of := int(id >> instanceShift & 0xff); id < 1<<32 && of != instance {
		return wire.NewError(codeNoSuchThread, "Unknown thread id: %d (galley: it is of the galley with instance_id %d, and this one has %d: send the KILL there)", id, of, instance)
	}
	return wire.NewError(codeNoSuchThread, "Unknown thread id: %d", id)
}

// killSession kills another session, or what it runs: on the node where something of it runs, as the killer's own user, so that the node checks the right to do so.
func (s *session) killSession(target *session, k *classify.KillStatement) *wire.ServerError {
	mayKill := target.userName() == s.login.user || s.access&mayKillOthers != 0
	ran, err := s.srv.interrupt(s.ctx, target, &s.login, k, func() bool { return true })
	switch {
	case err != nil && !isUnknownThread(err):
		return clientError(err, "the node could not be asked to kill the statement")
	case !mayKill && (!ran || err != nil):
		// The target has nothing on any node, so that no node could be asked whether this user may kill it.
		return wire.NewError(codeKillDenied, "You are not owner of thread %d", target.id)
	}
	s.srv.metrics.kills[killAsked].Add(1)
	if k.Query && !ran {
		target.halted()
	}
	if !k.Query {
		target.cancel(errKilled)
		_ = target.client.Close()
	}
	return nil
}

// waits says whether the session's statement waits to be run. It may be called from any goroutine.
func (s *session) waits() bool {
	return s.shown.waiting.Load() || s.waiter.in.Load() != nil || s.shown.held.Load()
}

// halted ends the wait of the session's statement, where it waits to be run.
func (s *session) halted() {
	if !s.waits() {
		return
	}
	select {
	case s.halt <- struct{}{}:
	default:
	}
	s.wake()
}

// takeHalts forgets a KILL QUERY that came when the wait that it was to end was over.
func (s *session) takeHalts() {
	select {
	case <-s.halt:
	default:
	}
}

// errHalted is what the client is told whose statement has been killed while it waited.
func errHalted() error {
	return &fullError{wire.NewError(codeInterrupted, "Query execution was interrupted")}
}

// killUser runs KILL USER: on galley's sessions of that user, and on the user's other threads on every node.
func (s *session) killUser(k *classify.KillStatement) error {
	if k.CurrentUser {
		k.User = s.login.user
	}
	own := k.User == s.login.user
	killed, self := uint64(0), false
	for _, target := range s.srv.sessionsOf(k.User) {
		if k.Host != "" && k.Host != "%" && k.Host != target.clientHost() && k.Host != target.peer.Host() {
			continue
		}
		if target == s {
			self = true
			killed++
			continue
		}
		if !own && s.access&mayKillOthers == 0 {
			return s.writeError(wire.NewError(codeKillDenied, "You are not owner of thread %d", target.id))
		}
		if s.killSession(target, k) == nil {
			killed++
		}
	}
	n, refused := s.killThreadsOf(k)
	if refused != nil {
		return s.writeError(refused)
	}
	ok := wire.OK{Status: s.status &^ wire.StatusMoreResults, AffectedRows: killed + n}
	if err := s.client.WritePacket(ok.Append(nil, 0, s.caps.Has(wire.ClientSessionTrack))); err != nil {
		return endSession(closeClientGone, err)
	}
	if self && !k.Query {
		return endSession(closeKilled, errKilled)
	}
	return nil
}

// number reads the one parameter of an execution, as far as it is a whole number. The types that come along are kept for later executions, which need not bring them.
func (st *statement) number(body []byte) (uint64, bool) {
	const nullBitmap = 10
	e, ok := parseExecute(body, st.params)
	if !ok || body[0] != wire.ComStmtExecute || st.params != 1 || body[nullBitmap]&1 != 0 || st.longOn != nil {
		return 0, false
	}
	if e.typesEnd > 0 {
		st.types = bytes.Clone(body[e.typesAt:e.typesEnd])
	}
	if len(st.types) < 2 {
		return 0, false
	}
	return parameterNumber(st.types[0], body[max(e.typesAt, e.typesEnd):])
}
