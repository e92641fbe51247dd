package mysql

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"galley/cluster"
	"galley/config"
	"galley/proxy"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// door is a server under test in front of scripted nodes: n[0] is the writer, the others are readers.
type door struct {
	tb       testing.TB
	n        []*mysqltest.Node
	cluster  *mysqltest.Cluster
	accounts *mysqltest.Accounts
	srv      *Server
	mem      *mysqltest.Listener // Nil over sockets.
	addr     string
	stop     context.CancelFunc // Begins the drain.
	cut      context.CancelFunc
	served   chan error
}

// doorConfig is the configuration that tests start from.
func doorConfig() config.MySQL {
	return config.MySQL{
		MaxConnections: 1000, HandshakeTimeout: 10 * time.Second, WaitForNode: 15 * time.Second, MaxWaitingForNode: 1000, MaxWaitingSize: 1 << 20, ConnectTimeout: 5 * time.Second,
		Grace: 5 * time.Second, ReadOnlyTransactionsOnReaders: true, MaxAllowedBuffer: 16 << 20, Consistency: config.Eventual, CausalWait: 10 * time.Second,
		Pool: config.Pool{
			Multiplex: true, IdleTime: time.Minute, Lifetime: time.Hour, WaitForConnection: 10 * time.Second, MaxWaiting: 1000, Opening: 4, MaxStatements: 100,
		},
	}
}

// accountSets holds the accounts of the tests, imported once.
var accountSets sync.Map

// testAccounts gives accounts: app with the password secret, nopw without one, locked, and ed with ed25519.
func testAccounts(tb testing.TB) *cluster.AccountSet {
	tb.Helper()
	if set, ok := accountSets.Load("usual"); ok {
		return set.(*cluster.AccountSet)
	}
	set := mysqltest.ImportAccounts(tb, []cluster.ConfiguredAccount{{User: "configured", Password: "given"}},
		mysqltest.NativeRow("app", "secret"), mysqltest.NativeRow("other", "word"), mysqltest.NativeRow("nopw", ""),
		mysqltest.AccountRow{User: "locked", Host: "%", Priv: `{"plugin":"mysql_native_password","authentication_string":"","account_locked":true}`},
		mysqltest.AccountRow{User: "ed", Host: "%", Priv: `{"plugin":"ed25519","authentication_string":"ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY"}`},
		mysqltest.AccountRow{User: "unix", Host: "%", Priv: `{"plugin":"unix_socket","authentication_string":""}`},
		requireRow("any", `"ssl_type":1`), requireRow("x509", `"ssl_type":2`),
		requireRow("subject", `"ssl_type":3,"x509_subject":"/O=Example/CN=client"`), requireRow("issuer", `"ssl_type":3,"x509_issuer":"/CN=clients"`),
		requireRow("otherissuer", `"ssl_type":3,"x509_issuer":"/CN=others","x509_subject":"/O=Example/CN=client"`),
		requireRow("cipher", `"ssl_type":3,"ssl_cipher":"TLS_AES_128_GCM_SHA256"`), requireRow("othercipher", `"ssl_type":3,"ssl_cipher":"ECDHE-RSA-AES128-SHA"`),
		mysqltest.AccountRow{User: "far", Host: "10.9.8.7", Priv: `{"plugin":"mysql_native_password","authentication_string":""}`},
	)
	accountSets.Store("usual", set)
	return set
}

// withAccounts is for a test whose bubble (synctest) begins: the accounts are imported before, in real time.
func withAccounts(t *testing.T) *testing.T {
	t.Helper()
	testAccounts(t)
	return t
}

// requireRow is the row of an account without a password that requires something of its connection.
func requireRow(user, require string) mysqltest.AccountRow {
	return mysqltest.AccountRow{User: user, Host: "%", Priv: `{"plugin":"mysql_native_password","authentication_string":"",` + require + `}`}
}

// newDoor starts a door before nodes nodes, in memory.
func newDoor(tb testing.TB, nodes int, change ...func(*config.MySQL)) *door {
	tb.Helper()
	return startDoor(tb, nodes, false, change...)
}

// newSocketDoor starts a door before nodes nodes over real sockets.
func newSocketDoor(tb testing.TB, nodes int, change ...func(*config.MySQL)) *door {
	tb.Helper()
	return startDoor(tb, nodes, true, change...)
}

