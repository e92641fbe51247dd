package mysqltest

import (
	"crypto/rand"
	"errors"
	"net"
	"strings"
	"sync"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/proxy/mysql/wire"
)

// Version is the version that nodes greet with.
const Version = "5.5.5-10.11.19-MariaDB"

// The capabilities of a real server (10.11.19), less compression and TLS.
const (
	Capabilities = uint32(0x81fff7fe) &^ 0x820
	ExtendedCaps = uint32(0x1d)
)

// Conn is one connection to a node. It belongs to the goroutine that serves it, in which replies run; Close and Reset may be called from any.
type Conn struct {
	Node   *Node
	Thread uint32
	Caps   wire.Capability
	User   string
	Schema string
	Status uint16 // Flags that stay: autocommit, in a transaction, ANSI_QUOTES.
	More   bool   // What is answered next is not the last result.
	Binary bool   // Rows are those of a prepared statement.

	s         *stream
	out       []byte
	limit     int // Bytes of the answer after which the connection is closed; negative for none.
	trackers  []byte
	vars      []setting
	stmts     map[uint32]*stmt
	nextStmt  uint32
	forcedID  uint64 // SET insert_id.
	insertID  uint64
	userVars  map[string]string
	gone      chan struct{}
	interrupt chan struct{} // KILL QUERY.
	once      sync.Once
}

type setting struct{ name, value string }

func newConn(n *Node, nc net.Conn, thread uint32) *Conn {
	return &Conn{
		Node: n, Thread: thread, s: newStream(nc, 0), stmts: map[uint32]*stmt{}, nextStmt: thread * 10, limit: -1,
		gone: make(chan struct{}), interrupt: make(chan struct{}, 1), Status: wire.StatusAutocommit,
	}
}

// Close closes the connection in the ordinary way.
func (c *Conn) Close() {
	c.once.Do(func() { close(c.gone) })
	_ = c.s.nc.Close()
}

