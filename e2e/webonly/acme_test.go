//go:build e2e

package webonly

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// authority is Pebble, the ACME server for tests by the makers of Let's Encrypt, with a DNS of its own in which every name is this machine.
type authority struct {
	dns, addr, manage, ca string
	keys                  string  // What accounts have to be bound by, as Pebble's configuration has it; empty for nothing.
	web                   *galley // Where it looks for proofs.
}

func newAuthority(t *testing.T, g *galley) *authority {
	t.Helper()
	a := &authority{dns: freeAddr(t), addr: freeAddr(t), manage: freeAddr(t), web: g}
	a.ca, _ = certificate(t, "localhost")
	return a
}

// start runs it. The kind of challenge that is not wanted is looked for where nobody listens.
func (a *authority) start(t *testing.T, challenge string) *process {
	t.Helper()
	dir := filepath.Dir(os.Getenv("E2E_PEBBLE"))
	begin(t, "dns", nil, filepath.Join(dir, "pebble-challtestsrv"), "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dnsserver", a.dns, "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-management", freeAddr(t))
	httpPort, tlsPort := port(a.web.http), "1"
	if challenge == "tls-alpn-01" {
		httpPort, tlsPort = "1", port(a.web.https)
	}
	conf := fmt.Sprintf(`{"pebble": {"listenAddress": %q, "managementListenAddress": %q, "certificate": %q, "privateKey": %q, "httpPort": %s, "tlsPort": %s, "ocspResponderURL": "", "externalAccountBindingRequired": %t,
		"externalAccountMACKeys": {%s}, "retryAfter": {"authz": 1, "order": 1}}}`, a.addr, a.manage, a.ca, a.ca, httpPort, tlsPort, a.keys != "", a.keys)
	file := filepath.Join(t.TempDir(), "pebble.json")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	p := begin(t, "pebble", []string{"PEBBLE_VA_NOSLEEP=1"}, os.Getenv("E2E_PEBBLE"), "-config", file, "-dnsserver", a.dns)
	eventually(t, "the authority is there", func() error {
		_, err := a.roots(t)
		return err
	})
	return p
}

// roots are by whom it signs.
func (a *authority) roots(t *testing.T) (*x509.CertPool, error) {
	t.Helper()
	own := x509.NewCertPool()
	text, err := os.ReadFile(a.ca)
	if err != nil || !own.AppendCertsFromPEM(text) {
		return nil, errors.New("no certificate")
	}
	tr := &http.Transport{DisableKeepAlives: true, TLSClientConfig: tlsTo(own)}
	resp, err := (&http.Client{Transport: tr}).Get("https://" + a.manage + "/roots/0")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("no root: %w", err)
	}
	return pool, nil
}

// certificates are those of /api/status.
type certificates struct {
	Web struct {
		Certificates []struct {
			Hosts  []string
			Source string
			Until  *string
			Error  string
			Severe bool
		}
	}
	Problems []struct{ Text, Do string }
}

// TestACME: galley starts while the authority is not there, serves what it has and says what is wrong; gets certificates when it is, by each kind of challenge, and for a site
// that comes by a reload; and needs no authority to start again.
func TestACME(t *testing.T) {
	if os.Getenv("E2E_PEBBLE") == "" {
		t.Skip("E2E_PEBBLE is not set: make acme")
	}
	for _, challenge := range []string{"http-01", "tls-alpn-01"} {
		t.Run(challenge, func(t *testing.T) { testACME(t, challenge) })
	}
}

