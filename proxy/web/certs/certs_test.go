package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509/pkix"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/zap"

	"galley/config"
	"galley/proxy/proxytest"
)

// shown is the name in the certificate that a browser gets that asks for a host.
func shown(t *testing.T, s *Certs, host string) string {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	server := tls.Server(far, s.Config())
	go func() {
		_ = server.Handshake()
		_ = far.Close()
	}()
	c := tls.Client(near, &tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err := c.Handshake(); err != nil {
		return "none"
	}
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func named(name string) proxytest.Wish { return proxytest.Wish{Subject: pkix.Name{CommonName: name}} }

// bench is three sites: two with certificates, one without.
func bench(t *testing.T) (dir string, ca *proxytest.Authority, c config.Web) {
	t.Helper()
	dir = t.TempDir()
	ca = proxytest.NewAuthority(t, dir, pkix.Name{CommonName: "ca"})
	c = config.Default().Web
	c.TLS.Listen = "127.0.0.1:443"
	for i, hosts := range [][]string{{"a.test", "www.a.test"}, {"*.b.test"}, {"c.test"}} {
		one := config.Site{Hosts: hosts}
		if i < 2 {
			name := string(rune('a' + i))
			pair := ca.Issue(t, dir, name, named(name))
			one.CertFile, one.KeyFile = pair.Cert, pair.Key
		}
		c.Sites = append(c.Sites, one)
	}
	return dir, ca, c
}

func TestCertificateOfAName(t *testing.T) {
	dir, ca, c := bench(t)
	s, err := New(&c, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want map[string]string) {
		t.Helper()
		for host, name := range want {
			if got := shown(t, s, host); got != name {
				t.Errorf("%q gets %s, want %s", host, got, name)
			}
		}
	}
	expect(map[string]string{"a.test": "a", "WWW.A.test": "a", "x.b.test": "b", "y.x.b.test": "b", "b.test": "none", "c.test": "none", "d.test": "none", "": "none"})

	all := ca.Issue(t, dir, "all", named("all"))
	c.TLS.CertFile, c.TLS.KeyFile = all.Cert, all.Key
	if err := s.Set(&c); err != nil {
		t.Fatal(err)
	}
	expect(map[string]string{"a.test": "a", "x.b.test": "b", "b.test": "all", "c.test": "all", "d.test": "all", "": "all"})

	// What cannot be used changes nothing.
	bad := c
	bad.Sites = slices.Clone(c.Sites)
	bad.Sites[2].CertFile = filepath.Join(dir, "none.pem")
	if err := s.Set(&bad); err == nil || !strings.Contains(err.Error(), "the site c.test: certificate ") {
		t.Errorf("got %v", err)
	}
	expect(map[string]string{"a.test": "a", "c.test": "all"})
	list := s.Snapshot(time.Now())
	if len(list) != 3 || list[0].Site != "" || list[1].Site != "a.test" || list[2].Source != FromFile || list[1].Until.IsZero() || list[1].Error == "" {
		t.Errorf("got %+v", list)
	}
}

// TestReload: a site's certificate is replaced while it is served.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, ca, c := bench(t)
		s, err := New(&c, hclog.NewNullLogger())
		if err != nil {
			t.Fatal(err)
		}
		ca.Issue(t, dir, "a", named("second"))
		time.Sleep(2 * time.Second)
		if got := shown(t, s, "a.test") + " " + shown(t, s, "x.b.test"); got != "second b" {
			t.Error(got)
		}
	})
}

func TestUncovered(t *testing.T) {
	dir, ca, _ := bench(t)
	cert := ca.Issue(t, dir, "x", named("x")).Load(t)
	if got := Uncovered(cert.Leaf, []string{"localhost", "127.0.0.1", "*", "*.localhost", "a.test"}); !slices.Equal(got, []string{"*.localhost", "a.test"}) {
		t.Error(got)
	}
}

func TestACMEHosts(t *testing.T) {
	sites := []config.Site{{Hosts: []string{"example.com", "*.example.com", "*", "10.0.0.1", "shop.test", "localhost"}}, {Hosts: []string{"own.com"}, CertFile: "x"}}
	w := config.Web{TLS: config.WebTLS{Listen: ":443"}, ACME: config.ACME{Agree: true, Directory: config.ACMELetsEncrypt}, Sites: sites}
	if got := w.ACMEHosts(&sites[0]); !slices.Equal(got, []string{"example.com"}) {
		t.Error(got)
	}
	if got := w.ACMEHosts(&sites[1]); got != nil {
		t.Error(got)
	}
	w.ACME.Directory = "https://ca.test/dir"
	if got := w.ACMEHosts(&sites[0]); !slices.Equal(got, []string{"example.com", "shop.test", "localhost"}) {
		t.Error(got)
	}
}

