package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
)

// fakeNet is a network of scripted nodes, in memory, for synctest.
type fakeNet struct {
	mu    sync.Mutex
	nodes map[string]*fakeNode
}

// fakeNode speaks as much of the protocol as a probe needs.
type fakeNode struct {
	mu        sync.Mutex
	status    map[string]string
	variables map[string]string
	accounts  [][]string
	rows      map[string][][]string // further answers, by query
	rights    map[string][][]string // tables of rights, their columns first; nil where they may not be read
	denied    bool                  // the tables of rights
	checksums int
	selectErr uint16 // what SELECT is answered with
	loginErr  uint16
	refuse    bool
	hung      chan struct{} // answers nothing until it is closed
	conns     map[net.Conn]bool
	dials     int
	logins    int
	users     []string
	probes    int
	selects   int
}

func newFakeNet(addrs ...string) *fakeNet {
	f := &fakeNet{nodes: map[string]*fakeNode{}}
	for _, a := range addrs {
		f.add(a, addrs)
	}
	return f
}

// add makes a healthy member of the cluster with these members.
func (f *fakeNet) add(addr string, members []string) *fakeNode {
	n := &fakeNode{status: realStatus(), variables: realVariables(), conns: map[net.Conn]bool{}}
	n.status["wsrep_gcomm_uuid"] = "id-" + addr
	n.status["wsrep_incoming_addresses"] = strings.Join(members, ",")
	n.status["wsrep_local_recv_queue"] = "0"
	n.variables["wsrep_node_incoming_address"] = addr
	n.variables["wsrep_node_name"] = "name of " + addr
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes[addr] = n
	return n
}

// all changes the status of every node.
func (f *fakeNet) all(changes map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.nodes {
		n.set(changes)
	}
}

func (n *fakeNode) set(changes map[string]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.Copy(n.status, changes)
}

// kill closes the node's connections and lets it listen no more.
func (n *fakeNode) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refuse = true
	n.cut()
}

// cut closes the node's connections; n.mu is held.
func (n *fakeNode) cut() {
	for c := range n.conns {
		_ = c.Close()
	}
	clear(n.conns)
}

// hang stops all answers until the function it gives is called.
func (n *fakeNode) hang() (resume func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	gate := make(chan struct{})
	n.hung = gate
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.hung = nil
		close(gate)
	}
}

func (n *fakeNode) count(of *int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return *of
}