func startDoor(tb testing.TB, nodes int, sockets bool, change ...func(*config.MySQL)) *door {
	tb.Helper()
	d := &door{tb: tb, served: make(chan error, 1), accounts: mysqltest.NewAccounts(testAccounts(tb))}
	for i := range nodes {
		n := mysqltest.NewNode(tb, "n"+string(rune('1'+i)), i+1)
		if sockets {
			n.Listen(tb)
		}
		d.n = append(d.n, n)
	}
	d.cluster = mysqltest.NewCluster(d.n...)
	c := doorConfig()
	for _, f := range change {
		f(&c)
	}
	o := Options{
		Config: c, Cluster: d.cluster, Accounts: d.accounts, Logger: hclog.NewNullLogger(), Registerer: prometheus.NewRegistry(),
		Variables: mysqltest.Variables{"sql_mode": cluster.TextVariable, "time_zone": cluster.TextVariable, "sql_select_limit": cluster.NumberVariable, "max_statement_time": cluster.NumberVariable, "autocommit": cluster.BooleanVariable},
	}
	var l net.Listener
	if sockets {
		var err error
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			tb.Fatal(err)
		}
		d.addr = l.Addr().String()
	} else {
		d.mem = mysqltest.NewListener()
		l = d.mem
		o.Dial = d.dial
	}
	if c.TLS.CertFile != "" {
		var err error
		if o.TLS, err = proxy.NewServerTLS(c.TLS, o.Logger); err != nil {
			tb.Fatal(err)
		}
	}
	var err error
	if d.srv, err = New(o); err != nil {
		tb.Fatal(err)
	}
	d.srv.charsets.add(45, nil) // What clients log in with sets nothing.
	d.serveOn(l)
	return d
}

// serveOn serves on listeners, beside those that are served already, until the test ends or d.stop.
func (d *door) serveOn(listeners ...net.Listener) {
	d.tb.Helper()
	ctx, stop := context.WithCancel(context.Background())
	cut, cutNow := context.WithCancel(context.Background())
	d.stop, d.cut = stop, cutNow
	go func() { d.served <- d.srv.Serve(ctx, cut, listeners...) }()
	d.tb.Cleanup(func() {
		cutNow()
		stop()
		if err := <-d.served; err != nil {
			d.tb.Errorf("Serve: %v", err)
		}
	})
}

// dial reaches the node of an address.
func (d *door) dial(_ context.Context, _, addr string) (net.Conn, error) {
	for _, n := range d.n {
		if n.Addr == addr {
			return n.Dial()
		}
	}
	return nil, errors.New("no such node")
}

// raw opens a connection to the door.
func (d *door) raw() net.Conn {
	d.tb.Helper()
	var nc net.Conn
	var err error
	if d.mem != nil {
		nc, err = d.mem.Dial()
	} else {
		nc, err = net.Dial("tcp", d.addr)
	}
	if err != nil {
		d.tb.Fatal(err)
	}
	d.tb.Cleanup(func() { _ = nc.Close() })
	return nc
}

// login logs in; what is left out is the user app's.
func (d *door) login(l mysqltest.Login) (*testClient, error) {
	d.tb.Helper()
	if l.User == "" {
		l.User, l.Password = "app", "secret"
	}
	c, err := mysqltest.Connect(d.raw(), l)
	if err != nil {
		return nil, err
	}
	return &testClient{Client: c, tb: d.tb, door: d}, nil
}

// client logs in as app.
func (d *door) client(l ...mysqltest.Login) *testClient {
	d.tb.Helper()
	var one mysqltest.Login
	if len(l) > 0 {
		one = l[0]
	}
	c, err := d.login(one)
	if err != nil {
		d.tb.Fatalf("login: %v", err)
	}
	return c
}

// ran is how often a statement has reached each node.
func (d *door) ran(text string) (times []int) {
	for _, n := range d.n {
		times = append(times, n.Ran(text))
	}
	return times
}

// expectRan checks where a statement ran, and how often.
func (d *door) expectRan(text string, want ...int) {
	d.tb.Helper()
	got := d.ran(text)
	for i := range got {
		if got[i] != want[i] {
			d.tb.Errorf("%q ran %v times, want %v", text, got, want)
			return
		}
	}
}

// testClient is a client whose failures end the test.
type testClient struct {
	*mysqltest.Client
	tb   testing.TB
	door *door
}

// query runs a statement that must succeed and gives the first value of its answer, which is the node's name.
func (c *testClient) query(sql string) string {
	c.tb.Helper()
	return c.result(sql).Value()
}

func (c *testClient) result(sql string) *mysqltest.Result {
	c.tb.Helper()
	r, err := c.Query(sql)
	if err != nil {
		c.tb.Fatalf("%s: %v", sql, err)
	}
	return r
}

// fails runs a statement that must fail with this code, and gives the message.
func (c *testClient) fails(sql string, code uint16) string {
	c.tb.Helper()
	_, err := c.Query(sql)
	return c.failed(sql, err, code)
}

func (c *testClient) failed(what string, err error, code uint16) string {
	c.tb.Helper()
	var e *wire.ServerError
	if !errors.As(err, &e) || e.Code != code {
		c.tb.Fatalf("%s: %v, want error %d", what, err, code)
	}
	return e.Message
}

// ended checks that the door has closed the connection.
func (c *testClient) ended() {
	c.tb.Helper()
	if p, err := c.Packet(); err == nil {
		c.tb.Errorf("the connection is still open and says %q", p)
	}
}

// on gives the node on which a write of its own runs.
func (c *testClient) on(sql string) string {
	c.tb.Helper()
	var before []int
	for _, n := range c.door.n {
		before = append(before, n.Ran(sql))
	}
	c.result(sql)
	var where []string
	for i, n := range c.door.n {
		if n.Ran(sql) > before[i] {
			where = append(where, n.Name)
		}
	}
	return strings.Join(where, "+")
}
