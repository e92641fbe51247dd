package proxy

import (
	"bytes"
	"crypto/tls"
	"crypto/x509/pkix"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"galley/config"
	"galley/proxy/proxytest"
)

// shake does a TLS handshake and one exchange between both ends.
func shake(t *testing.T, client, server *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // A pipe does not do: at a failure both ends write.
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	served := make(chan error, 1)
	go func() {
		s := tls.Server(far, server)
		_, err := s.Write([]byte("x"))
		served <- err
		_ = far.Close()
	}()
	c := tls.Client(near, client)
	_, err = c.Read(make([]byte, 1))
	_ = near.Close()
	if other := <-served; err == nil {
		err = other
	}
	return c.ConnectionState(), err
}

// named is the usual authority and a name.
func named(name string) pkix.Name { return pkix.Name{CommonName: name} }

// TestReload replaces the files of a server: good ones are used within a second, bad ones are logged and change nothing.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		ca := proxytest.NewAuthority(t, dir, named("ca"))
		files := ca.Issue(t, dir, "server", proxytest.Wish{Subject: named("first")})
		var log bytes.Buffer
		server, err := NewServerTLS(config.ServerTLS{CertFile: files.Cert, KeyFile: files.Key}, hclog.New(&hclog.LoggerOptions{Output: &log}))
		if err != nil {
			t.Fatal(err)
		}
		presented := func() string {
			t.Helper()
			s, err := shake(t, &tls.Config{RootCAs: ca.Pool, ServerName: "localhost"}, server.Config())
			if err != nil {
				t.Fatal(err)
			}
			return s.PeerCertificates[0].Subject.CommonName
		}
		expect := func(want, logged string) {
			t.Helper()
			if got := presented(); got != want {
				t.Errorf("it shows %s, want %s", got, want)
			}
			if !strings.Contains(log.String(), logged) {
				t.Errorf("the log lacks %q: %s", logged, log.String())
			}
			log.Reset()
		}
		expect("first", "")
		ca.Issue(t, dir, "server", proxytest.Wish{Subject: named("second")})
		expect("first", "")
		time.Sleep(lookEvery)
		expect("second", "changed TLS files are in use")

		other := ca.Issue(t, t.TempDir(), "other", proxytest.Wish{Subject: named("other")})
		key, err := os.ReadFile(other.Key)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(files.Key, key, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookEvery)
		expect("second", "private key does not match public key")
		time.Sleep(lookEvery)
		expect("second", "")
		if log.Len() > 0 {
			t.Errorf("told again: %s", log.String())
		}
		ca.Issue(t, dir, "server", proxytest.Wish{Subject: named("third"), Until: time.Now().Add(time.Hour)})
		time.Sleep(lookEvery)
		expect("third", "expires on")
		if err := os.Remove(files.Cert); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookEvery)
		expect("third", "no such file")
	})
}

func TestServerTLSModes(t *testing.T) {
	dir := t.TempDir()
	ca := proxytest.NewAuthority(t, dir, named("ca"))
	pair := ca.Issue(t, dir, "server", proxytest.Wish{Subject: named("server")})
	tests := []struct {
		name              string
		conf              config.ServerTLS
		offered, required bool
		err               string
	}{
		{"nothing", config.ServerTLS{}, false, false, ""},
		{"a certificate", config.ServerTLS{CertFile: pair.Cert, KeyFile: pair.Key}, true, false, ""},
		{"off", config.ServerTLS{Mode: config.TLSOff, CertFile: "/nowhere"}, false, false, ""},
		{"required", config.ServerTLS{Mode: config.TLSRequired, CertFile: pair.Cert, KeyFile: pair.Key, CAFile: ca.File}, true, true, ""},
		{"no file", config.ServerTLS{CertFile: filepath.Join(dir, "none")}, false, false, "none"},
		{"no key", config.ServerTLS{CertFile: pair.Cert}, false, false, "with key " + pair.Cert},
		{"no authority", config.ServerTLS{CertFile: pair.Cert, KeyFile: pair.Key, CAFile: pair.Key}, false, false, "no certificate in " + pair.Key},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := NewServerTLS(test.conf, hclog.NewNullLogger())
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || s.Required() != test.required || (s.Config() != nil) != test.offered {
				t.Errorf("%v, required %t, offered %t", err, s.Required(), s.Config() != nil)
			}
			if bad := s.Set(config.ServerTLS{CertFile: "/nowhere"}); bad == nil || s.Required() != test.required || (s.Config() != nil) != test.offered {
				t.Errorf("after a configuration that cannot be: %v, required %t, offered %t", bad, s.Required(), s.Config() != nil)
			}
		})
	}
	var none *ServerTLS
	if none.Config() != nil || none.Required() {
		t.Error("none is something")
	}
}

