package mysql

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"galley/cluster"
	"galley/proxy/mysql/wire"
)

// handshakePacketLimit bounds a packet of the login phase, in bytes; a long one is an error message or a public key.
const handshakePacketLimit = 16 << 10

// login is all that a backend conn's login needs.
type login struct {
	user    string
	account accountRow
	told    bool           // Nodes are told who the client is.
	client  netip.AddrPort // Then its address, without a port; not valid for clients of unix sockets.
	secret  credential
	schema  string
	charset byte
	caps    wire.Capability
	setup   string // What is set at once, and again after each reset.

	defaults string // What the account adds to setup.
	conns    int    // How many there may be to a node; 0 for no limit of the account's.
	expired  bool   // The password has expired: the node lets it be changed, and nothing else.

	requires cluster.SSLType // What the account asks of the client's connection, and the node of galley's.
}

// What galley's own conns log in with: utf8mb4_general_ci, and no more than reading rows takes.
const (
	utf8Charset = 45
	ownCaps     = wire.ClientMySQL | wire.ClientDeprecateEOF
)

// dialError tells a node that cannot be reached from one that answered and refused.
type dialError struct {
	addr string
	err  error
}

func (e *dialError) Error() string { return "connecting to node " + e.addr + ": " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// dialBackend connects to node and logs in. Its error is a *dialError where the node could not be reached or broke off, a *wire.ServerError where it refused.
func (s *Server) dialBackend(ctx context.Context, node *cluster.Node, l *login) (*backendConn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config().ConnectTimeout)
	defer cancel()
	if err := s.mayDial(node, l); err != nil {
		return nil, err
	}
	network, address := cluster.Network(node.Addr)
	nc, err := s.dial(ctx, network, address)
	if err != nil {
		return nil, &dialError{addr: node.Addr, err: err}
	}
	b := &backendConn{Conn: wire.NewConn(nc, s.buffers), node: node, takeKeys: s.takeKeys.Load()}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	if err = b.introduce(l); err == nil {
		err = b.login(ctx, l, s)
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = nc.Close()
		if refused, ok := errors.AsType[*wire.ServerError](err); ok {
			return nil, l.explain(refused)
		}
		if isOurs(err) {
			return nil, err
		}
		return nil, &dialError{addr: node.Addr, err: err}
	}
	_ = nc.SetDeadline(time.Time{})
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3})
	}
	b.Release()
	return b, nil
}

// isOurs says whether a login has failed for what galley cannot do or will not do, so that the node is none the worse.
func isOurs(err error) bool {
	return errors.Is(err, errNoSecret) || errors.Is(err, errNotSecure) || errors.Is(err, errRelay)
}

func (b *backendConn) login(ctx context.Context, l *login, s *Server) error {
	p, err := b.ReadPacket(handshakePacketLimit)
	if err != nil {
		return err
	}
	g, err := wire.ParseGreeting(p)
	if err != nil {
		return err
	}
	b.threadID, b.scramble = g.ThreadID, g.Scramble
	b.caps = (l.caps | wire.ClientSessionTrack | wire.ClientPluginAuth | wire.ClientSecureConnection | wire.ClientProtocol41 | wire.ClientPluginAuthLenenc |
		wire.ClientTransactions | wire.ClientLongFlag) & (g.Capability | wire.ClientMySQL)
	if !b.caps.Has(wire.ClientPluginAuth | wire.ClientProtocol41 | wire.ClientSessionTrack) {
		return fmt.Errorf("the server %s is too old: it has no session tracking", g.Version)
	}
	b.caps &^= wire.ClientConnectWithDB
	if l.schema != "" {
		b.caps |= wire.ClientConnectWithDB
	}
	b.caps &^= wire.ClientConnectAttrs
	b.caps |= g.Capability & wire.ClientConnectAttrs
	b.caps |= nodeCompression(s.config().NodeCompression, g.Capability)
	flags, err := b.startTLS(ctx, &g, l, s.nodeTLS)
	if err != nil {
		return err
	}
	auth := nodeAuth{secret: &l.secret, plugin: pluginNative, challenge: g.Scramble[:], secure: secure(b.Conn), takeKeys: b.takeKeys}
	if g.Plugin == pluginSHA2 && l.secret.hasPassword {
		auth.plugin = pluginSHA2 // The default of MySQL's servers, where an account is likely to have it.
	}
	answer, err := l.secret.answer(auth.plugin, auth.challenge, auth.secure)
	if err != nil {
		return err
	}
	resp := wire.Login{
		ZstdLevel: wire.DefaultZstdLevel, Capability: b.caps | flags, MaxPacket: maxPacket, Charset: l.charset, User: l.user, Auth: answer, Schema: l.schema, Plugin: auth.plugin, Attrs: ownAttrs(),
	}
	if err := b.WritePacket(resp.Append(nil)); err != nil {
		return err
	}
	if err := b.authenticate(&auth); err != nil {
		return err
	}
	if err := b.Compress(wire.Chosen(b.caps), wire.DefaultZstdLevel, wire.ClientSide); err != nil {
		return err
	}
	b.schema = l.schema
	b.setup = l.setup + l.defaults
	return b.command(wire.ComQuery, b.setup)
}

// ownAttrs are galley's own connection attributes: a backend conn serves many clients, whose attributes would be wrong for all but one.
func ownAttrs() []byte {
	var out []byte
	for _, s := range []string{"_client_name", "galley", "program_name", "galley"} {
		out = append(wire.AppendLenenc(out, uint64(len(s))), s...)
	}
	return out
}

// authenticate answers what the node asks for after the login until it says OK.
func (b *backendConn) authenticate(auth *nodeAuth) error {
	for range 16 { // More rounds than any account's plugins take.
		p, err := b.ReadPacket(handshakePacketLimit)
		if err != nil {
			return err
		}
		answer, send, err := auth.next(p)
		if errors.Is(err, errAuthDone) {
			return nil
		}
		if err == nil && send {
			err = b.WritePacket(answer)
		}
		if err != nil {
			return err
		}
	}
	return errors.New("the node asks on and on while authenticating")
}
