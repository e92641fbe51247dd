package mysql

import (
	"errors"

	"galley/proxy/mysql/wire"
)

// beginning asks what a session begins with where init_connect may have set it: it runs before the node reports anything, and for some users only (not with SUPER or
// CONNECTION ADMIN). In which character set and mode texts are to be read, and whether a read opens a transaction, must be known before the first one.
const beginning = "SELECT @@autocommit, @@sql_mode, @@character_set_client"

// settle ends a login: the schema must be one that exists and may be used, as a server would see to, and what init_connect has done must be known. A schema that was found good
// a moment ago is not asked for again. Its error ends the session; the client has been told.
func (s *session) settle() error {
	asks := s.srv.cluster.View().Server.InitConnect != ""
	checks := s.state.schema != "" && !s.srv.schemas.good(s.login.user, s.state.schema)
	if !asks && !checks {
		return nil
	}
	var w wait
	for {
		b, err := s.conn(toWriter, &w)
		if err != nil {
			return s.unsettled(err)
		}
		if s.state.schema != "" {
			s.srv.schemas.add(s.login.user, s.state.schema)
		}
		if !asks {
			return nil
		}
		values, err := b.row(beginning)
		if err == nil && len(values) == 3 {
			s.beginsWith(b, values)
			return nil
		}
		if err == nil || isRefusal(err) {
			s.state.pins |= pinUnknown
			return nil
		}
		s.srv.lost(b, err)
		s.drop(b)
		if !s.pause(&w) {
			return s.unsettled(wire.NewError(codeTooManyConnections, "galley: the node was lost while logging in"))
		}
	}
}

// unsettled tells the client that its login comes to nothing.
func (s *session) unsettled(err error) error {
	var refused *wire.ServerError
	if !errors.As(err, &refused) {
		return err
	}
	reason := closeAccessDenied
	if refused.Code == codeUnknownCommand || refused.Code == codeTooManyConnections {
		refused, reason = wire.NewError(codeTooManyConnections, "%s", refused.Message), closeNoNode
	}
	_ = s.writeError(refused)
	return endSession(reason, refused)
}

// beginsWith takes the answer to beginning, from b. What the texts are read by is set on the other nodes as well, whose init_connect may be another.
func (s *session) beginsWith(b *backendConn, values []string) {
	s.status = initialStatus(values[1], values[0] == "1" || values[0] == "ON")
	s.state.set("sql_mode", values[1])
	s.state.set("character_set_client", values[2])
	b.synced = s.state.version
}
