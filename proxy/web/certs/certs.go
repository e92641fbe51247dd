// Package certs says which certificate a browser gets: the one of the site it names, one that an authority signed by ACME, or that of all sites.
//
// It does not speak to browsers and knows no paths: the doors of package web ask it, by a tls.Config.
//
// The one thing to know first: nothing here waits while somebody connects. Files are looked at once a second at most, and certificates by ACME are made in the
// background: until there is one, or while it cannot be renewed, a name is served with what there is.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"galley/config"
	"galley/proxy"
	"galley/proxy/web/site"
)

// Certs are the certificates of all sites. Its methods may be called from any goroutine.
type Certs struct {
	log  hclog.Logger
	acme *acme // Nil without ACME.
	use  atomic.Pointer[settings]
}

// settings are Certs under one configuration. They are never changed.
type settings struct {
	conf  *tls.Config
	all   *proxy.ServerTLS // The certificate of all sites; offers nothing where there is none.
	sites site.Hosts[*own]
	list  []*own
}

// own is what a site has.
type own struct {
	name string
	tls  *proxy.ServerTLS // Nil without a certificate of its own.
	acme []string         // Its hosts that get one by ACME.
}

// ErrNone is why a connection ends for whose name there is no certificate.
var ErrNone = errors.New("there is no certificate")

// New reads the files that c names. Certificates by ACME are asked for when Run runs.
func New(c *config.Web, log hclog.Logger) (*Certs, error) {
	s := &Certs{log: log}
	if c.ACME.Agree && c.TLS.Listen != "" {
		var err error
		if s.acme, err = newACME(&c.ACME, log.Named("acme")); err != nil {
			return nil, fmt.Errorf("web.acme: %w", err)
		}
	}
	return s, s.Set(c)
}

// Set applies another configuration to connections that come from now on. Where it cannot be applied nothing changes.
func (s *Certs) Set(c *config.Web) error {
	next := &settings{}
	var err error
	if next.all, err = proxy.NewServerTLS(c.TLS.Server(), s.log); err != nil {
		return fmt.Errorf("web.tls: %w", err)
	}
	var hosts []string
	for i := range c.Sites {
		one := &own{name: c.Sites[i].Hosts[0]}
		if s.acme != nil {
			one.acme = c.ACMEHosts(&c.Sites[i])
			hosts = append(hosts, one.acme...)
		}
		if c.Sites[i].CertFile != "" {
			if one.tls, err = proxy.NewServerTLS(c.TLS.ServerOf(&c.Sites[i]), s.log); err != nil {
				return fmt.Errorf("the site %s: %w", one.name, err)
			}
		}
		next.list = append(next.list, one)
		for _, pattern := range c.Sites[i].Hosts {
			next.sites.Add(pattern, one)
		}
	}
	next.conf = &tls.Config{MinVersion: tls.VersionTLS12, DynamicRecordSizingDisabled: true, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: s.certificate}
	if c.TLS.MinVersion == "1.3" {
		next.conf.MinVersion = tls.VersionTLS13
	}
	if s.acme != nil {
		next.conf.NextProtos = append(next.conf.NextProtos, protoChallenge)
		s.acme.set(hosts)
	}
	s.use.Store(next)
	return nil
}

// Config is for a door: each connection is served as the configuration is by then.
func (s *Certs) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.use.Load().conf, nil }}
}

// certificate chooses by the name that a browser asks for.
func (s *Certs) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	use := s.use.Load()
	if s.acme != nil && slices.Equal(hello.SupportedProtos, []string{protoChallenge}) {
		return s.acme.challenge(hello)
	}
	name := nameOf(hello)
	if one, ok := use.sites.Find(name); ok {
		if one.tls != nil {
			return first(one.tls)
		}
		if slices.Contains(one.acme, name) {
			if cert := s.acme.certificate(hello); cert != nil {
				return cert, nil
			}
		}
	}
	return first(use.all)
}

// nameOf is the name that a browser asks for, in normal form.
func nameOf(hello *tls.ClientHelloInfo) string {
	return strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
}

// first is the certificate of a configuration.
func first(t *proxy.ServerTLS) (*tls.Certificate, error) {
	conf := t.Config()
	if conf == nil {
		return nil, ErrNone
	}
	return &conf.Certificates[0], nil
}

// Where a certificate comes from.
const (
	FromFile = "file"
	FromACME = "acme"
)

// Certificate is one certificate as people see it.
type Certificate struct {
	// Site is the first host of its site; empty for the certificate of all.
	Site string
	// Hosts are what it is wanted for.
	Hosts  []string
	Source string
	// Until is zero where there is none yet.
	Until time.Time
	// Error says what is wrong; Severe that browsers are not served as they should.
	Error  string
	Severe bool
}

// Snapshot gives the certificates as they are.
func (s *Certs) Snapshot(now time.Time) []Certificate {
	use := s.use.Load()
	var out []Certificate
	if cert, err := first(use.all); err == nil {
		out = append(out, ofFile("", nil, cert.Leaf, now))
	}
	for _, one := range use.list {
		if one.tls != nil {
			cert, err := first(one.tls)
			if err != nil {
				continue // Of no door.
			}
			out = append(out, ofFile(one.name, []string{one.name}, cert.Leaf, now))
		}
		for _, host := range one.acme {
			c := s.acme.snapshot(host, now)
			c.Site = one.name
			out = append(out, c)
		}
	}
	return out
}

// ofFile judges a certificate of a file.
func ofFile(name string, hosts []string, leaf *x509.Certificate, now time.Time) Certificate {
	c := Certificate{Site: name, Hosts: hosts, Source: FromFile, Until: leaf.NotAfter}
	if severe, err := (proxy.Loaded{Cert: &tls.Certificate{Leaf: leaf}}).Validity(now); err != nil {
		c.Error, c.Severe = err.Error(), severe
	}
	return c
}

// Uncovered are those of a site's hosts for which its certificate is not good. A pattern is tried with a name that it stands for.
func Uncovered(leaf *x509.Certificate, hosts []string) []string {
	var out []string
	for _, host := range hosts {
		name := host
		if rest, wild := strings.CutPrefix(host, "*."); wild {
			name = "any." + rest
		}
		if host != "*" && leaf.VerifyHostname(name) != nil {
			out = append(out, host)
		}
	}
	return out
}