// dial is a DialFunc.
func (f *fakeNet) dial(_ context.Context, _, addr string) (net.Conn, error) {
	f.mu.Lock()
	n := f.nodes[addr]
	f.mu.Unlock()
	if n == nil {
		return nil, &net.OpError{Op: "dial", Err: errors.New("no route to host")}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dials++
	if n.refuse {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	here, there := net.Pipe()
	n.conns[there] = true
	go n.serve(there)
	return here, nil
}

// wait blocks while the node hangs.
func (n *fakeNode) wait() {
	n.mu.Lock()
	gate := n.hung
	n.mu.Unlock()
	if gate != nil {
		<-gate
	}
}

// serve answers on one connection.
func (n *fakeNode) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	n.wait()
	greet := append([]byte{10}, "5.5.5-10.11.19-MariaDB\x00\x01\x00\x00\x0012345678\x00"...)
	greet = binary.LittleEndian.AppendUint16(greet, 0xa201)
	greet = append(greet, 8, 2, 0)
	greet = binary.LittleEndian.AppendUint16(greet, 0x000f)
	greet = append(greet, "\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00901234567890\x00mysql_native_password\x00"...)
	if writePacket(c, 0, greet) != nil {
		return
	}
	login, err := readPacket(c)
	if err != nil {
		return
	}
	user, _, _ := strings.Cut(string(login[32:]), "\x00")
	n.mu.Lock()
	n.logins++
	n.users = append(n.users, user)
	refused := n.loginErr
	n.mu.Unlock()
	if refused != 0 {
		_ = writePacket(c, 2, errPacket(refused))
		return
	}
	if writePacket(c, 2, okPacket) != nil {
		return
	}
	for {
		cmd, err := readPacket(c)
		if err != nil || len(cmd) == 0 || cmd[0] == 1 {
			return
		}
		n.wait()
		if n.answer(c, string(cmd[1:])) != nil {
			return
		}
	}
}

var okPacket = []byte{0, 0, 0, 2, 0, 0, 0}

func errPacket(number uint16) []byte {
	p := binary.LittleEndian.AppendUint16([]byte{0xff}, number)
	return append(p, "#42000scripted"...)
}

// answer answers one query.
func (n *fakeNode) answer(c net.Conn, query string) error {
	n.mu.Lock()
	status, variables := rowsOf(n.status), rowsOf(n.variables)
	accounts, selectErr := n.accounts, n.selectErr
	scripted, isScripted := n.rows[query]
	switch {
	case strings.HasPrefix(query, "SHOW"):
		n.probes++
	case strings.HasPrefix(query, "SELECT User"):
		n.selects++
	}
	n.mu.Unlock()
	switch {
	case isScripted:
		columns := 3
		if query == grantsQuery || query == seedsQuery {
			columns = 1
		}
		_, err := writeRows(c, 1, columns, scripted, false)
		return err
	case strings.HasPrefix(query, "SHOW GLOBAL STATUS"):
		seq, err := writeRows(c, 1, 2, status, true)
		if err == nil {
			_, err = writeRows(c, seq, 2, variables, false)
		}
		return err
	case query == "SELECT CURRENT_USER()":
		_, err := writeRows(c, 1, 1, [][]string{{"monitor@10.%"}}, false)
		return err
	case strings.HasPrefix(query, "SELECT") && selectErr != 0:
		return writePacket(c, 1, errPacket(selectErr))
	case strings.HasPrefix(query, "CHECKSUM TABLE "):
		return n.checksum(c, strings.TrimPrefix(query, "CHECKSUM TABLE "), accounts)
	case strings.HasPrefix(query, accountsQuery):
		return n.tables(c, query, accounts)
	case query == variablesQuery:
		_, err := writeRows(c, 1, 4, [][]string{
			{"SQL_MODE", "SESSION", "SET", "NO"},
			{"TIMESTAMP", "SESSION ONLY", "DOUBLE", "NO"},
			{"AUTOCOMMIT", "SESSION", "BOOLEAN", "NO"},
			{"WAIT_TIMEOUT", "SESSION", "BIGINT UNSIGNED", "NO"},
			{"VERSION", "GLOBAL", "VARCHAR", "YES"},
		}, false)
		return err
	}
	return writePacket(c, 1, okPacket)
}

// checksum answers CHECKSUM TABLE.
func (n *fakeNode) checksum(c net.Conn, tables string, accounts [][]string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.checksums++
	var rows [][]string
	for table := range strings.SplitSeq(tables, ", ") {
		table = strings.TrimPrefix(table, "mysql.")
		content, ok := n.rights[table]
		if table == privTable {
			content, ok = accounts, n.selectErr != errNoSuchTable
		} else if n.denied {
			return writePacket(c, 1, errPacket(errTableAccess))
		}
		if ok {
			rows = append(rows, []string{"mysql." + table, fmt.Sprint(fingerprint(fmt.Sprint(content)) >> 1)})
		}
	}
	if n.selectErr == errTableAccess {
		return writePacket(c, 1, errPacket(n.selectErr))
	}
	_, err := writeRows(c, 1, 2, rows, false)
	return err
}

// tables answers the query for accounts and their rights.
func (n *fakeNode) tables(c net.Conn, query string, accounts [][]string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	more := strings.Split(query, ";SELECT * FROM mysql.")[1:]
	seq, err := writeNamedRows(c, 1, []string{"User", "Host", "Priv"}, accounts, len(more) > 0)
	for i, table := range more {
		content := n.rights[table]
		if err == nil {
			seq, err = writeNamedRows(c, seq, content[0], content[1:], i < len(more)-1)
		}
	}
	return err
}

func rowsOf(m map[string]string) [][]string {
	var rows [][]string
	for k, v := range m {
		rows = append(rows, []string{k, v})
	}
	return rows
}

// writeRows writes a text result set with EOF packets, its columns without names.
func writeRows(c net.Conn, seq byte, columns int, rows [][]string, more bool) (byte, error) {
	return writeNamedRows(c, seq, make([]string, columns), rows, more)
}

func writeNamedRows(c net.Conn, seq byte, columns []string, rows [][]string, more bool) (byte, error) {
	var out []byte
	put := func(p []byte) {
		out = append(out, byte(len(p)), byte(len(p)>>8), byte(len(p)>>16), seq)
		out = append(out, p...)
		seq++
	}
	eof := func(flags byte) { put([]byte{0xfe, 0, 0, 2 | flags, 0}) }
	put([]byte{byte(len(columns))})
	for _, name := range columns {
		def := append([]byte{3}, "def\x00\x00\x00"...)
		def = append(append(def, byte(len(name))), name...)
		put(append(def, "\x00\x0c\x21\x00\xff\x00\x00\x00\xfd\x00\x00\x00\x00\x00"...))
	}
	eof(0)
	for _, row := range rows {
		var p []byte
		for _, cell := range row {
			p = append(p, 0xfc)
			p = binary.LittleEndian.AppendUint16(p, uint16(len(cell)))
			p = append(p, cell...)
		}
		put(p)
	}
	if more {
		eof(8)
	} else {
		eof(0)
	}
	_, err := c.Write(out)
	return seq, err
}

func writePacket(c net.Conn, seq byte, p []byte) error {
	_, err := c.Write(append([]byte{byte(len(p)), byte(len(p) >> 8), byte(len(p) >> 16), seq}, p...))
	return err
}

func readPacket(c net.Conn) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil, err
	}
	payload := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
	_, err := io.ReadFull(c, payload)
	return payload, err
}

// testSettings are the usual settings for these nodes.
func testSettings(addrs ...string) Settings {
	s := Settings{
		User: "monitor", Password: "secret", Interval: 500 * time.Millisecond, ProbeTimeout: 2 * time.Second,
		Discover: true, AccountsInterval: 5 * time.Second, InFlightWeight: 1, ThreadsWeight: 1, QueueWeight: 2,
		Limits: Limits{QueueLow: .2, QueueHigh: .8},
	}
	for _, a := range addrs {
		s.Nodes = append(s.Nodes, ConfiguredNode{Addr: a, Weight: 1})
	}
	return s
}

// running is a monitor that runs until the test ends.
type running struct {
	*Monitor
	t   *testing.T
	reg *prometheus.Registry
	end func()
}

func runMonitor(t *testing.T, net *fakeNet, s Settings) *running {
	t.Helper()
	reg := prometheus.NewRegistry()
	m, err := New(Options{Settings: s, Logger: hclog.NewNullLogger(), Registerer: reg, Dial: net.dial})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = m.Run(ctx) })
	r := &running{Monitor: m, t: t, reg: reg, end: func() { cancel(); wg.Wait() }}
	t.Cleanup(r.end)
	return r
}

// want checks the roles.
func (r *running) want(writer, readers string) {
	r.t.Helper()
	f := &fleet{t: r.t, view: r.View()}
	f.want(writer, readers)
}
