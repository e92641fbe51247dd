package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/hashicorp/go-hclog"
	acmez "github.com/mholt/acmez/v3/acme"

	"galley/config"
	"galley/proxy"
)

// acme has certificates signed by an authority and renewed (RFC 8555), by certmagic. It answers the challenges http-01 and tls-alpn-01 at galley's own doors.
type acme struct {
	log   hclog.Logger
	conf  config.ACME
	roots *x509.CertPool // Of the directory; nil for the system's.

	live atomic.Pointer[live] // Nil before Run.

	mu    sync.Mutex
	hosts map[string]*wanted
}

// live is what certmagic has while it runs.
type live struct {
	//nolint:containedctx // what hosts run under that a reload brings
	ctx    context.Context
	cache  *certmagic.Cache
	conf   *certmagic.Config
	issuer *certmagic.ACMEIssuer
}

// wanted is a host that is to have a certificate.
type wanted struct {
	stop context.CancelFunc // Nil while nobody works on it.
	err  string             // What went wrong the last time; empty for nothing.
}

// protoChallenge is by what an authority asks for the proof of tls-alpn-01 (RFC 8737, section 6.2).
const protoChallenge = "acme-tls/1"

func newACME(c *config.ACME, log hclog.Logger) (*acme, error) {
	files, err := proxy.Files{CA: c.CAFile}.Load()
	if err != nil {
		return nil, err
	}
	return &acme{log: log, conf: *c, roots: files.CA, hosts: map[string]*wanted{}}, nil
}

// Directory is the address of an authority.
func Directory(c *config.ACME) string {
	switch c.Directory {
	case config.ACMELetsEncrypt:
		return certmagic.LetsEncryptProductionCA
	case config.ACMEStaging:
		return certmagic.LetsEncryptStagingCA
	}
	return c.Directory
}

// Run has certificates made until ctx ends. The addresses are those of the doors for HTTP and HTTPS, at which challenges are answered; empty for none.
func (s *Certs) Run(ctx context.Context, plain, secure string) {
	if s.acme != nil {
		s.acme.run(ctx, plain, secure)
	}
}

// storageRetry is how long after a storage that cannot be written it is tried again.
const storageRetry = time.Minute

func (a *acme) run(ctx context.Context, plain, secure string) {
	l := a.start(ctx, plain, secure)
	defer l.cache.Stop()
	a.live.Store(l)
	retry := time.NewTicker(storageRetry)
	defer retry.Stop()
	for {
		a.work()
		select {
		case <-ctx.Done():
			return
		case <-retry.C:
		}
	}
}

// start sets certmagic up. It would listen itself where galley does not, so it is told of galley's own ports, and of those only.
func (a *acme) start(ctx context.Context, plain, secure string) *live {
	l := &live{ctx: ctx}
	log := zapTo(a.log)
	l.cache = certmagic.NewCache(certmagic.CacheOptions{Logger: log, GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return l.conf, nil }})
	l.conf = certmagic.New(l.cache, certmagic.Config{Storage: &certmagic.FileStorage{Path: a.conf.Storage}, Logger: log, OnEvent: a.event})
	host, http := split(plain)
	other, alpn := split(secure)
	if plain == "" {
		host = other
	}
	l.issuer = certmagic.NewACMEIssuer(l.conf, certmagic.ACMEIssuer{
		CA: Directory(&a.conf), Email: a.conf.Email, Agreed: a.conf.Agree, TrustedRoots: a.roots, ListenHost: host, AltHTTPPort: http, AltTLSALPNPort: alpn,
		DisableHTTPChallenge: plain == "", DisableTLSALPNChallenge: secure == "", Logger: log, ExternalAccount: binding(&a.conf),
	})
	l.conf.Issuers = []certmagic.Issuer{l.issuer}
	return l
}

// binding is that of the account to another one that the operator has with the authority; nil for none.
func binding(c *config.ACME) *acmez.EAB {
	if c.EABKeyID == "" {
		return nil
	}
	return &acmez.EAB{KeyID: c.EABKeyID, MACKey: c.EABMACKey.Reveal()}
}

func split(addr string) (host string, port int) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0
	}
	port, _ = strconv.Atoi(text)
	return host, port
}

