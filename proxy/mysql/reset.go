package mysql

import (
	"errors"

	"galley/proxy/mysql/wire"
)

// reset runs COM_RESET_CONNECTION: the session is as after its login, but for the schema, which stays, and the character sets, which are the node's own
// (MariaDB: sql/sql_parse.cc, THD::change_user). Nothing of it has to be done on a node that has nothing of the session's under way.
func (s *session) reset() error {
	schema := s.state.schema
	s.letAllGo()
	s.begin(s.login, schema, s.srv.cluster.View())
	return s.writeOK()
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
	if err := s.authenticate(&next, newClaim(u.Plugin, pluginNative, u.Auth, s.scr[:])); err != nil {
		return s.keepUser(err)
	}
	s.letAllGo()
	s.begin(next, u.Schema, s.srv.cluster.View())
	if err := s.settle(); err != nil {
		return err
	}
	if u.Schema == "" || !s.caps.Has(wire.ClientSessionTrack) {
		return s.writeOK()
	}
	schema := wire.AppendLenenc([]byte{byte(wire.TrackSchema)}, uint64(len(wire.AppendLenenc(nil, uint64(len(u.Schema))))+len(u.Schema)))
	schema = append(wire.AppendLenenc(schema, uint64(len(u.Schema))), u.Schema...)
	ok := wire.OK{Status: s.status, State: schema}
	if err := s.client.WritePacket(ok.Append(nil, 0, true)); err != nil {
		return endSession(closeClientGone, err)
	}
	return nil
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
	s.begin(s.login, schema, s.srv.cluster.View())
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
