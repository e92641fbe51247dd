package mysql

import (
	"errors"

	"galley/cluster"
	"galley/proxy/mysql/wire"
)

// reset runs COM_RESET_CONNECTION: the session is as after its login, but for the schema, which stays; on MySQL the character sets are the node's own (MariaDB: sql/sql_parse.cc,
// THD::org_charset). Nothing of it has to be done on a node that has nothing of the session's under way.
func (s *session) reset() error {
	schema := s.state.schema
	place, role := s.leaveRole()
	s.letAllGo()
	view := s.srv.cluster.View()
	s.begin(&s.login, schema, view)
	if vars, ok := s.srv.charsets.find(s.login.charset); ok && mariaDB(&view.Server) {
		s.state.begin(vars)
	}
	if role != nil {
		role.set.own(role, s)
		place.fill(role)
		s.state.hold(hold{pin: pinRole})
		s.pinnedOn = role
	}
	return s.writeOK()
}

// leaveRole takes the conn on which the session has set a role out of its slot, reset: the role outlasts that. Nil is that there is none.
func (s *session) leaveRole() (*slot, *backendConn) {
	b := s.pinnedOn
	if s.state.pins&pinRole == 0 || !s.holds(b) {
		return nil, nil
	}
	if err := b.resetState(); err != nil {
		s.srv.lost(b, err)
		s.drop(b)
		return nil, nil
	}
	sl := s.slotOf(b)
	*sl = slot{}
	return sl, b
}

// changeUser runs COM_CHANGE_USER: another login on the same connection.
func (s *session) changeUser(cmd *wire.Command) error {
	if !cmd.Whole() {
		return s.badHandshake(errors.New("COM_CHANGE_USER too long"))
	}
	u, err := wire.ParseChangeUser(cmd.Body[1:], s.caps)
	if err != nil {
		return s.badHandshake(err)
	}
	next := s.login
	next.user = u.User
	if u.Charset != 0 && u.Charset < 256 {
		next.charset = byte(u.Charset)
	}
	if !s.caps.Has(wire.ClientPluginAuth) {
		u.Plugin = pluginNative
	}
	if s.failedChanges >= maxFailedChanges {
		return s.writeError(wire.NewError(codeUnknownCommand, "Unknown command"))
	}
	was, account := s.login, s.account
	if err := s.authenticate(&next, newClaim(u.Plugin, pluginNative, u.Auth, s.scr[:])); err != nil {
		return s.keepUser(err)
	}
	s.letAllGo()
	schema := s.state.schema
	s.begin(&next, u.Schema, s.srv.cluster.View())
	if err := s.settled(); err != nil {
		refused, ok := errors.AsType[*wire.ServerError](err)
		if !ok || !schemaRefused(refused.Code) || !s.turnBack(was, account, schema) {
			return s.unsettled(err)
		}
		s.failedChanges++
		return s.writeError(refused)
	}
	return s.tellSchema(u.Schema)
}

// schemaRefused says whether an error is that of a schema that does not exist (1049) or may not be used (1044).
func schemaRefused(code uint16) bool { return code == 1044 || code == 1049 }

// tellSchema answers OK, and tells a client that has asked for session tracking which schema it has now.
func (s *session) tellSchema(schema string) error {
	if schema == "" || !s.caps.Has(wire.ClientSessionTrack) {
		return s.writeOK()
	}
	name := append(wire.AppendLenenc(nil, uint64(len(schema))), schema...)
	ok := wire.OK{Status: s.status, State: append(wire.AppendLenenc([]byte{byte(wire.TrackSchema)}, uint64(len(name))), name...)}
	if err := s.client.WritePacket(ok.Append(nil, 0, true)); err != nil {
		return endSession(closeClientGone, err)
	}
	return nil
}

// turnBack makes the session one of the user again that it was before, as a node does whose user may not use the schema. False is that the user has no place any more.
func (s *session) turnBack(was login, account *cluster.Account, schema string) bool {
	if s.srv.users.enter(account, s.srv.cluster.View().Server.MaxUserConnections, s.srv.config().LimitOf(account.User).MaxConnections) != nil {
		return false
	}
	s.leaveUser()
	s.account, s.access = account, account.Access
	s.letAllGo()
	s.begin(&was, schema, s.srv.cluster.View())
	return true
}

// maxFailedChanges is how often a connection may fail to change its user, so that passwords cannot be tried out by it (MariaDB: sql/sql_parse.cc, COM_CHANGE_USER).
const maxFailedChanges = 3

// keepUser tells the client that its change of user has failed: as with the server it stays who it was, and its session is reset all the same.
func (s *session) keepUser(err error) error {
	refused, ok := errors.AsType[*refusal](err)
	if !ok {
		return err
	}
	s.failedChanges++
	s.logRefusal(refused)
	schema := s.state.schema
	s.letAllGo()
	s.begin(&s.login, schema, s.srv.cluster.View())
	return s.writeError(refused.packet)
}

// setOption runs COM_SET_OPTION, which turns multi-statements on or off for the connection: conns with and without them are different ones. Those that the session cannot leave
// now are told, and closed when it does.
func (s *session) setOption(cmd *wire.Command) error {
	if len(cmd.Body) < 3 || cmd.Body[1] > 1 || cmd.Body[2] != 0 {
		return s.writeError(wire.NewError(codeUnknownCommand, "Unknown command"))
	}
	if cmd.Body[1] == 0 {
		s.login.caps |= wire.ClientMultiStatements
	} else {
		s.login.caps &^= wire.ClientMultiStatements
	}
	for _, sl := range s.slots() {
		b := sl.holding()
		if b == nil || !s.bound(b) {
			s.leaveSlot(sl)
			continue
		}
		b.retire = true
		err := b.Write(cmd.Packet)
		if err == nil {
			err = b.swallow(wire.AnswerSingle)
		}
		if err != nil && !isRefusal(err) {
			s.srv.lost(b, err)
			if err := s.lostIdle(b); err != nil {
				return err
			}
		}
	}
	s.after.tellRows(-1)
	if s.caps.Has(wire.ClientDeprecateEOF) {
		ok := wire.OK{Status: s.status}
		s.scratch = ok.Append(s.scratch[:0], gomysqlEOF, s.caps.Has(wire.ClientSessionTrack))
	} else {
		s.scratch = wire.AppendEOF(s.scratch[:0], 0, s.status)
	}
	if err := s.client.WritePacket(s.scratch); err != nil {
		return endSession(closeClientGone, err)
	}
	return nil
}

const gomysqlEOF = 0xfe