func TestClientTLSModes(t *testing.T) {
	dir := t.TempDir()
	ca, stranger := proxytest.NewAuthority(t, dir, named("ca")), proxytest.NewAuthority(t, dir, named("stranger"))
	right := ca.Issue(t, dir, "right", proxytest.Wish{Subject: named("right")})
	foreign := stranger.Issue(t, dir, "foreign", proxytest.Wish{Subject: named("foreign")})
	const here, elsewhere, socket = "127.0.0.1:3306", "127.0.0.2:3306", "unix:/run/s"
	tests := []struct {
		name, addr string
		conf       config.ClientTLS
		server     proxytest.Pair
		must       bool
		err        string
	}{
		{"preferred", here, config.ClientTLS{Mode: config.TLSPreferred}, foreign, false, ""},
		{"required", here, config.ClientTLS{Mode: config.TLSRequired}, foreign, true, ""},
		{"of the authority", elsewhere, config.ClientTLS{Mode: config.TLSVerifyCA, CAFile: ca.File}, right, true, ""},
		{"of another authority", here, config.ClientTLS{Mode: config.TLSVerifyCA, CAFile: ca.File}, foreign, true, "unknown authority"},
		{"of none that the system knows", here, config.ClientTLS{Mode: config.TLSVerifyCA}, right, true, "unknown authority"},
		{"its own", here, config.ClientTLS{Mode: config.TLSVerifyIdentity, CAFile: ca.File}, right, true, ""},
		{"not its own", elsewhere, config.ClientTLS{Mode: config.TLSVerifyIdentity, CAFile: ca.File}, right, true, "127.0.0.2"},
		{"by a name", elsewhere, config.ClientTLS{Mode: config.TLSVerifyIdentity, CAFile: ca.File, ServerName: "localhost"}, right, true, ""},
		{"by another name", here, config.ClientTLS{Mode: config.TLSVerifyIdentity, CAFile: ca.File, ServerName: "db"}, right, true, "not db"},
		{"over a socket", socket, config.ClientTLS{Mode: config.TLSVerifyIdentity, CAFile: ca.File}, right, true, ""},
		{"over a socket, of another authority", socket, config.ClientTLS{Mode: config.TLSVerifyIdentity, CAFile: ca.File}, foreign, true, "unknown authority"},
		{"with a certificate", here, config.ClientTLS{Mode: config.TLSRequired, CertFile: right.Cert, KeyFile: right.Key}, right, true, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := NewClientTLS(test.conf, hclog.NewNullLogger())
			if err != nil {
				t.Fatal(err)
			}
			conf, must := c.For(test.addr)
			if must != test.must {
				t.Errorf("must is %t", must)
			}
			server := &tls.Config{Certificates: []tls.Certificate{test.server.Load(t)}, ClientCAs: ca.Pool, ClientAuth: tls.VerifyClientCertIfGiven}
			for round := range 2 { // The second one may resume the first.
				_, err = shake(t, conf, server)
				if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
					t.Errorf("round %d: %v, want %q", round, err, test.err)
				}
			}
		})
	}
	off, err := NewClientTLS(config.ClientTLS{Mode: config.TLSOff, CAFile: "/nowhere"}, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*ClientTLS{nil, off} {
		if conf, must := c.For(here); conf != nil || must {
			t.Error("TLS although it is off")
		}
	}
}

// TestResumedConnectionsAreVerified holds that a TLS session of before does not outlive the authority it was verified by.
func TestResumedConnectionsAreVerified(t *testing.T) {
	dir := t.TempDir()
	ca, next := proxytest.NewAuthority(t, dir, named("ca")), proxytest.NewAuthority(t, dir, named("next"))
	server := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, dir, "s", proxytest.Wish{Subject: named("s")}).Load(t)}}
	c, err := NewClientTLS(config.ClientTLS{Mode: config.TLSVerifyCA, CAFile: ca.File}, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	resumed := false
	for range 3 {
		conf, _ := c.For("127.0.0.1:3306")
		s, err := shake(t, conf, server)
		if err != nil {
			t.Fatal(err)
		}
		resumed = resumed || s.DidResume
	}
	if !resumed {
		t.Error("no connection was resumed")
	}
	if err := c.Set(config.ClientTLS{Mode: config.TLSVerifyCA, CAFile: next.File}); err != nil {
		t.Fatal(err)
	}
	conf, _ := c.For("127.0.0.1:3306")
	if _, err := shake(t, conf, server); err == nil {
		t.Error("connected to a server of an authority that is not trusted any more")
	}
}

func TestValidity(t *testing.T) {
	dir := t.TempDir()
	ca := proxytest.NewAuthority(t, dir, named("ca"))
	now := time.Now()
	for _, test := range []struct {
		until  time.Time
		want   string
		severe bool
	}{{now.Add(-time.Minute), "expired on", true}, {now.Add(time.Hour), "expires on", false}, {now.Add(soon + time.Hour), "", false}} {
		p := ca.Issue(t, dir, "x", proxytest.Wish{Subject: named("x"), Until: test.until})
		l, err := Files{Cert: p.Cert, Key: p.Key}.Load()
		if err != nil {
			t.Fatal(err)
		}
		severe, err := l.Validity(now)
		if severe != test.severe || (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("until %s: %t, %v", test.until, severe, err)
		}
		if severe, err := l.Validity(now.Add(-30 * 24 * time.Hour)); !severe || err == nil || !strings.Contains(err.Error(), "valid from") {
			t.Errorf("before its time: %t, %v", severe, err)
		}
	}
}
