package mysql

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/cluster"
	"galley/proxy/mysql/wire"
)

// handshakePacketLimit bounds a packet of the login phase, in bytes; a long one is an error message or a public key.
const handshakePacketLimit = 16 << 10

// login is all that a backend conn's login needs.
type login struct {
	user    string
	secret  credential
	schema  string
	charset byte
	caps    wire.Capability
	attrs   []byte
	setup   string // What is set at once.
}

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
	nc, err := s.dial(ctx, "tcp", node.Addr)
	if err != nil {
		return nil, &dialError{addr: node.Addr, err: err}
	}
	b := &backendConn{Conn: wire.NewConn(nc, s.buffers), node: node}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	err = b.login(l, s.config().NodeCompression)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = nc.Close()
		var refused *wire.ServerError
		if errors.As(err, &refused) || errors.Is(err, errNoSecret) {
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

func (b *backendConn) login(l *login, compression string) error {
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
	if len(l.attrs) == 0 {
		b.caps &^= wire.ClientConnectAttrs
	}
	plugin := pluginNative
	answer, err := l.secret.answer(plugin, g.Scramble[:])
	if err != nil {
		if plugin = g.Plugin; plugin == pluginNative {
			return err
		}
		answer = nil // The node asks for the account's own plugin next.
	}
	b.caps |= nodeCompression(compression, g.Capability)
	resp := wire.Login{
		ZstdLevel: wire.DefaultZstdLevel, Capability: b.caps, MaxPacket: 1 << 30, Charset: l.charset, User: l.user, Auth: answer, Schema: l.schema, Plugin: plugin, Attrs: l.attrs,
	}
	if err := b.WritePacket(resp.Append(nil)); err != nil {
		return err
	}
	if err := b.authenticate(l); err != nil {
		return err
	}
	if err := b.Compress(wire.Chosen(b.caps), wire.DefaultZstdLevel, wire.ClientSide); err != nil {
		return err
	}
	b.schema = l.schema
	b.setup = l.setup
	return b.command(wire.ComQuery, b.setup)
}

// authenticate answers what the node asks for after the login until it says OK.
func (b *backendConn) authenticate(l *login) error {
	scramble := b.scramble[:]
	for range 8 { // More rounds than any plugin takes.
		p, err := b.ReadPacket(handshakePacketLimit)
		if err != nil {
			return err
		}
		switch {
		case len(p) == 0:
			return wire.ErrMalformed
		case p[0] == gomysql.OK_HEADER:
			return nil
		case p[0] == gomysql.ERR_HEADER:
			return wire.ParseErr(p)
		case p[0] == gomysql.EOF_HEADER:
			sw, err := wire.ParseAuthSwitch(p)
			if err != nil {
				return err
			}
			scramble = sw.Data
			answer, err := l.secret.answer(sw.Plugin, sw.Data)
			if err != nil {
				return err
			}
			if err := b.WritePacket(answer); err != nil {
				return err
			}
		case p[0] == gomysql.MORE_DATE_HEADER:
			if err := b.moreAuth(l, p[1:], scramble); err != nil {
				return err
			}
		default:
			return wire.ErrMalformed
		}
	}
	return errors.New("the node asks on and on while authenticating")
}

// moreAuth goes on with caching_sha2_password (MY, "Caching SHA-2 Pluggable Authentication"): 3 is success, 4 asks for the password, encrypted by the key that is then asked for.
func (b *backendConn) moreAuth(l *login, p, scramble []byte) error {
	if len(p) == 1 && p[0] == gomysql.CACHE_SHA2_FAST_AUTH {
		return nil
	}
	if len(p) == 1 && p[0] == gomysql.CACHE_SHA2_FULL_AUTH {
		return b.WritePacket([]byte{2})
	}
	block, _ := pem.Decode(p)
	if block == nil {
		return errors.New("caching_sha2_password: the node sent no public key")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("caching_sha2_password: the node's public key: %w", err)
	}
	pub, ok := key.(*rsa.PublicKey)
	if !ok || !l.secret.hasPassword {
		return fmt.Errorf("caching_sha2_password: %w", errNoSecret)
	}
	cipher, err := gomysql.EncryptPassword(l.secret.password, scramble, pub)
	if err != nil {
		return fmt.Errorf("caching_sha2_password: %w", err)
	}
	return b.WritePacket(cipher)
}
