package mysqltest

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/proxy/mysql/wire"
)

// The capabilities of usual clients.
const (
	// PlainCaps is what mysqlnd asks for: neither session tracking nor DEPRECATE_EOF.
	PlainCaps = wire.ClientProtocol41 | wire.ClientSecureConnection | wire.ClientPluginAuth | wire.ClientTransactions | wire.ClientMultiResults |
		wire.ClientPSMultiResults | wire.ClientMySQL | wire.ClientLongFlag | wire.ClientMultiStatements | wire.ClientLocalFiles | wire.ClientPluginAuthLenenc
	// TrackingCaps is what newer connectors ask for besides.
	TrackingCaps = PlainCaps | wire.ClientSessionTrack | wire.ClientDeprecateEOF
)

// Login is what a Client logs in with. Caps is PlainCaps if it is 0.
type Login struct {
	User, Password, Schema string
	Caps                   wire.Capability
	Plugin                 string // What the client starts with; mysql_native_password by default.
	Attrs                  []byte
	Chop                   int         // The most that the client puts into one compressed packet; 0 is as much as the protocol takes.
	TLS                    *tls.Config // Nil for a login in plain.
	Injected               []byte      // Sent in plain behind the request for TLS.
}

// Client is a bare client: commands out, answers in. It is for one goroutine.
type Client struct {
	Greeting wire.Greeting
	Caps     wire.Capability
	Switched string // The plugin that the server switched to last.
	Switches []string
	Told     []string // What the server said besides in the login.
	nc       net.Conn
	s        *stream
}

// ioLimit bounds each read and write of a Client.
const ioLimit = 60 * time.Second

// Connect logs in over nc. An ERR packet is returned as *wire.ServerError.
func Connect(nc net.Conn, l Login) (*Client, error) {
	c, err := Greet(nc)
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	if err := c.Login(l); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return c, nil
}

// Greet reads the greeting.
func Greet(nc net.Conn) (*Client, error) {
	c := &Client{nc: nc, s: newStream(nc, 1)}
	_ = nc.SetDeadline(time.Now().Add(ioLimit))
	p, err := c.s.read()
	if err != nil {
		return nil, err
	}
	c.Greeting, err = wire.ParseGreeting(p)
	return c, err
}

// Login answers the greeting.
func (c *Client) Login(l Login) error {
	if l.Caps == 0 {
		l.Caps = PlainCaps
	}
	if l.Schema != "" {
		l.Caps |= wire.ClientConnectWithDB
	}
	if l.Plugin == "" {
		l.Plugin = gomysql.AUTH_NATIVE_PASSWORD
	}
	if l.Attrs != nil {
		l.Caps |= wire.ClientConnectAttrs
	}
	c.Caps = l.Caps
	answer, err := proof(l.Plugin, l.Password, c.Greeting.Scramble[:])
	if err != nil {
		return err
	}
	login := wire.Login{Capability: l.Caps, MaxPacket: 1 << 24, Charset: 45, User: l.User, Auth: answer, Schema: l.Schema, Plugin: l.Plugin, Attrs: l.Attrs, ZstdLevel: 3}
	if l.TLS != nil {
		if err := c.secure(&login, l.TLS, l.Injected); err != nil {
			return err
		}
	}
	if err := c.s.write(login.Append(nil)); err != nil {
		return err
	}
	if err := c.authenticate(l.Password); err != nil {
		return err
	}
	c.s.pack(wire.Chosen(l.Caps), false, l.Chop)
	return nil
}

// secure asks for TLS and goes on over it.
func (c *Client) secure(login *wire.Login, conf *tls.Config, injected []byte) error {
	if err := c.s.write(login.AppendSSLRequest(nil)); err != nil {
		return err
	}
	if _, err := c.nc.Write(injected); err != nil {
		return err
	}
	layer := tls.Client(c.nc, conf)
	if err := layer.Handshake(); err != nil {
		return err
	}
	seq := c.s.seq
	c.nc, c.s = layer, newStream(layer, 1)
	c.s.seq = seq
	return nil
}

// Close closes the connection without COM_QUIT.
func (c *Client) Close() { _ = c.nc.Close() }

// LocalAddr is the client's own address.
func (c *Client) LocalAddr() string { return c.nc.LocalAddr().String() }

// CloseWrite tells the door that nothing more will come.
func (c *Client) CloseWrite() {
	if tcp, ok := c.nc.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}

// NativeAnswer is the answer of mysql_native_password to a challenge.
func NativeAnswer(challenge []byte, password string) string {
	return string(gomysql.CalcNativePassword(challenge, []byte(password)))
}

