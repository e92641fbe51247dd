package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// Login is a client's answer to the greeting (MY, "Protocol::HandshakeResponse41").
type Login struct {
	Capability Capability
	Asked      Capability // Of a login that was parsed: with the flags that were not offered.
	MaxPacket  uint32
	Charset    byte // Collation id.
	User       string
	Auth       []byte
	Schema     string
	Plugin     string
	Attrs      []byte // Connection attributes as they came: pairs of length-encoded strings.
	ZstdLevel  byte   // With ClientZstd.
}

// sslRequestLen is the length of a login without anything behind its fixed part.
const sslRequestLen = 32

// IsSSLRequest says whether a client's answer to the greeting asks for TLS: the login's fixed part, with the flag (MY, "Protocol::SSLRequest"). The login itself follows by TLS.
func IsSSLRequest(p []byte) bool {
	return len(p) == sslRequestLen && Capability(binary.LittleEndian.Uint32(p)).Has(ClientSSL|ClientProtocol41)
}

// AppendSSLRequest appends the payload that asks a server for TLS before the login l is sent.
func (l *Login) AppendSSLRequest(b []byte) []byte {
	short := *l
	short.Capability |= ClientSSL
	at := len(b)
	return short.Append(b)[:at+sslRequestLen]
}

// Append appends the login's payload to b.
func (l *Login) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(l.Capability))
	b = binary.LittleEndian.AppendUint32(b, l.MaxPacket)
	b = append(b, l.Charset)
	b = append(b, make([]byte, 19)...)
	ext := uint32(0)
	if !l.Capability.Has(ClientMySQL) {
		ext = uint32(l.Capability >> 32)
	}
	b = binary.LittleEndian.AppendUint32(b, ext)
	b = append(b, l.User...)
	b = append(b, 0)
	if l.Capability.Has(ClientPluginAuthLenenc) {
		b = AppendLenenc(b, uint64(len(l.Auth)))
	} else {
		b = append(b, byte(len(l.Auth)))
	}
	b = append(b, l.Auth...)
	if l.Capability.Has(ClientConnectWithDB) {
		b = append(b, l.Schema...)
		b = append(b, 0)
	}
	if l.Capability.Has(ClientPluginAuth) {
		b = append(b, l.Plugin...)
		b = append(b, 0)
	}
	if l.Capability.Has(ClientConnectAttrs) {
		b = AppendLenenc(b, uint64(len(l.Attrs)))
		b = append(b, l.Attrs...)
	}
	if l.Capability.Has(ClientZstd) {
		b = append(b, l.ZstdLevel)
	}
	return b
}

// ParseLogin reads a login's payload, of a client that was offered the flags of offered. Its byte slices are copies.
func ParseLogin(p []byte, offered Capability) (Login, error) {
	var l Login
	if len(p) < 32 {
		return l, fmt.Errorf("%w: login of %d bytes", ErrMalformed, len(p))
	}
	l.Capability = Capability(binary.LittleEndian.Uint32(p))
	if !l.Capability.Has(ClientProtocol41) {
		return l, fmt.Errorf("%w: login of a client before MySQL 4.1", ErrMalformed)
	}
	if !l.Capability.Has(ClientMySQL) {
		l.Capability |= Capability(binary.LittleEndian.Uint32(p[28:])) << 32
	}
	l.Asked = l.Capability
	l.Capability &= offered | ClientMySQL
	l.MaxPacket = binary.LittleEndian.Uint32(p[4:])
	l.Charset = p[8]
	r := reader{p: p[32:]}
	l.User = r.nulString()
	switch {
	case l.Capability.Has(ClientPluginAuthLenenc):
		l.Auth = bytes.Clone(r.lenencString())
	case l.Capability.Has(ClientSecureConnection):
		l.Auth = bytes.Clone(r.bytes(int(r.byte())))
	default:
		l.Auth = []byte(r.nulString())
	}
	if l.Capability.Has(ClientConnectWithDB) {
		l.Schema = r.nulString()
	}
	if l.Capability.Has(ClientPluginAuth) {
		l.Plugin = r.nulString()
	}
	if l.Capability.Has(ClientConnectAttrs) && len(r.p) > 0 {
		l.Attrs = bytes.Clone(r.lenencString())
	}
	if l.Capability.Has(ClientZstd) && len(r.p) > 0 {
		l.ZstdLevel = r.byte()
	}
	if r.bad {
		return l, fmt.Errorf("%w: login that ends too early", ErrMalformed)
	}
	return l, nil
}

// ChangeUser is the argument of COM_CHANGE_USER (MY, "COM_CHANGE_USER").
type ChangeUser struct {
	User    string
	Auth    []byte
	Schema  string
	Charset uint16 // 0 where the client named none.
	Plugin  string
	Attrs   []byte
}

// ParseChangeUser reads COM_CHANGE_USER without its command byte, from a client with capabilities c.
func ParseChangeUser(p []byte, c Capability) (ChangeUser, error) {
	var u ChangeUser
	r := reader{p: p}
	u.User = r.nulString()
	u.Auth = bytes.Clone(r.bytes(int(r.byte())))
	u.Schema = r.nulString()
	if !r.bad && len(r.p) >= 2 {
		u.Charset = binary.LittleEndian.Uint16(r.bytes(2))
		if c.Has(ClientPluginAuth) && len(r.p) > 0 {
			u.Plugin = r.nulString()
			if c.Has(ClientConnectAttrs) && len(r.p) > 0 {
				u.Attrs = bytes.Clone(r.lenencString())
			}
		}
	}
	if r.bad {
		return u, fmt.Errorf("%w: COM_CHANGE_USER that ends too early", ErrMalformed)
	}
	return u, nil
}

// AuthSwitch is the server's request for another authentication plugin (MY, "Protocol::AuthSwitchRequest").
type AuthSwitch struct {
	Plugin string
	Data   []byte // The challenge, without a closing NUL.
}

// Append appends the request's payload to b. A challenge of ScrambleLen bytes gets its closing NUL, others have none.
func (a *AuthSwitch) Append(b []byte) []byte {
	b = append(b, headEOF)
	b = append(b, a.Plugin...)
	b = append(b, 0)
	b = append(b, a.Data...)
	if len(a.Data) == ScrambleLen {
		b = append(b, 0)
	}
	return b
}

// ParseAuthSwitch reads an authentication switch request's payload.
func ParseAuthSwitch(p []byte) (AuthSwitch, error) {
	if len(p) == 0 || p[0] != headEOF {
		return AuthSwitch{}, fmt.Errorf("%w: not an authentication switch", ErrMalformed)
	}
	if len(p) == 1 {
		return AuthSwitch{Plugin: mysql.AUTH_MYSQL_OLD_PASSWORD}, nil
	}
	r := reader{p: p[1:]}
	a := AuthSwitch{Plugin: r.nulString()}
	if r.bad {
		return a, fmt.Errorf("%w: authentication switch without a plugin", ErrMalformed)
	}
	a.Data = bytes.Clone(r.p)
	if len(a.Data) == ScrambleLen+1 {
		a.Data = bytes.TrimSuffix(a.Data, []byte{0}) // Challenges of other lengths have no closing NUL, and may end in one.
	}
	return a, nil
}
