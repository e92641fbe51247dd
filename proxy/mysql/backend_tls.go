package mysql

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/cluster"
	"galley/proxy"
	"galley/proxy/mysql/wire"
)

// maxPacket is what galley says that it takes in one packet; it does not look.
const maxPacket = 1 << 30

// mayDial says why a login at a node could not succeed, before anything is sent.
func (s *Server) mayDial(node *cluster.Node, l *login) error {
	if l.requires == cluster.SSLNone {
		return nil
	}
	if conf, _ := s.nodeTLS.For(node.Addr); conf == nil {
		return noTLS(l, "cluster.tls.mode is off: set it in galley's configuration")
	}
	return nil
}

// noTLS says that an account that requires TLS cannot be used at a node.
func noTLS(l *login, why string) *wire.ServerError {
	return wire.NewError(codeAccessDenied, "galley: account '%s'@'%s' may connect to nodes by TLS only (REQUIRE), and %s", l.account.user, l.account.host, why)
}

// introduce tells the node whose conn this is, in front of everything else, where nodes are told. The greeting need not be waited for.
func (b *backendConn) introduce(l *login) error {
	if !l.told {
		return nil
	}
	header, err := proxy.HeaderFor(l.client, b.NetConn())
	if err != nil {
		return fmt.Errorf("the PROXY header: %w", err)
	}
	return b.Write(header)
}

// startTLS goes over to TLS behind the node's greeting where the configuration asks for it, and gives the flag that the login then has.
func (b *backendConn) startTLS(ctx context.Context, g *wire.Greeting, l *login, t *proxy.ClientTLS) (wire.Capability, error) {
	conf, must := t.For(b.node.Addr)
	switch {
	case conf == nil:
		return 0, nil
	case g.Capability.Has(wire.ClientSSL):
	case l.requires != cluster.SSLNone:
		return 0, noTLS(l, "node "+b.node.Addr+" offers none")
	case must:
		return 0, errors.New("the node offers no TLS, which cluster.tls.mode asks for")
	default:
		return 0, nil
	}
	if len(b.Window()) > 0 {
		return 0, b.behindGreeting()
	}
	request := wire.Login{Capability: b.caps, MaxPacket: maxPacket, Charset: l.charset}
	if err := b.WritePacket(request.AppendSSLRequest(nil)); err != nil {
		return 0, err
	}
	if err := b.Upgrade(func(nc net.Conn) *tls.Conn { return tls.Client(nc, conf) }).HandshakeContext(ctx); err != nil {
		return 0, fmt.Errorf("TLS with the node: %w", err)
	}
	return wire.ClientSSL, nil
}

// behindGreeting is what a node says in plain behind its greeting: why it wants no login (it takes no PROXY header from galley), or nothing that could be trusted.
func (b *backendConn) behindGreeting() error {
	p, err := b.ReadPacket(handshakePacketLimit)
	if err == nil && len(p) > 0 && p[0] == gomysql.ERR_HEADER {
		return wire.ParseErr(p)
	}
	return errors.New("there is something in plain behind the greeting")
}

// explain adds to a node's refusal what the client cannot know: that the node looks at galley's own connection.
func (l *login) explain(refused *wire.ServerError) error {
	if refused.Code == codeAccessDenied && l.requires > cluster.SSLAny {
		return wire.NewError(codeAccessDenied, "galley: a node refused account '%s'@'%s', which requires a certificate or cipher of galley's own connection to nodes as well (cluster.tls.cert_file): %s",
			l.account.user, l.account.host, refused.Message)
	}
	return refused
}
