//go:build e2e

// Package webonly tests galley as a web tier alone, without a cluster: HTTPS with certificates of files and of a certificate authority, HTTP/2 and HTTP/3.
package webonly

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
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
)

// suite is what all tests share.
var suite struct{ dir, galley string }

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, m)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, m *testing.M) int {
	dir, err := os.MkdirTemp("", "galley-webonly-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	suite.dir = dir
	if suite.galley, err = child.Binary(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// process is a program that a test runs.
type process struct {
	cmd  *exec.Cmd
	log  string // A file.
	done chan struct{}
}

// begin starts a program, which ends with the test.
func begin(t *testing.T, name string, env []string, argv ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), log: filepath.Join(t.TempDir(), name+".log"), done: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = log, log, append(os.Environ(), env...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("what %s said:\n%s", name, p.said())
		}
	})
	return p
}

// end stops a program as an operator does, and waits for it.
func (p *process) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

func (p *process) said() string {
	text, _ := os.ReadFile(p.log)
	return string(text)
}

// galley is a running one, web-only.
type galley struct {
	*process

	file, http, https, admin string
}

// serve starts galley. web is its section of the configuration below the listening addresses.
func serve(t *testing.T, web string) *galley {
	t.Helper()
	g := &galley{file: filepath.Join(t.TempDir(), "galley.yaml"), http: freeAddr(t), https: freeAddr(t), admin: freeAddr(t)}
	g.configure(t, web)
	g.start(t)
	return g
}

func (g *galley) configure(t *testing.T, web string) {
	t.Helper()
	text := fmt.Sprintf("admin: {listen: %q}\nlog: {level: debug}\nweb:\n  listen: %q\n%s", g.admin, g.http, strings.ReplaceAll(web, "HTTPS", g.https))
	if err := os.WriteFile(g.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start starts galley with the configuration that is there.
func (g *galley) start(t *testing.T) {
	t.Helper()
	g.process = begin(t, "galley", nil, suite.galley, "serve", "-c", g.file)
	eventually(t, "galley is ready", func() error { return child.Answers(t.Context(), g.admin, "/healthz") })
}

// status gives a part of /api/status.
func (g *galley) status(t *testing.T, into any) {
	t.Helper()
	resp, err := http.Get("http://" + g.admin + "/api/status")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("not within a minute: %s: %v", what, err)
		}
	}
}

// freeAddr is one where nobody listens, by TCP or by UDP; it is the test's until it ends.
func freeAddr(t *testing.T) string {
	t.Helper()
	for {
		a, err := clusterlab.ClaimAddrs()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Release)
		u, err := net.ListenPacket("udp", a.Addr(0))
		if err == nil {
			_ = u.Close()
			return a.Addr(0)
		}
	}
}

func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// certificate makes one for names that signs itself, with its key in the same file.
func certificate(t *testing.T, names ...string) (path string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(60 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	path = filepath.Join(t.TempDir(), "both.pem")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return path, pool
}

// site makes a root with a page.
func site(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// get asks for a page of a host by TLS, believing roots only.
func (g *galley) get(t *testing.T, host string, roots *x509.CertPool) (body string, leaf *x509.Certificate, err error) {
	t.Helper()
	tr := &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: host},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", g.https)
		},
	}
	resp, err := (&http.Client{Transport: tr, Timeout: 30 * time.Second}).Get("https://" + host + "/")
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), resp.TLS.PeerCertificates[0], err
}