// Reset closes the connection with a reset, where it is a socket.
func (c *Conn) Reset() {
	if tcp, ok := c.s.nc.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

// Packed gives the compressed protocol of the connection; nil where it is not compressed.
func (c *Conn) Packed() *Packed { return c.s.packed }

func (c *Conn) run() {
	defer c.Close()
	if err := c.login(); err != nil {
		return
	}
	for {
		c.s.begin()
		body, err := c.s.read()
		if err != nil {
			if errors.Is(err, errSequence) || errors.Is(err, errOrder) {
				_ = c.refuse(wire.NewError(1156, "Got packets out of order: %v", err))
			}
			return
		}
		if len(body) == 0 {
			return
		}
		if err := c.serve(body); err != nil {
			return
		}
	}
}

func (c *Conn) login() error {
	n := c.Node
	n.mu.Lock()
	refused, compression, chop, greeting := n.refused, n.compression, n.chop, n.greeting
	n.mu.Unlock()
	if greeting != nil {
		_, _ = c.s.nc.Write(greeting)
		return errQuit
	}
	g := wire.Greeting{
		Version: Version, ThreadID: c.Thread, Capability: wire.Capability(Capabilities) | wire.Capability(ExtendedCaps)<<32 | compression, Charset: 45,
		Status: c.Status, Plugin: gomysql.AUTH_NATIVE_PASSWORD,
	}
	if _, err := rand.Read(g.Scramble[:]); err != nil {
		return err
	}
	for i := range g.Scramble {
		g.Scramble[i] = 'a' + g.Scramble[i]%26
	}
	if refused != nil && refused.Code == 1040 {
		return c.refuse(refused) // In place of the greeting.
	}
	if err := c.s.write(g.Append(nil)); err != nil {
		return err
	}
	p, err := c.s.read()
	if err != nil {
		return err
	}
	l, err := wire.ParseLogin(p, g.Capability)
	if err != nil {
		return err
	}
	c.Caps, c.User = l.Capability, l.User
	switch {
	case refused != nil:
		return c.refuse(refused)
	case !c.authentic(&l, g.Scramble[:]):
		return c.refuse(wire.NewError(1045, "Access denied for user '%s'@'localhost' (using password: YES)", l.User))
	case l.Schema != "" && n.lacks(l.Schema):
		return c.refuse(wire.NewError(1049, "Unknown database '%s'", l.Schema))
	}
	c.Schema = l.Schema
	c.begins()
	n.mu.Lock()
	n.logins++
	n.mu.Unlock()
	c.OK(wire.OK{})
	if err := c.flush(); err != nil {
		return err
	}
	c.s.pack(wire.Chosen(c.Caps), true, chop)
	return nil
}

// begins sets what new sessions begin with.
func (c *Conn) begins() {
	c.Node.mu.Lock()
	set := c.Node.begin
	c.Node.mu.Unlock()
	if set == "" {
		return
	}
	for _, one := range splitAssignments(set) {
		name, value, _ := strings.Cut(one, "=")
		c.assign(name, value)
	}
	c.trackers = nil
}

func (c *Conn) refuse(e *wire.ServerError) error {
	_ = c.s.write(e.Append(nil))
	return e
}

func (n *Node) lacks(schema string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.schemas[schema]
}

// errQuit ends a connection that its client has given up.
var errQuit = errors.New("quit")

// serve answers one command.
func (c *Conn) serve(body []byte) error {
	cmd := Command{Node: c.Node, Thread: c.Thread, Com: body[0], Text: string(body[1:]), Body: body, Schema: c.Schema, Vars: c.settings()}
	if cmd.Com == wire.ComStmtExecute || cmd.Com == wire.ComStmtBulkExecute {
		if st := c.statement(body); st != nil {
			cmd.Text = st.text
		}
	}
	select {
	case <-c.interrupt:
	default:
	}
	c.Node.record(&cmd)
	c.limit = -1
	if err := c.dispatch(&cmd); err != nil {
		_ = c.flush()
		return err
	}
	return c.flush()
}

func (c *Conn) dispatch(cmd *Command) error {
	switch cmd.Com {
	case wire.ComQuit:
		return errQuit
	case wire.ComQuery:
		if reply := c.Node.take(cmd.Text); reply != nil {
			return reply(c, cmd)
		}
		return c.query(cmd)
	case wire.ComInitDB:
		return c.use(cmd.Text)
	case wire.ComStmtPrepare, wire.ComStmtExecute, wire.ComStmtBulkExecute, wire.ComStmtFetch, wire.ComStmtReset, wire.ComStmtClose, wire.ComStmtSendLongData:
		return c.prepared(cmd)
	}
	if reply := c.Node.take(comName(cmd.Com)); reply != nil {
		return reply(c, cmd)
	}
	switch cmd.Com {
	case wire.ComSetOption:
		if cmd.Body[1] == 0 {
			c.Caps |= wire.ClientMultiStatements
		} else {
			c.Caps &^= wire.ClientMultiStatements
		}
		c.end()
	case wire.ComStatistics:
		c.packet([]byte("Uptime: 1  Threads: 1"))
	case wire.ComFieldList:
		c.packet(append(definition("a"), 0xfb))
		c.end()
	case wire.ComProcessInfo:
		c.Rows([]string{"Id", "Info"}, []string{c.Node.Name, "x"})
	case wire.ComResetConnection:
		c.userVars, c.insertID = nil, 0
		c.vars, c.stmts, c.trackers, c.Status = nil, map[uint32]*stmt{}, nil, wire.StatusAutocommit
		c.begins()
		c.OK(wire.OK{})
	default:
		c.Err(1047, "Unknown command")
	}
	return nil
}

// comName is the name under which a command other than a statement can be scripted.
func comName(com byte) string {
	switch com {
	case wire.ComSetOption:
		return "COM_SET_OPTION"
	case wire.ComStatistics:
		return "COM_STATISTICS"
	case wire.ComFieldList:
		return "COM_FIELD_LIST"
	case wire.ComProcessInfo:
		return "COM_PROCESS_INFO"
	case wire.ComResetConnection:
		return "COM_RESET_CONNECTION"
	}
	return "COM"
}

// settings gives what has been set on the connection.
func (c *Conn) settings() string {
	parts := make([]string, 0, len(c.vars))
	for _, v := range c.vars {
		if !strings.HasPrefix(v.name, "session_track_") {
			parts = append(parts, v.name+"="+v.value)
		}
	}
	for name, value := range c.userVars {
		parts = append(parts, "@"+name+"="+value+" ")
	}
	return strings.Join(parts, " ")
}
