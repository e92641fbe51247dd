//go:build e2e

package door

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"

	"galley/cluster/clusterlab"
	"galley/proxy/proxytest"
)

// secured makes galley's certificate, and gives the configuration that uses it.
func secured(t *testing.T, more string) (text string, ca *proxytest.Authority, dir string) {
	t.Helper()
	dir = t.TempDir()
	ca = proxytest.NewAuthority(t, dir, pkix.Name{CommonName: "authority"})
	pair := ca.Issue(t, dir, "front", proxytest.Wish{Subject: pkix.Name{CommonName: "first"}})
	return fmt.Sprintf("tls: {cert_file: %s, key_file: %s, ca_file: %s%s}", pair.Cert, pair.Key, site.clients.File, more), ca, dir
}

// toNodes is the configuration of TLS towards the nodes.
func toNodes(mode string) string {
	return fmt.Sprintf("tls: {mode: %s, ca_file: %s, cert_file: %s, key_file: %s}", mode, site.nodes.File, site.client.Cert, site.client.Key)
}

// TestRequire has accounts with REQUIRE log in directly and through galley, by each kind of connection: both say the same.
func TestRequire(t *testing.T) {
	front, ca, _ := secured(t, "")
	g := serve(t, front, toNodes("verify_identity"))
	const subject, issuer = `/C=SE/O=A\\/B \\+ J\\xC3\\xBCrgen/CN=client`, "/C=SE/CN=clients"
	for user, require := range map[string]string{
		"r_none": "NONE", "r_ssl": "SSL", "r_x509": "X509", "r_subject": "SUBJECT '" + subject + "'", "r_issuer": "ISSUER '" + issuer + "'",
		"r_both": "SUBJECT '" + subject + "' AND ISSUER '" + issuer + "'", "r_other": "SUBJECT '/CN=other'", "r_cipher": "CIPHER 'TLS_AES_128_GCM_SHA256'",
		"r_gone": "CIPHER 'ECDHE-RSA-AES128-SHA'",
	} {
		root(t, fmt.Sprintf("CREATE OR REPLACE USER '%s'@'%%' IDENTIFIED BY 'pw' REQUIRE %s", user, require))
		for kind, args := range map[string][]string{
			"plain": {"--skip-ssl"}, "TLS": {"--ssl"}, "certificate": {"--ssl", "--ssl-cert=" + site.client.Cert, "--ssl-key=" + site.client.Key},
			"TLS 1.2":        {"--ssl", "--tls-version=TLSv1.2", "--ssl-cert=" + site.client.Cert, "--ssl-key=" + site.client.Key},
			"wrong password": {"--ssl", "--password=no"},
		} {
			account := as(clusterlab.Account{User: user, Password: "pw"})
			direct := cli("SELECT CURRENT_USER()", join(at(site.lab.Nodes()[0].Addr()), account, args)...)
			through := cli("SELECT CURRENT_USER()", join(at(g.addr), account, []string{"--ssl-ca=" + ca.File}, args)...)
			if user == "r_cipher" && strings.Contains(direct, "denied") != strings.Contains(through, "denied") {
				t.Logf("%s by %s: the two ends agree on another cipher than galley: directly %q, through galley %q", user, kind, direct, through)
				continue
			}
			if direct != through && strings.TrimPrefix(direct, "ERROR 1045 (28000): ") != strings.TrimPrefix(through, "ERROR 1045 (28000): ") {
				t.Errorf("%s by %s: directly %q, through galley %q", user, kind, direct, through)
			}
		}
	}
}

// TestVerified has the mariadb client verify galley's certificate.
func TestVerified(t *testing.T) {
	front, ca, _ := secured(t, ", mode: required")
	g := serve(t, front, "")
	app := as(site.lab.App())
	if out := cli("STATUS", join(at(g.addr), app, []string{"--ssl-ca=" + ca.File, "--ssl-verify-server-cert"})...); !strings.Contains(out, "Cipher in use is TLS_") {
		t.Errorf("%s", out)
	}
	if out := cli("SELECT 1", join(at(g.addr), app, []string{"--ssl-ca=" + site.nodes.File, "--ssl-verify-server-cert"})...); !strings.Contains(out, "certificate") {
		t.Errorf("with another authority: %s", out)
	}
	plain := cli("SELECT 1", join(at(g.addr), app, []string{"--skip-ssl"})...)
	if out := cli("SELECT 1", join([]string{"--socket=" + g.socket}, app, []string{"--skip-ssl"})...); out != "1" {
		t.Errorf("by the socket: %s", out)
	}
	if !strings.Contains(plain, "ERROR 3159 (HY000): Connections using insecure transport are prohibited while --require_secure_transport=ON.") {
		t.Errorf("in plain: %s", plain)
	}
}

