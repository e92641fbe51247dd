package mysql

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"galley/cluster"
	"galley/config"
	"galley/proxy"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
	"galley/proxy/proxytest"
)

// secured is a door with TLS, and what its clients need.
type secured struct {
	*door
	conf *tls.Config // Without a certificate of the client's.
	cert tls.Certificate
}

func newSecuredDoor(t *testing.T, mode string) secured {
	t.Helper()
	dir := t.TempDir()
	ca, clients := proxytest.NewAuthority(t, dir, pkix.Name{CommonName: "servers"}), proxytest.NewAuthority(t, dir, pkix.Name{CommonName: "clients"})
	pair := ca.Issue(t, dir, "server", proxytest.Wish{Subject: pkix.Name{CommonName: "galley"}})
	client := clients.Issue(t, dir, "client", proxytest.Wish{Subject: pkix.Name{Organization: []string{"Example"}, CommonName: "client"}})
	d := newSocketDoor(t, 2, func(c *config.MySQL) {
		c.Compression = config.CompressionAny
		c.TLS = config.ServerTLS{Mode: mode, CertFile: pair.Cert, KeyFile: pair.Key, CAFile: clients.File}
	})
	return secured{door: d, conf: &tls.Config{RootCAs: ca.Pool, ServerName: "localhost"}, cert: client.Load(t)}
}

// with is a client's configuration with a certificate.
func (s secured) with(cert tls.Certificate) *tls.Config {
	conf := s.conf.Clone()
	conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil } // Also where it is not of those asked for.
	return conf
}

func TestTLSSession(t *testing.T) {
	s := newSecuredDoor(t, "")
	s.n[1].On("SELECT big", func(c *mysqltest.Conn, _ *mysqltest.Command) error {
		c.Rows([]string{"a"}, []string{strings.Repeat("x", 300_000)})
		return nil
	})
	c := s.client(mysqltest.Login{User: "app", Password: "secret", Schema: "shop", TLS: s.conf})
	c.query("SELECT 1")
	c.query("UPDATE t SET a = '" + strings.Repeat("y", 100_000) + "'")
	if r := c.query("SELECT big"); len(r) < 300_000 {
		t.Errorf("%d bytes", len(r))
	}
	for _, caps := range []wire.Capability{wire.ClientCompress, wire.ClientZstd} {
		c := s.client(mysqltest.Login{User: "app", Password: "secret", TLS: s.conf, Caps: mysqltest.PlainCaps | caps})
		if r := c.query("SELECT big"); len(r) < 300_000 {
			t.Errorf("%d bytes, compressed", len(r))
		}
	}
	s.client().query("SELECT 2") // Plain beside it.
	_, err := s.login(mysqltest.Login{User: "app", Password: "wrong", TLS: s.conf})
	if err == nil || !strings.Contains(err.Error(), "Access denied") {
		t.Errorf("a wrong password: %v", err)
	}
}

// TestInjectedPlaintext holds that what follows a request for TLS in plain is never taken for a packet of the session.
func TestInjectedPlaintext(t *testing.T) {
	s := newSecuredDoor(t, "")
	login := wire.Login{Capability: mysqltest.PlainCaps, User: "nopw", Plugin: pluginNative}
	packet := login.Append([]byte{0, 0, 0, 2})
	n := len(packet) - wire.HeaderLen
	packet[0], packet[1] = byte(n), byte(n>>8)
	_, err := s.login(mysqltest.Login{User: "app", Password: "secret", TLS: s.conf, Injected: packet})
	if err == nil {
		t.Error("logged in")
	}
	s.client().query("SELECT 1")
	for _, row := range s.srv.Sessions(10) {
		if row.User == "nopw" {
			t.Error("the injected login has a session")
		}
	}
}

func TestTLSNotOffered(t *testing.T) {
	d := newDoor(t, 1)
	nc := d.raw()
	c, err := mysqltest.Greet(nc)
	if err != nil {
		t.Fatal(err)
	}
	if c.Greeting.Capability.Has(wire.ClientSSL) {
		t.Error("TLS is offered")
	}
	l := wire.Login{Capability: mysqltest.PlainCaps}
	p := l.AppendSSLRequest([]byte{32, 0, 0, 1})
	go func() { _, _ = nc.Write(p) }()
	answer, _ := io.ReadAll(nc)
	if !strings.Contains(string(answer), "Bad handshake") {
		t.Errorf("%q", answer)
	}
}

