package mysql

import (
	"encoding/binary"
	"errors"
	"strconv"

	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// firstConnectionID is where galley's connection ids start. Those of nodes count up from 1 and do not come near, so that a KILL shows by its number whom it means.
// The eight bits below the highest are galley's instance id, the rest a counter.
const firstConnectionID = 1 << 31

const instanceShift = 23

// mayKillOthers are the global privileges that let a user kill others' sessions: SUPER and CONNECTION ADMIN (MariaDB: sql/privilege.h).
const mayKillOthers = 1<<15 | 1<<33

// kill runs KILL for the connection id of a session of this galley: on the nodes where that session has a backend conn, as the killer's own user, so that the node checks
// the right to do so.
func (s *session) kill(c *classify.Class) error {
	if c.KillTarget != classify.KillConnection && c.KillTarget != classify.KillQuery {
		return s.writeError(wire.NewError(codeNotSupported, "galley cannot do this form of KILL: use KILL [HARD | SOFT] [CONNECTION | QUERY] id"))
	}
	return s.killSession(c.KillID, c.KillTarget == classify.KillQuery, c.KillSoft)
}

// processKill runs COM_PROCESS_KILL.
func (s *session) processKill(cmd *wire.Command) error {
	if len(cmd.Body) < 5 {
		return s.writeError(wire.NewError(codeMalformed, "Malformed communication packet"))
	}
	id := uint64(binary.LittleEndian.Uint32(cmd.Body[1:]))
	if id >= firstConnectionID {
		return s.killSession(id, false, false)
	}
	x := exchange{cmd: cmd, packet: cmd.Packet, kind: wire.AnswerSingle, noData: true}
	return s.execute(s.homeTarget(toWriter), &x)
}

func (s *session) killSession(id uint64, query, soft bool) error {
	target := s.srv.session(id)
	if target == nil {
		return s.writeError(wire.NewError(codeNoSuchThread, "Unknown thread id: %d", id))
	}
	if target == s {
		if query {
			return s.writeOK()
		}
		_ = s.writeError(&wire.ServerError{Code: codeConnectionKilled, SQLState: "70100", Message: "Connection was killed"})
		return endSession(closeKilled, errKilled)
	}
	mayKill := target.userName() == s.login.user || s.access&mayKillOthers != 0
	for _, busy := range target.threads() {
		if query && !busy.running {
			continue
		}
		err := s.killThread(busy, query, soft)
		if refused, ok := errors.AsType[*wire.ServerError](err); ok && refused.Code == codeNoSuchThread {
			continue // It has gone by itself.
		}
		if err != nil {
			return s.writeError(clientError(err, "the node could not be asked to kill the statement"))
		}
		mayKill = true
	}
	if !mayKill {
		// The target has nothing on any node, so that no node could be asked whether this user may kill it.
		return s.writeError(wire.NewError(1095, "You are not owner of thread %d", id))
	}
	if !query {
		target.cancel(errKilled)
		_ = target.client.Close()
	}
	return s.writeOK()
}

// killThread asks a node to kill a thread, over a connection of its own.
func (s *session) killThread(t thread, query, soft bool) error {
	l := s.login
	l.schema, l.setup = "", trackEverything
	b, err := s.srv.dialBackend(s.ctx, t.node, &l)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	statement := "KILL "
	if soft {
		statement += "SOFT "
	}
	if query {
		statement += "QUERY "
	}
	return b.command(wire.ComQuery, statement+strconv.FormatUint(uint64(t.id), 10))
}