func TestDrivers(t *testing.T) {
	front, ca, _ := secured(t, "")
	g := serve(t, front, toNodes("verify_ca"))
	root(t, "CREATE OR REPLACE USER 'r_x509'@'%' IDENTIFIED BY 'pw' REQUIRE X509")
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = "r_x509", "pw", "tcp", g.addr
	cfg.TLS = &tls.Config{RootCAs: ca.Pool, ServerName: "localhost", Certificates: []tls.Certificate{site.client.Load(t)}}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	var user string
	if err := db.QueryRowContext(site.ctx, "SELECT CURRENT_USER()").Scan(&user); err != nil || user != "r_x509@%" {
		t.Errorf("go-sql-driver: %s, %v", user, err)
	}
	host, port := "127.0.0.1", g.addr[strings.LastIndexByte(g.addr, ':')+1:]
	const mysqli = `[, $host, $port, $ca, $cert, $key] = $argv; $m = mysqli_init(); $m->ssl_set($key, $cert, $ca, null, null);
$m->real_connect($host, 'r_x509', 'pw', null, (int)$port, null, MYSQLI_CLIENT_SSL); echo $m->query("SELECT CURRENT_USER()")->fetch_row()[0], ' ', strlen($m->query("SELECT REPEAT('x', 200000)")->fetch_row()[0]);`
	if out := php(t, mysqli, host, port, ca.File, site.client.Cert, site.client.Key); out != "r_x509@% 200000" {
		t.Errorf("mysqli: %s", out)
	}
	const pdo = `[, $host, $port, $ca, $cert, $key] = $argv; $p = new PDO("mysql:host=$host;port=$port", 'r_x509', 'pw', [PDO::MYSQL_ATTR_SSL_CA => $ca, PDO::MYSQL_ATTR_SSL_CERT => $cert,
PDO::MYSQL_ATTR_SSL_KEY => $key]); echo $p->query("SELECT CURRENT_USER()")->fetchColumn();`
	if out := php(t, pdo, host, port, ca.File, site.client.Cert, site.client.Key); out != "r_x509@%" {
		t.Errorf("PDO: %s", out)
	}
	if out := cli("SELECT 1; SELECT LENGTH(REPEAT('x', 300000))", join(at(g.addr), as(site.lab.App()), []string{"--ssl-ca=" + ca.File, "--compress"})...); out != "1\n300000" {
		t.Errorf("the CLI, compressed: %s", out)
	}
}

// TestReload replaces the certificate of a running galley, by a good one and by a bad one.
func TestReload(t *testing.T) {
	front, ca, dir := secured(t, "")
	g := serve(t, front, "")
	shown := func() string {
		cfg := mysql.NewConfig()
		cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = site.lab.App().User, site.lab.App().Password, "tcp", g.addr
		name := ""
		cfg.TLS = &tls.Config{RootCAs: ca.Pool, ServerName: "localhost", VerifyConnection: func(s tls.ConnectionState) error {
			name = s.PeerCertificates[0].Subject.CommonName
			return nil
		}}
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			t.Fatal(err)
		}
		c, err := connector.Connect(site.ctx)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		return name
	}
	if got := shown(); got != "first" {
		t.Fatalf("it shows %s", got)
	}
	held, err := sql.Open("mysql", site.lab.App().User+":"+site.lab.App().Password+"@tcp("+g.addr+")/?tls=skip-verify")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	held.SetMaxOpenConns(1)
	if err := held.Ping(); err != nil {
		t.Fatal(err)
	}
	ca.Issue(t, dir, "front", proxytest.Wish{Subject: pkix.Name{CommonName: "second"}})
	eventually(t, func() error {
		if got := shown(); got != "second" {
			return fmt.Errorf("it still shows %s", got)
		}
		return nil
	})
	ca.Issue(t, t.TempDir(), "other", proxytest.Wish{Subject: pkix.Name{CommonName: "other"}})
	proxytest.NewAuthority(t, dir, pkix.Name{CommonName: "front"}) // An authority's certificate in place of galley's: its key is another.
	eventually(t, func() error {
		if got := shown(); got != "second" { // A client that comes has the file looked at.
			t.Fatalf("behind a bad file it shows %s", got)
		}
		if !strings.Contains(g.logged(), "cannot be used") {
			return fmt.Errorf("nothing is said of a bad file")
		}
		return nil
	})
	if err := held.Ping(); err != nil {
		t.Errorf("a connection of before: %v", err)
	}
	if out := g.check(); !strings.Contains(out, "mysql.tls cannot be used") {
		t.Errorf("check says nothing of the bad file: %s", out)
	}
	if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if !strings.Contains(g.logged(), "the configuration was not reloaded") {
			return fmt.Errorf("a reload with a bad certificate was accepted")
		}
		return nil
	})
}

// TestNodes looks at the connections to nodes in each mode.
func TestNodes(t *testing.T) {
	cipher := func(g *galley) string {
		return cli("SHOW SESSION STATUS LIKE 'Ssl_cipher'", join(at(g.addr), as(site.lab.App()), []string{"--skip-ssl"})...)
	}
	for _, mode := range []string{"off", "preferred", "required", "verify_ca", "verify_identity"} {
		g := serve(t, "", toNodes(mode))
		out := cipher(g)
		if secure := strings.Contains(out, "TLS_"); secure != (mode != "off") {
			t.Errorf("%s: %q", mode, out)
		}
		if said := g.check(); !strings.Contains(said, "Galley can serve this") {
			t.Errorf("%s: %s", mode, said)
		}
	}
	addrs := freeAddrs(t)
	g := &galley{file: filepath.Join(t.TempDir(), "galley.yaml"), addr: addrs.Addr(0), admin: addrs.Addr(1), socket: filepath.Join(t.TempDir(), "s")}
	for _, bad := range []string{
		"tls: {mode: verify_ca, ca_file: " + site.clients.File + "}", "tls: {mode: verify_identity, server_name: other, ca_file: " + site.nodes.File + "}",
	} {
		g.configure(t, "", bad)
		if said := g.check(); !strings.Contains(said, "tls failed") || !strings.Contains(said, "cluster.tls asks for more") {
			t.Errorf("%s: %s", bad, said)
		}
	}
	root(t, "CREATE OR REPLACE USER 'r_ssl'@'%' IDENTIFIED BY 'pw' REQUIRE SSL")
	front, ca, _ := secured(t, "")
	plain := serve(t, front, "")
	out := cli("SELECT 1", join(at(plain.addr), []string{"--user=r_ssl", "--password=pw", "--ssl-ca=" + ca.File})...)
	if !strings.Contains(out, "cluster.tls.mode is off") {
		t.Errorf("an account that requires TLS of the nodes' side too: %s", out)
	}
}