func testACME(t *testing.T, challenge string) {
	t.Helper()
	own, ownRoots := certificate(t, "own.test")
	storage := filepath.Join(t.TempDir(), "acme")
	g := &galley{file: filepath.Join(t.TempDir(), "galley.yaml"), http: freeAddr(t), https: freeAddr(t), admin: freeAddr(t)}
	a := newAuthority(t, g)
	web := func(sites string) string {
		return fmt.Sprintf("  tls: {listen: HTTPS}\n  acme: {agree: true, email: admin@shop.test, directory: \"https://%s/dir\", ca_file: %q, storage: %q}\n  sites:\n    - {hosts: [own.test], root: %q, cert_file: %q}\n%s",
			a.addr, a.ca, storage, site(t, "own"), own, sites)
	}
	shop := fmt.Sprintf("    - {hosts: [shop.test, www.shop.test], root: %q, redirect_to_https: true}\n", site(t, "shop"))
	g.configure(t, web(shop))
	g.start(t)
	if body, _, err := g.get(t, "own.test", ownRoots); body != "own" {
		t.Errorf("a site with a certificate of its own: %q, %v", body, err)
	}
	if _, _, err := g.get(t, "shop.test", nil); err == nil {
		t.Error("a certificate without an authority")
	}
	eventually(t, "what is wrong is told", func() error {
		var s certificates
		g.status(t, &s)
		if len(s.Web.Certificates) != 3 || !s.Web.Certificates[1].Severe || !strings.Contains(s.Web.Certificates[1].Error, "connection refused") || len(s.Problems) == 0 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	checks := func(want string) {
		t.Helper()
		out, err := exec.Command(suite.galley, "check", "-c", g.file).CombinedOutput()
		if (err != nil) != (want != "") || !strings.Contains(string(out), want) {
			t.Errorf("galley check: %v\n%s", err, out)
		}
	}
	checks("connection refused")

	pebble := a.start(t, challenge)
	roots, err := a.roots(t)
	if err != nil {
		t.Fatal(err)
	}
	served := func(host, want string) {
		t.Helper()
		eventually(t, host+" has a certificate", func() error {
			body, _, err := g.get(t, host, roots)
			if err == nil && body != want {
				err = errors.New(body)
			}
			return err
		})
	}
	_ = g.cmd.Process.Signal(syscall.SIGHUP) // So that it is tried at once.
	served("shop.test", "shop")
	served("www.shop.test", "shop")
	checks("")
	g.configure(t, web(shop+fmt.Sprintf("    - {hosts: [late.test], root: %q}\n", site(t, "late"))))
	_ = g.cmd.Process.Signal(syscall.SIGHUP)
	served("late.test", "late")

	pebble.end()
	before := serial(t, g, roots)
	g.end()
	g.start(t)
	served("shop.test", "shop")
	served("late.test", "late")
	if after := serial(t, g, roots); after != before {
		t.Error("another certificate, although the one before was good")
	}
	var s certificates
	g.status(t, &s)
	for _, c := range s.Web.Certificates {
		if c.Error != "" || c.Until == nil {
			t.Errorf("%+v", c)
		}
	}
}

// TestACMEBinding: an authority that binds accounts says so, and galley says what to do; with the key, in a file of its own, there is a certificate.
func TestACMEBinding(t *testing.T) {
	if os.Getenv("E2E_PEBBLE") == "" {
		t.Skip("E2E_PEBBLE is not set: make acme")
	}
	const mac = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	g := &galley{file: filepath.Join(t.TempDir(), "galley.yaml"), http: freeAddr(t), https: freeAddr(t), admin: freeAddr(t)}
	a := newAuthority(t, g)
	a.keys = `"kid-1": "` + mac + `"`
	a.start(t, "http-01")
	roots, err := a.roots(t)
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "mac")
	if err := os.WriteFile(secret, []byte(mac+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, storage := site(t, "shop"), filepath.Join(t.TempDir(), "acme")
	web := func(hosts, binding string) string {
		return fmt.Sprintf("  tls: {listen: HTTPS}\n  acme: {agree: true, directory: \"https://%s/dir\", ca_file: %q, storage: %q%s}\n  sites:\n    - {hosts: [%s], root: %q}\n", a.addr, a.ca, storage, binding, hosts, root)
	}
	told := func(want string) {
		t.Helper()
		eventually(t, "galley tells of "+want, func() error {
			var s certificates
			g.status(t, &s)
			for _, p := range s.Problems {
				if strings.Contains(p.Text+" "+p.Do, want) {
					return nil
				}
			}
			return fmt.Errorf("%+v", s)
		})
	}
	g.configure(t, web("shop.test", ""))
	g.start(t)
	told("web.acme.eab_key_id")
	g.end()
	g.configure(t, web("shop.test", ", eab_key_id: another, eab_mac_key_file: "+secret))
	g.start(t)
	told("does not know the key")
	g.end()
	g.configure(t, web("shop.test", ", eab_key_id: kid-1, eab_mac_key_file: "+secret))
	g.start(t)
	eventually(t, "there is a certificate", func() error {
		body, _, err := g.get(t, "shop.test", roots)
		if err == nil && body != "shop" {
			err = errors.New(body)
		}
		return err
	})
	g.configure(t, web("shop.test, '*.shop.test'", ""))
	out, err := exec.Command(suite.galley, "check", "-c", g.file).CombinedOutput()
	if err == nil || !strings.Contains(string(out), `"*.shop.test" can have no certificate by ACME`) {
		t.Errorf("galley check of a name with *: %v\n%s", err, out)
	}
}

// serial is which certificate shop.test has.
func serial(t *testing.T, g *galley, roots *x509.CertPool) string {
	t.Helper()
	_, leaf, err := g.get(t, "shop.test", roots)
	if err != nil {
		t.Fatal(err)
	}
	return leaf.SerialNumber.String()
}
