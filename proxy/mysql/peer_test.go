package mysql

import (
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"galley/config"
	"galley/proxy"
	"galley/proxy/mysql/mysqltest"
)

// trustLoopback makes the tests' own connections those of a load balancer.
func trustLoopback(c *config.MySQL) {
	c.ProxyNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	c.CheckClientHost = true
}

// via connects, says head and logs in.
func (d *door) via(head string, l mysqltest.Login) (*testClient, error) {
	d.tb.Helper()
	nc := d.raw()
	if _, err := io.WriteString(nc, head); err != nil {
		d.tb.Fatal(err)
	}
	c, err := mysqltest.Connect(nc, l)
	if err != nil {
		return nil, err
	}
	return &testClient{Client: c, tb: d.tb, door: d}, nil
}

func TestProxyHeader(t *testing.T) {
	d := newSocketDoor(t, 2, trustLoopback)
	c, err := d.via("PROXY TCP4 203.0.113.7 10.0.0.1 4711 3306\r\n", mysqltest.Login{User: "app", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	c.query("SELECT 1")
	if rows := d.srv.Sessions(10); len(rows) != 1 || rows[0].Client != "203.0.113.7:4711" {
		t.Errorf("the sessions are %+v", rows)
	}
	_, err = d.via("PROXY TCP4 203.0.113.7 10.0.0.1 4711 3306\r\n", mysqltest.Login{User: "far"})
	if err == nil || !strings.Contains(err.Error(), "Access denied for user 'far'@'203.0.113.7'") {
		t.Errorf("an account of another host: %v", err)
	}
	_, err = d.via("\x20\x00\x00\x01no header at all", mysqltest.Login{User: "app", Password: "secret"})
	if err == nil || !strings.Contains(err.Error(), "mysql.proxy_protocol_networks") {
		t.Errorf("without a header: %v", err)
	}
	nc := d.raw() // A probe that only connects.
	_ = nc.Close()
	if c, err = d.via("PROXY UNKNOWN\r\n", mysqltest.Login{User: "app", Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	c.query("SELECT 2")
}

// TestHeaderIsReadFromTrustedOnly holds that nobody else can say who he is.
func TestHeaderIsReadFromTrustedOnly(t *testing.T) {
	d := newSocketDoor(t, 1, func(c *config.MySQL) { c.ProxyNetworks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	_, err := d.via("PROXY TCP4 203.0.113.7 10.0.0.1 4711 3306\r\n", mysqltest.Login{User: "app", Password: "secret"})
	if err == nil {
		t.Error("logged in behind a header from a stranger")
	}
	d.client().query("SELECT 1")
}

// TestDrainDoesNotWaitForHeaders holds that a load balancer's connection that has said nothing yet does not hold a drain up.
func TestDrainDoesNotWaitForHeaders(t *testing.T) {
	d := newSocketDoor(t, 1, trustLoopback)
	nc := d.raw()
	if _, err := d.via("PROXY UNKNOWN\r\n", mysqltest.Login{User: "app", Password: "secret"}); err != nil { // The one before is accepted as well, then.
		t.Fatal(err)
	}
	d.stop()
	if _, err := nc.Read(make([]byte, 1)); err == nil {
		t.Error("a greeting without a header")
	}
	if err := <-d.served; err != nil {
		t.Error(err)
	}
	d.served <- nil
}

// TestSeveralListeners serves TCP and a unix socket at the same time, and drains both.
func TestSeveralListeners(t *testing.T) {
	d := newSocketDoor(t, 1, func(c *config.MySQL) { c.CheckClientHost = true })
	path := filepath.Join(t.TempDir(), "mysql.sock")
	unix, err := proxy.ListenUnix(t.Context(), proxy.Socket{Path: path, Mode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := proxy.ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.serveOn(tcp, unix)
	for network, addr := range map[string]string{"tcp": tcp.Addr().String(), "unix": path} {
		nc, err := net.Dial(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		c, err := mysqltest.Connect(nc, mysqltest.Login{User: "app", Password: "secret"})
		if err != nil {
			t.Fatalf("%s: %v", network, err)
		}
		tc := &testClient{Client: c, tb: t, door: d}
		tc.query("SELECT 1")
	}
	local := 0
	for _, row := range d.srv.Sessions(10) {
		if row.Client == "localhost" {
			local++
		}
	}
	if local != 1 {
		t.Errorf("%d clients of the unix socket: %+v", local, d.srv.Sessions(10))
	}
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = mysqltest.Connect(nc, mysqltest.Login{User: "far"}); err == nil || !strings.Contains(err.Error(), "'far'@'localhost'") {
		t.Errorf("an account of another host: %v", err)
	}
	d.stop()
	if err := <-d.served; err != nil {
		t.Error(err)
	}
	d.served <- nil
	if _, err := net.Dial("unix", path); err == nil {
		t.Error("the socket is still served")
	}
}
