package mysqltest

import (
	"context"
	"crypto/rsa"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"galley/balancer"
	"galley/proxy/mysql/wire"
)

// Command is a command that reached a node.
type Command struct {
	Node   *Node
	Thread uint32
	Com    byte
	Text   string // The argument; of COM_STMT_EXECUTE the statement's text.
	Body   []byte // The whole payload.
	Types  string // Of an execution: the types of its parameters, for replies only.
	Schema string // Of the connection, before the command.
	Vars   string // What has been set on the connection, as name=value pairs in the order of their first setting.
}

// Reply answers a command. Its error closes the connection.
type Reply func(c *Conn, cmd *Command) error

// Node is a scripted MariaDB node. Its methods may be called from any goroutine.
type Node struct {
	Name    string
	Addr    string
	Backend *balancer.Backend

	mu      sync.Mutex
	rules   []*rule
	log     []Command
	grown   chan struct{} // Closed and replaced when log grows.
	conns   map[*Conn]struct{}
	threads uint32
	logins  int
	users   map[string]User
	schemas map[string]bool // Those that do not exist.
	refused *wire.ServerError
	begin   string
	down    bool

	greeting    []byte
	compression wire.Capability // The flags of what it offers.
	chop        int
	closed      chan struct{}
	stopOnce    sync.Once
	wg          sync.WaitGroup
	listener    net.Listener
	attrs       []byte // Of the login that came last.
}

// User is how a node authenticates a user. A node without users lets everybody in.
type User struct {
	Password string
	Plugin   string          // mysql_native_password by default; others are asked for by an authentication switch.
	Then     []string        // Plugins that will do as well, in this order.
	Key      *rsa.PrivateKey // Makes caching_sha2_password want the password itself.
}

type rule struct {
	prefix string
	left   int // How often it still applies; negative is always.
	reply  Reply
}

// NewNode makes a node that is reached by Dial. Thread ids and statement ids of nodes differ by their number.
func NewNode(tb testing.TB, name string, number int) *Node {
	tb.Helper()
	n := &Node{
		Name: name, Addr: name + ":3306", conns: map[*Conn]struct{}{}, users: map[string]User{}, schemas: map[string]bool{},
		threads: uint32(number) * 1000, grown: make(chan struct{}), closed: make(chan struct{}),
	}
	n.Backend = balancer.NewBackend(n.Addr, 1)
	n.Backend.SetState(balancer.Up)
	tb.Cleanup(n.Stop)
	return n
}

// Listen has the node reached over real sockets, at a free port of the loopback address.
func (n *Node) Listen(tb testing.TB) {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	n.listener, n.Addr = l, l.Addr().String()
	n.Backend = balancer.NewBackend(n.Addr, 1)
	n.Backend.SetState(balancer.Up)
	n.wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			n.serve(nc)
		}
	})
}

// errDown is what dialing a node that is down gives.
var errDown = errors.New("connection refused")

// Dial connects to the node in memory.
func (n *Node) Dial() (net.Conn, error) {
	n.mu.Lock()
	down := n.down
	n.mu.Unlock()
	if down {
		return nil, errDown
	}
	near, far := newPipe()
	n.serve(far)
	return near, nil
}

func (n *Node) serve(nc net.Conn) {
	n.mu.Lock()
	n.threads++
	c := newConn(n, nc, n.threads)
	if n.down {
		n.mu.Unlock()
		_ = nc.Close()
		return
	}
	n.conns[c] = struct{}{}
	n.mu.Unlock()
	n.wg.Go(func() {
		c.run()
		n.mu.Lock()
		delete(n.conns, c)
		n.mu.Unlock()
	})
}

// Stop closes the node and waits until all of it has ended.
func (n *Node) Stop() {
	n.stopOnce.Do(func() { close(n.closed) })
	n.Kill()
	if n.listener != nil {
		_ = n.listener.Close()
	}
	n.wg.Wait()
}

// Kill takes the node down: it closes every connection and takes no new one.
func (n *Node) Kill() {
	n.mu.Lock()
	n.down = true
	n.mu.Unlock()
	n.CloseConns()
}

// Revive lets the node take connections again.
func (n *Node) Revive() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = false
}

// CloseConns closes every connection, as a server does at its end. The connections are gone from the node's side when it returns.
func (n *Node) CloseConns() {
	for _, c := range n.open() {
		c.Close()
	}
}

