package mysql

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"galley/cluster"
	"galley/proxy/mysql/wire"
)

// secure goes over to TLS where p, the client's answer to the greeting, asks for it, and gives the login that follows; else p is the login. conf is nil where TLS was not offered.
func (s *session) secure(p []byte, conf *tls.Config) ([]byte, error) {
	if !wire.IsSSLRequest(p) {
		return p, nil
	}
	if conf == nil {
		return nil, s.badHandshake(errors.New("TLS was asked for, which was not offered"))
	}
	layer := s.client.Upgrade(func(nc net.Conn) *tls.Conn { return tls.Server(nc, conf) })
	if err := layer.HandshakeContext(s.ctx); err != nil {
		return nil, endSession(closeHandshake, fmt.Errorf("TLS with the client: %w", err)) // TLS has told the client.
	}
	state := layer.ConnectionState()
	s.transport = transportOf(&state)
	p, err := s.client.ReadPacket(loginLimit)
	if err != nil {
		return nil, s.badHandshake(err)
	}
	return p, nil
}

// codeSecureTransport is ER_SECURE_TRANSPORT_REQUIRED of MySQL. MariaDB 10.11 has no such error and says "Access denied" (1045), which tells nobody what to do.
const codeSecureTransport = 3159

// refusePlain ends a session that others could read where that must not be.
func (s *session) refusePlain() error {
	if !s.srv.tls.Required() || s.transport.tls || s.peer.Socket {
		return nil
	}
	_ = s.writeError(&wire.ServerError{
		Code: codeSecureTransport, SQLState: "HY000",
		Message: "Connections using insecure transport are prohibited while --require_secure_transport=ON.",
	})
	return endSession(closeHandshake, errors.New("the client did not use TLS"))
}

// transportSuits says whether the client's connection is as secret as its account requires.
func (s *session) transportSuits(a *cluster.Account) bool { return s.transport.meets(a) }
