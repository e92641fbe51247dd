//go:build e2e

package door

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// Headers of PROXY version 1 and 2 of a client at 203.0.113.7, and of a balancer itself.
const (
	version1 = "PROXY TCP4 203.0.113.7 127.0.0.1 4711 3306\r\n"
	version2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\x7f\x00\x00\x01\x12\x67\x0c\xea"
	itself   = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
)

// behind connects as a load balancer does.
func behind(t *testing.T, addr, head, user, password string) *sql.DB {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = user, password, "tcp", addr
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err == nil {
			_, err = nc.Write([]byte(head))
		}
		return nc, err
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// account makes an account for one host.
func account(t *testing.T, host string) {
	t.Helper()
	root(t, fmt.Sprintf("CREATE OR REPLACE USER 'away'@'%s' IDENTIFIED BY 'pw'", host))
	t.Cleanup(func() { root(t, fmt.Sprintf("DROP USER IF EXISTS 'away'@'%s'", host)) })
}

// TestHeadersIn: accounts are matched against the client that the header tells of.
func TestHeadersIn(t *testing.T) {
	g := serve(t, "check_client_host: true\n  proxy_protocol_networks: [127.0.0.0/8]", "")
	app := site.lab.App()
	for _, head := range []string{version1, version2, itself, "PROXY UNKNOWN\r\n"} {
		if err := behind(t, g.addr, head, app.User, app.Password).PingContext(site.ctx); err != nil {
			t.Errorf("%q: %v", head, err)
		}
	}
	err := behind(t, g.addr, version2, "nobody", "pw").PingContext(site.ctx)
	if err == nil || !strings.Contains(err.Error(), "'nobody'@'203.0.113.7'") {
		t.Errorf("%v", err)
	}
	if out := cli("SELECT 1", join(at(g.addr), as(app))...); out == "1" {
		t.Error("without a header somebody is let in from a load balancer's network")
	}
	if out := cli("SELECT 1", join([]string{"--socket=" + g.socket}, as(app))...); out != "1" {
		t.Errorf("by the socket, which is no load balancer's: %s", out)
	}
}

// TestHeadersOut: nodes see each client's own address, and match accounts against it.
func TestHeadersOut(t *testing.T) {
	g := serve(t, "proxy_protocol_networks: [127.0.0.0/8]", "send_proxy_protocol: true")
	app := site.lab.App()
	user := func(db *sql.DB) string {
		var u string
		if err := db.QueryRowContext(site.ctx, "SELECT USER()").Scan(&u); err != nil {
			return err.Error()
		}
		return u
	}
	if u := user(behind(t, g.addr, version2, app.User, app.Password)); u != app.User+"@203.0.113.7" {
		t.Errorf("SELECT USER() is %s", u)
	}
	if u := user(behind(t, g.addr, strings.Replace(version1, "203.0.113.7", "203.0.113.8", 1), app.User, app.Password)); u != app.User+"@203.0.113.8" {
		t.Errorf("SELECT USER() of another client is %s", u)
	}
	if out := cli("SELECT USER()", join([]string{"--socket=" + g.socket}, as(app))...); out != app.User+"@localhost" {
		t.Errorf("SELECT USER() by the socket is %s", out)
	}
	account(t, "203.0.113.7")
	if u := user(behind(t, g.addr, version2, "away", "pw")); u != "away@203.0.113.7" {
		t.Errorf("an account of the client's address: %s", u)
	}
	if u := user(behind(t, g.addr, itself, "away", "pw")); !strings.Contains(u, "Access denied for user 'away'@'127.0.0.1'") && !strings.Contains(u, "'away'@'localhost'") {
		t.Errorf("the same account from elsewhere: %s", u)
	}
	if said := g.check(); !strings.Contains(said, "Galley can serve this") {
		t.Error(said)
	}
	everywhere := func(networks string) {
		for _, n := range site.lab.Nodes() {
			if err := n.Exec(site.ctx, "SET GLOBAL proxy_protocol_networks='"+networks+"'"); err != nil {
				t.Fatal(err)
			}
		}
	}
	everywhere("")
	defer everywhere("127.0.0.1,localhost")
	if out := cli("INSERT INTO nothing.at_all VALUES (1)", join([]string{"--socket=" + g.socket}, []string{"--user=" + site.lab.Root().User, "--password=" + site.lab.Root().Password})...); !strings.Contains(out, "Proxy header is not accepted") {
		t.Errorf("the client is told: %s", out)
	}
	if said := g.check(); !strings.Contains(said, "refuses the PROXY header") {
		t.Error(said)
	}
}

// TestHAProxy puts HAProxy in front of galley.
func TestHAProxy(t *testing.T) {
	if _, err := exec.LookPath("haproxy"); err != nil {
		t.Skip("there is no haproxy")
	}
	g := serve(t, "check_client_host: true\n  proxy_protocol_networks: [127.0.0.0/8]", "send_proxy_protocol: true")
	front := freeAddrs(t).Addr(0)
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	text := fmt.Sprintf("defaults\n mode tcp\n timeout connect 5s\n timeout client 1m\n timeout server 1m\nlisten f\n bind %s\n server g %s send-proxy-v2 check check-send-proxy inter 200ms source 127.0.0.5\n", front, g.addr)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(site.ctx, "haproxy", "-db", "-f", file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	app := site.lab.App()
	eventually(t, func() error {
		if out := cli("SELECT USER()", join(at(front), as(app))...); out != app.User+"@127.0.0.1" {
			return fmt.Errorf("SELECT USER() is %s", out)
		}
		return nil
	})
	if strings.Contains(g.logged(), "load balancer's network is refused") {
		t.Errorf("HAProxy's checks are refused:\n%s", g.logged())
	}
}

// TestSockets: clients by a unix socket, and nodes.
func TestSockets(t *testing.T) {
	nodes := make([]string, 0, 2)
	for _, n := range site.lab.Nodes() {
		nodes = append(nodes, "unix:"+n.Socket())
	}
	g := serve(t, "check_client_host: true", "nodes: ["+strings.Join(nodes, ", ")+"]")
	app := site.lab.App()
	if out := cli("SELECT USER()", join([]string{"--socket=" + g.socket}, as(app))...); out != app.User+"@localhost" {
		t.Errorf("the CLI: %s", out)
	}
	file, err := os.Stat(g.socket)
	if err != nil || file.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", file.Mode(), err)
	}
	const mysqli = `[, $socket, $user, $password] = $argv; $m = new mysqli('localhost', $user, $password, null, 0, $socket); echo $m->query("SELECT USER()")->fetch_row()[0];`
	if out := php(t, mysqli, g.socket, app.User, app.Password); out != app.User+"@localhost" {
		t.Errorf("mysqli: %s", out)
	}
	account(t, "localhost")
	if out := cli("SELECT CURRENT_USER()", "--socket="+g.socket, "--user=away", "--password=pw"); out != "away@localhost" {
		t.Errorf("an account of localhost: %s", out)
	}
	if out := cli("SELECT 1", join(at(g.addr), []string{"--user=away", "--password=pw"})...); !strings.Contains(out, "Access denied for user 'away'@'127.0.0.1'") {
		t.Errorf("the same by TCP: %s", out)
	}
	said := g.check()
	if !strings.Contains(said, "Galley can serve this") || strings.Contains(said, "not trusted") || strings.Count(said, "unix:") < 2 {
		t.Error(said)
	}
}