// ResetConns resets every connection, as a host does that does not know them.
func (n *Node) ResetConns() {
	for _, c := range n.open() {
		c.Reset()
	}
}

func (n *Node) open() []*Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]*Conn, 0, len(n.conns))
	for c := range n.conns {
		all = append(all, c)
	}
	return all
}

// Conns is how many connections are open.
func (n *Node) Conns() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.conns)
}

// Logins is how many logins have succeeded.
func (n *Node) Logins() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.logins
}

// AddUser makes the node check logins: only users that were added get in.
func (n *Node) AddUser(name string, u User) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.users[name] = u
}

// Attrs are the connection attributes of the login that came last.
func (n *Node) Attrs() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return string(n.attrs)
}

// DropSchema makes a schema unknown to the node (error 1049).
func (n *Node) DropSchema(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.schemas[name] = true
}

// Compress has the node offer compression by these flags, and put no more than chop into one packet, or as much as the protocol takes if it is 0.
func (n *Node) Compress(flags wire.Capability, chop int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.compression, n.chop = flags, chop
}

// Greet has the node say p to whoever connects, whatever he says, and close; nil ends it.
func (n *Node) Greet(p []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.greeting = p
}

// Begin has new connections begin with what SET would set, by global variables or init_connect: the client is told nothing of it.
func (n *Node) Begin(set string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.begin = set
}

// RefuseLogins has logins answered with an error; nil ends it.
func (n *Node) RefuseLogins(e *wire.ServerError) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refused = e
}

// On answers every statement that starts with prefix by reply; of several rules the newest counts.
func (n *Node) On(prefix string, reply Reply) {
	n.addRule(&rule{prefix: prefix, left: -1, reply: reply})
}

// Once answers the next statement that starts with prefix by reply.
func (n *Node) Once(prefix string, reply Reply) {
	n.addRule(&rule{prefix: prefix, left: 1, reply: reply})
}

func (n *Node) addRule(r *rule) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rules = append(n.rules, r)
}

// take finds the reply for a text.
func (n *Node) take(text string) Reply {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range slices.Backward(n.rules) {
		if r.left == 0 || !strings.HasPrefix(text, r.prefix) {
			continue
		}
		if r.left > 0 {
			r.left--
		}
		return r.reply
	}
	return nil
}

func (n *Node) record(cmd *Command) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log = append(n.log, *cmd)
	close(n.grown)
	n.grown = make(chan struct{})
}

// Commands gives every command that reached the node so far, but for what galley says to set up a connection.
func (n *Node) Commands() []Command {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]Command, 0, len(n.log))
	for i := range n.log {
		if !strings.HasPrefix(n.log[i].Text, "SET SESSION session_track_system_variables='*', session_track_schema=ON") {
			all = append(all, n.log[i])
		}
	}
	return all
}

// Texts gives the texts of the statements that reached the node.
func (n *Node) Texts() []string {
	var texts []string
	for _, c := range n.Commands() {
		if c.Com == wire.ComQuery || c.Com == wire.ComStmtExecute {
			texts = append(texts, c.Text)
		}
	}
	return texts
}

// Ran is how often a statement with this text reached the node.
func (n *Node) Ran(text string) int {
	count := 0
	for _, got := range n.Texts() {
		if got == text {
			count++
		}
	}
	return count
}

// Forget empties the record.
func (n *Node) Forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log = nil
}

// awaitLimit bounds how long a test waits for a command to arrive.
const awaitLimit = 20 * time.Second

// Await waits until a statement with this text has reached the node.
func (n *Node) Await(tb testing.TB, text string) {
	tb.Helper()
	timer := time.NewTimer(awaitLimit)
	defer timer.Stop()
	for {
		n.mu.Lock()
		grown := n.grown
		n.mu.Unlock()
		if n.Ran(text) > 0 {
			return
		}
		select {
		case <-grown:
		case <-timer.C:
			tb.Fatalf("%q did not reach node %s; it has had %q", text, n.Name, n.Texts())
		}
	}
}

// Threads gives the ids of the open connections.
func (n *Node) Threads() []uint32 {
	var ids []uint32
	for _, c := range n.open() {
		ids = append(ids, c.Thread)
	}
	return ids
}

// thread finds a connection by its id.
func (n *Node) thread(id uint32) *Conn {
	for _, c := range n.open() {
		if c.Thread == id {
			return c
		}
	}
	return nil
}

// NoRules forgets what On and Once said.
func (n *Node) NoRules() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rules = nil
}