func TestTLSRequired(t *testing.T) {
	s := newSecuredDoor(t, config.TLSRequired)
	s.client(mysqltest.Login{User: "app", Password: "secret", TLS: s.conf}).query("SELECT 1")
	_, err := s.login(mysqltest.Login{User: "app", Password: "secret"})
	var refused *wire.ServerError
	if !errors.As(err, &refused) || refused.Code != 3159 || refused.Message != "Connections using insecure transport are prohibited while --require_secure_transport=ON." {
		t.Errorf("plain: %v", err)
	}
	path := filepath.Join(t.TempDir(), "s")
	l, err := proxy.ListenUnix(t.Context(), proxy.Socket{Path: path, Mode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	s.serveOn(l)
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mysqltest.Connect(nc, mysqltest.Login{User: "app", Password: "secret"}); err != nil {
		t.Errorf("by the unix socket: %v", err)
	}
}

// TestRequire has accounts with REQUIRE log in by each kind of connection.
func TestRequire(t *testing.T) {
	s := newSecuredDoor(t, "")
	strange := proxytest.NewAuthority(t, t.TempDir(), pkix.Name{CommonName: "strange"}).Issue(t, t.TempDir(), "x", proxytest.Wish{Subject: pkix.Name{CommonName: "client"}})
	if _, err := s.login(mysqltest.Login{User: "nopw", TLS: s.with(strange.Load(t))}); err == nil {
		t.Error("a client with a certificate of nobody known is let in")
	}
	if _, err := s.login(mysqltest.Login{User: "app", Password: "secret", TLS: s.with(s.cert)}); err != nil {
		t.Errorf("an account that requires nothing: %v", err)
	}
	for user, by := range map[string][3]bool{ // Plain, TLS, TLS with the certificate.
		"any": {false, true, true}, "x509": {false, false, true}, "subject": {false, false, true}, "issuer": {false, false, true},
		"otherissuer": {false, false, false}, "cipher": {false, true, true}, "othercipher": {false, false, false},
	} {
		for i, conf := range []*tls.Config{nil, s.conf, s.with(s.cert)} {
			_, err := s.login(mysqltest.Login{User: user, TLS: conf})
			if err == nil != by[i] {
				t.Errorf("%s, kind %d: %v", user, i, err)
			}
			if err != nil && !strings.Contains(err.Error(), "Access denied for user '"+user+"'@'127.0.0.1' (using password: NO)") && !strings.Contains(err.Error(), "'localhost'") {
				t.Errorf("%s: %v", user, err)
			}
		}
	}
}

func TestMeetsWhatIsNotKnown(t *testing.T) {
	best := transport{tls: true, cert: true, cipher: "c", subject: "s", issuer: "i"}
	if best.meets(&cluster.Account{SSL: cluster.SSLSpecified}) || best.meets(&cluster.Account{SSL: 99}) {
		t.Error("a requirement that galley does not know is met")
	}
}

// TestCipherNames is by `openssl ciphers -stdname`.
func TestCipherNames(t *testing.T) {
	for id, want := range map[uint16]string{
		tls.TLS_AES_128_GCM_SHA256: "TLS_AES_128_GCM_SHA256", tls.TLS_CHACHA20_POLY1305_SHA256: "TLS_CHACHA20_POLY1305_SHA256",
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: "ECDHE-RSA-AES128-GCM-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: "ECDHE-ECDSA-AES256-GCM-SHA384",
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-RSA-CHACHA20-POLY1305", tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: "ECDHE-RSA-AES256-SHA",
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: "ECDHE-ECDSA-AES128-SHA256", tls.TLS_RSA_WITH_AES_128_GCM_SHA256: "AES128-GCM-SHA256",
		tls.TLS_RSA_WITH_AES_256_CBC_SHA: "AES256-SHA", tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA: "DES-CBC3-SHA", tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA: "ECDHE-RSA-DES-CBC3-SHA",
	} {
		if got := cipherName(id); got != want {
			t.Errorf("%s is %s, want %s", tls.CipherSuiteName(id), got, want)
		}
	}
}

// TestOneLine is by OpenSSL 3 itself: php -r 'echo openssl_x509_parse(file_get_contents("x.pem"))["name"];'.
func TestOneLine(t *testing.T) {
	type part struct {
		oid   asn1.ObjectIdentifier
		value string
	}
	raw := func(sets ...[]part) []byte {
		var name []attributeSET
		for _, set := range sets {
			var s attributeSET
			for _, p := range set {
				s = append(s, attribute{Type: p.oid, Value: asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(p.value)}})
			}
			name = append(name, s)
		}
		b, err := asn1.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	cn, o, c := asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{2, 5, 4, 10}, asn1.ObjectIdentifier{2, 5, 4, 6}
	mail, own := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
	for want, in := range map[string][]byte{
		"/C=SE/O=Example/CN=client": raw([]part{{c, "SE"}}, []part{{o, "Example"}}, []part{{cn, "client"}}),
		`/O=A\/B \+ C/CN=a b`:       raw([]part{{o, "A/B + C"}}, []part{{cn, "a b"}}),
		`/CN=J\xC3\xBCrgen\x0A`:     raw([]part{{cn, "Jürgen\n"}}),
		"/CN=a+emailAddress=a@b.c":  raw([]part{{cn, "a"}, {mail, "a@b.c"}}),
		"/1.3.6.1.4.1.99999.1=x":    raw([]part{{own, "x"}}),
		"":                          raw(),
	} {
		if got := oneLine(in); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := oneLine([]byte{0x30, 0x05, 0x01}); got != "" {
		t.Errorf("of nothing sound: %s", got)
	}
}

func FuzzOneLine(f *testing.F) {
	b, _ := asn1.Marshal(pkix.Name{CommonName: "a/b", Organization: []string{"x", "y"}}.ToRDNSequence())
	f.Add(b)
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		line := oneLine(raw)
		if line != "" && line[0] != '/' {
			t.Errorf("%q", line)
		}
		for _, c := range []byte(line) {
			if c < ' ' || c > '~' {
				t.Errorf("%q", line)
			}
		}
	})
}