// TestStorageThatCannotBeWritten: no authority is asked for what could not be kept, and what there is is served.
func TestStorageThatCannotBeWritten(t *testing.T) {
	dir, ca, c := bench(t)
	all := ca.Issue(t, dir, "all", named("all"))
	c.TLS.CertFile, c.TLS.KeyFile = all.Cert, all.Key
	c.ACME = config.ACME{Agree: true, Directory: "https://127.0.0.1:1/dir", Storage: all.Cert}
	var log bytes.Buffer
	s, err := New(&c, hclog.New(&hclog.LoggerOptions{Output: &log}))
	if err != nil {
		t.Fatal(err)
	}
	s.acme.live.Store(s.acme.start(t.Context(), "127.0.0.1:80", "127.0.0.1:443"))
	defer s.acme.live.Load().cache.Stop()
	s.acme.work()
	s.acme.work()
	list := s.Snapshot(time.Now())
	last := list[len(list)-1]
	if last.Source != FromACME || last.Hosts[0] != "c.test" || !last.Severe || !strings.Contains(last.Error, "not a directory") {
		t.Errorf("got %+v", last)
	}
	if n := strings.Count(log.String(), "certificates cannot be stored"); n != 1 {
		t.Errorf("logged %d times: %s", n, log.String())
	}
	if got := shown(t, s, "c.test"); got != "all" {
		t.Error(got)
	}
}

// TestChallengeOfAnotherName: who asks for proofs of names that are not galley's fills no log.
func TestChallengeOfAnotherName(t *testing.T) {
	_, _, c := bench(t)
	c.ACME = config.ACME{Agree: true, Directory: "https://127.0.0.1:1/dir", Storage: t.TempDir()}
	var log bytes.Buffer
	s, err := New(&c, hclog.New(&hclog.LoggerOptions{Output: &log}))
	if err != nil {
		t.Fatal(err)
	}
	s.acme.live.Store(s.acme.start(t.Context(), "127.0.0.1:80", "127.0.0.1:443"))
	defer s.acme.live.Load().cache.Stop()
	near, far := net.Pipe()
	defer far.Close()
	for name, told := range map[string]bool{"a.test": false, "elsewhere.test": false, "": false, "C.test": true} {
		log.Reset()
		_, err := s.certificate(&tls.ClientHelloInfo{ServerName: name, SupportedProtos: []string{protoChallenge}, Conn: near})
		if err == nil || strings.Contains(log.String(), "tls-alpn challenge") != told {
			t.Errorf("%q: %v, logged %s", name, err, log.String())
		}
	}
}

// TestEvents: what certmagic tells is kept for people.
func TestEvents(t *testing.T) {
	_, _, c := bench(t)
	c.ACME = config.ACME{Agree: true, Directory: "https://127.0.0.1:1/dir", Storage: t.TempDir()}
	s, err := New(&c, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	tell := func(event string, data map[string]any) Certificate {
		data["identifier"] = "c.test"
		if err := s.acme.event(t.Context(), event, data); err != nil {
			t.Fatal(err)
		}
		list := s.Snapshot(time.Now())
		return list[len(list)-1]
	}
	if got := tell("cert_obtaining", map[string]any{}); got.Error != "" || got.Severe {
		t.Errorf("got %+v", got)
	}
	if got := tell("cert_failed", map[string]any{"error": errors.New("two\nlines")}); got.Error != "two lines" || !got.Severe {
		t.Errorf("got %+v", got)
	}
	if got := tell("cert_obtained", map[string]any{"renewal": false}); got.Error != "" {
		t.Errorf("got %+v", got)
	}
}

func TestZap(t *testing.T) {
	var log bytes.Buffer
	z := zapTo(hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Debug, DisableTime: true})).With(zap.String("host", "a")).Named("x")
	z.Debug("not this")
	z.Info("obtaining", zap.Int("n", 3))
	z.Error("failed", zap.Error(errors.New("bad")))
	got := log.String()
	if strings.Contains(got, "not this") || !strings.Contains(got, "[DEBUG] obtaining:") || !strings.Contains(got, "n=3") || !strings.Contains(got, "host=a") || !strings.Contains(got, "[WARN]  failed:") || !strings.Contains(got, "error=bad") {
		t.Error(got)
	}
}