// Send sends one command.
func (c *Client) Send(com byte, argument string) error {
	c.s.begin()
	_ = c.nc.SetDeadline(time.Now().Add(ioLimit))
	return c.s.write(append([]byte{com}, argument...))
}

// SendRaw sends bytes as they are.
func (c *Client) SendRaw(p []byte) error {
	_ = c.nc.SetDeadline(time.Now().Add(ioLimit))
	_, err := c.s.nc.Write(p)
	return err
}

// Number gives the sequence number of the packet that was read last, where the protocol is not compressed.
func (c *Client) Number() byte { return c.s.seq - 1 }

// Packed gives the compressed protocol of the connection; nil where it is not compressed.
func (c *Client) Packed() *Packed { return c.s.packed }

// Packet reads one payload.
func (c *Client) Packet() ([]byte, error) {
	_ = c.nc.SetDeadline(time.Now().Add(ioLimit))
	return c.s.read()
}

// RoundTrips sends a command n times, each after the answer to the one before, and reads as many bytes for each answer as the first one has. It allocates nothing for each.
func (c *Client) RoundTrips(packet []byte, n int) error {
	_ = c.nc.SetDeadline(time.Time{})
	before := c.s.got
	if _, err := c.nc.Write(packet); err != nil {
		return err
	}
	if _, err := c.Read(); err != nil {
		return err
	}
	answer := make([]byte, c.s.got-before)
	_ = c.nc.SetDeadline(time.Time{})
	for range n - 1 {
		if _, err := c.nc.Write(packet); err != nil {
			return err
		}
		if _, err := io.ReadFull(c.s.r, answer); err != nil {
			return err
		}
	}
	return nil
}

// WritePacket goes on with a further packet.
func (c *Client) WritePacket(p []byte) error { return c.s.write(p) }

// Query runs a statement and reads its answer. An ERR packet is returned as *wire.ServerError.
func (c *Client) Query(sql string) (*Result, error) {
	if err := c.Send(wire.ComQuery, sql); err != nil {
		return nil, err
	}
	return c.Read()
}

// Statement is a prepared statement.
type Statement struct {
	ID              uint32
	Params, Columns int
}

// Prepare prepares a statement.
func (c *Client) Prepare(sql string) (Statement, error) {
	if err := c.Send(wire.ComStmtPrepare, sql); err != nil {
		return Statement{}, err
	}
	return c.ReadPrepared()
}

// ReadPrepared reads the answer to COM_STMT_PREPARE.
func (c *Client) ReadPrepared() (Statement, error) {
	p, err := c.Packet()
	if err != nil {
		return Statement{}, err
	}
	if p[0] == 0xff {
		return Statement{}, wire.ParseErr(p)
	}
	st := Statement{ID: binary.LittleEndian.Uint32(p[1:]), Columns: int(binary.LittleEndian.Uint16(p[5:])), Params: int(binary.LittleEndian.Uint16(p[7:]))}
	for _, n := range []int{st.Params, st.Columns} {
		if n > 0 && !c.Caps.Has(wire.ClientDeprecateEOF) {
			n++
		}
		for range n {
			if _, err := c.Packet(); err != nil {
				return st, err
			}
		}
	}
	return st, nil
}

// ExecuteBody is the argument of COM_STMT_EXECUTE with text parameters; types says whether their types come along, flags is the cursor's kind.
func (st Statement) ExecuteBody(types bool, flags byte, params ...string) string {
	b := binary.LittleEndian.AppendUint32(nil, st.ID)
	b = append(b, flags, 1, 0, 0, 0)
	if len(params) == 0 {
		return string(b)
	}
	b = append(b, make([]byte, (len(params)+7)/8)...)
	if types {
		b = append(b, 1)
		for range params {
			b = append(b, 0xfd, 0)
		}
	} else {
		b = append(b, 0)
	}
	for _, p := range params {
		b = wire.AppendLenenc(b, uint64(len(p)))
		b = append(b, p...)
	}
	return string(b)
}

// Execute runs a prepared statement, its parameters with their types.
func (c *Client) Execute(st Statement, params ...string) (*Result, error) {
	if err := c.Send(wire.ComStmtExecute, st.ExecuteBody(true, 0, params...)); err != nil {
		return nil, err
	}
	return c.Read()
}

// IsError says whether err is an ERR packet with this code.
func IsError(err error, code uint16) bool {
	var e *wire.ServerError
	return errors.As(err, &e) && e.Code == code
}