// set says which hosts are to have certificates from now on. Those for which there was none in the end are tried again at once.
func (a *acme) set(hosts []string) {
	a.mu.Lock()
	next := make(map[string]*wanted, len(hosts))
	for _, host := range hosts {
		w := a.hosts[host]
		if w == nil || w.err != "" {
			w.end()
			w = &wanted{}
		}
		next[host] = w
	}
	for host, w := range a.hosts {
		if next[host] == nil {
			w.end()
			if l := a.live.Load(); l != nil {
				l.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: host}})
			}
		}
	}
	a.hosts = next
	a.mu.Unlock()
	a.work()
}

// end ends the work on a host, if there is any. The lock is held.
func (w *wanted) end() {
	if w != nil && w.stop != nil {
		w.stop()
	}
}

// work begins with the hosts on which nobody works yet.
func (a *acme) work() {
	l := a.live.Load()
	if l == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var storage error
	for host, w := range a.hosts {
		if w.stop != nil {
			continue
		}
		if storage == nil {
			storage = writable(a.conf.Storage)
		}
		if storage != nil {
			if w.err == "" {
				a.log.Error("certificates cannot be stored, so none is asked for", "host", host, "error", storage)
			}
			w.err = storage.Error()
			continue
		}
		w.err = ""
		var ctx context.Context
		ctx, w.stop = context.WithCancel(l.ctx)
		if err := l.conf.ManageAsync(ctx, []string{host}); err != nil {
			w.err = err.Error()
		}
	}
}

// writable says why nothing can be put into a directory, which it makes.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".galley")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// event notes what certmagic tells of a host.
func (a *acme) event(_ context.Context, event string, data map[string]any) error {
	host, _ := data["identifier"].(string)
	failed := ""
	switch event {
	case "cert_obtained":
		a.log.Info("there is a certificate", "host", host, "renewed", data["renewal"])
	case "cert_failed":
		err, _ := data["error"].(error)
		failed = strings.Join(strings.Fields(fmt.Sprint(err)), " ")
		a.log.Error("no certificate: it will be tried again", "host", host, "authority", Directory(&a.conf), "error", failed, "do", Advice(failed))
	default:
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if w := a.hosts[host]; w != nil {
		w.err = failed
	}
	return nil
}

// certificate is a host's; nil while there is none.
func (a *acme) certificate(hello *tls.ClientHelloInfo) *tls.Certificate {
	l := a.live.Load()
	if l == nil {
		return nil
	}
	cert, err := l.conf.GetCertificate(hello)
	if err != nil || len(cert.Certificate) == 0 {
		return nil
	}
	return cert
}

// challenge is the certificate that proves to an authority that a name leads here. Who asks for another name is not worth a look into the storage, or a line in the log.
func (a *acme) challenge(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	l := a.live.Load()
	if l == nil || !a.wants(nameOf(hello)) {
		return nil, ErrNone
	}
	return l.conf.GetCertificate(hello)
}

// Solve answers a request by which an authority asks for a proof. It is false for any other, which is the site's.
func (s *Certs) Solve(w http.ResponseWriter, r *http.Request, host string) bool {
	if s.acme == nil || !certmagic.LooksLikeHTTPChallenge(r) {
		return false
	}
	l := s.acme.live.Load()
	return l != nil && s.acme.wants(host) && l.issuer.HandleHTTPChallenge(w, r)
}

func (a *acme) wants(host string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.hosts[host] != nil
}

// snapshot is a host's certificate as it is.
func (a *acme) snapshot(host string, now time.Time) Certificate {
	c := Certificate{Hosts: []string{host}, Source: FromACME}
	a.mu.Lock()
	if w := a.hosts[host]; w != nil {
		c.Error = w.err
	}
	a.mu.Unlock()
	if l := a.live.Load(); l != nil {
		for _, cert := range l.cache.AllMatchingCertificates(host) {
			if cert.Leaf != nil && cert.Leaf.NotAfter.After(c.Until) {
				c.Until = cert.Leaf.NotAfter
			}
		}
	}
	c.Severe = c.Until.Before(now) && c.Error != ""
	return c
}

// largestDirectory is more than a directory takes (RFC 8555, section 7.1.1).
const largestDirectory = 64 << 10

// Reach says why an authority cannot be asked for certificates: its directory is not there, or is none.
func Reach(ctx context.Context, c *config.ACME) error {
	files, err := proxy.Files{CA: c.CAFile}.Load()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, Directory(c), http.NoBody)
	if err != nil {
		return err
	}
	tr := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: files.CA}}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var directory struct {
		NewOrder string `json:"newOrder"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, largestDirectory)).Decode(&directory); err != nil || directory.NewOrder == "" {
		return fmt.Errorf("it answers %s, which is no directory of ACME", resp.Status)
	}
	return nil
}
