//go:build e2e

// Package door tests the connections of clients to galley and of galley to nodes with real programs on both sides: TLS, unix sockets, PROXY headers.
package door

import (
	"bytes"
	"context"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"galley/cluster/clusterlab"
	"galley/e2e/child"
	"galley/proxy/proxytest"
)

// site is what all tests share: two nodes with TLS that take PROXY headers, and an authority for each purpose.
var site struct {
	ctx            context.Context
	lab            *clusterlab.Lab
	bin, dir       string
	nodes, clients *proxytest.Authority
	client         proxytest.Pair
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

// setup stands in for a test where there is none yet.
type setup struct{ testing.TB }

func (setup) Helper() {}
func (setup) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, append([]any{"door:"}, args...)...)
	os.Exit(1)
}

func run(m *testing.M) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	site.ctx = ctx //nolint:fatcontext // the suite's life, set once
	dir, err := os.MkdirTemp("", "galley-door-")
	if err != nil {
		setup{}.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // The servers run as another user.
		setup{}.Fatal(err)
	}
	site.dir = dir
	if site.bin, err = child.Binary(ctx, dir); err != nil {
		setup{}.Fatal(err)
	}
	site.nodes = proxytest.NewAuthority(setup{}, dir, pkix.Name{CommonName: "nodes"})
	site.clients = proxytest.NewAuthority(setup{}, dir, pkix.Name{Country: []string{"SE"}, CommonName: "clients"})
	node := site.nodes.Issue(setup{}, dir, "node", proxytest.Wish{Subject: pkix.Name{CommonName: "node"}})
	site.client = site.clients.Issue(setup{}, dir, "client", proxytest.Wish{Subject: pkix.Name{Country: []string{"SE"}, Organization: []string{"A/B + Jürgen"}, CommonName: "client"}})
	site.lab, err = clusterlab.Start(ctx, clusterlab.Options{Nodes: 2, ExtraArgs: []string{
		"--ssl-cert=" + node.Cert, "--ssl-key=" + node.Key, "--ssl-ca=" + site.clients.File, "--proxy-protocol-networks=127.0.0.1,localhost",
	}})
	if err != nil {
		setup{}.Fatal(err)
	}
	defer site.lab.Close()
	return m.Run()
}

// galley is a running galley.
type galley struct {
	addr, socket, admin string
	log, file           string
	cmd                 *exec.Cmd
}

// serve starts galley for a test; the texts are put into the sections of its configuration.
func serve(t *testing.T, mysql, cluster string) *galley {
	t.Helper()
	dir, err := os.MkdirTemp(site.dir, "t") //nolint:usetesting // a short path, as a socket is put there
	if err != nil {
		t.Fatal(err)
	}
	addrs := freeAddrs(t)
	g := &galley{socket: filepath.Join(dir, "s"), log: filepath.Join(dir, "log"), file: filepath.Join(dir, "galley.yaml"), addr: addrs.Addr(0), admin: addrs.Addr(1)}
	g.configure(t, mysql, cluster)
	log, err := os.Create(g.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	g.cmd = exec.CommandContext(site.ctx, site.bin, "serve", "-c", g.file)
	g.cmd.Stdout, g.cmd.Stderr = log, log
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = g.cmd.Process.Signal(syscall.SIGTERM)
		_ = g.cmd.Wait()
		if t.Failed() {
			t.Logf("galley's log:\n%s", g.logged())
		}
	})
	eventually(t, func() error { return child.Answers(site.ctx, g.admin, "/readyz") })
	return g
}

// configure writes galley's configuration.
func (g *galley) configure(t *testing.T, mysql, cluster string) {
	t.Helper()
	monitor := site.lab.Monitor()
	if !strings.Contains(cluster, "nodes:") {
		cluster += "\n  nodes: [" + strings.Join(site.lab.Addrs(), ", ") + "]"
	}
	text := fmt.Sprintf("mysql:\n  listen: %s\n  socket: %s\n  grace: 1s\n  %s\ncluster:\n  monitor: {user: %s, password: %s}\n  %s\nadmin: {listen: %s}\nlog: {level: debug}\n",
		g.addr, g.socket, mysql, monitor.User, monitor.Password, cluster, g.admin)
	if err := os.WriteFile(g.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (g *galley) logged() string {
	text, _ := os.ReadFile(g.log)
	return string(text)
}

// check runs galley check with the same configuration.
func (g *galley) check() string {
	cmd := exec.CommandContext(site.ctx, site.bin, "check", "-c", g.file)
	out, _ := cmd.CombinedOutput()
	return string(out)
}

// freeAddrs are addresses that are the test's until it ends.
func freeAddrs(t *testing.T) *clusterlab.Addrs {
	t.Helper()
	a, err := clusterlab.ClaimAddrs()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Release)
	return a
}

// eventually waits until there is no error any more.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	until := time.Now().Add(time.Minute)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// root runs statements on the first node.
func root(t *testing.T, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if err := site.lab.Nodes()[0].Exec(site.ctx, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// cli runs the mariadb client and gives what it said, errors included.
func cli(statement string, args ...string) string {
	cmd := exec.CommandContext(site.ctx, "mariadb", append(append([]string{"--no-defaults", "--skip-column-names", "--batch"}, args...), "-e", statement)...)
	out, _ := cmd.CombinedOutput()
	return strings.TrimSpace(string(out))
}

// at are the client's arguments to reach an address.
func at(addr string) []string {
	host, port, _ := net.SplitHostPort(addr)
	return []string{"--protocol=tcp", "--host=" + host, "--port=" + port}
}

// as are the client's arguments for an account.
func as(a clusterlab.Account) []string {
	return []string{"--user=" + a.User, "--password=" + a.Password}
}

// php runs a script and gives what it said.
func php(t *testing.T, script string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(site.ctx, "php", append([]string{"-d", "display_errors=1", "-r", script, "--"}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run()
	return strings.TrimSpace(out.String())
}

// join puts argument lists together.
func join(lists ...[]string) (all []string) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
