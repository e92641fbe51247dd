package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"galley/config"
)

// ServerTLS is TLS towards clients. Nil is none. Its methods may be called from any goroutine.
type ServerTLS struct {
	log hclog.Logger
	use atomic.Pointer[serverUse]
}

// serverUse is ServerTLS under one configuration.
type serverUse struct {
	mode  string
	store *store // Nil where the mode is off.
}

// NewServerTLS reads the files that c names.
func NewServerTLS(c config.ServerTLS, log hclog.Logger) (*ServerTLS, error) {
	t := &ServerTLS{log: log}
	return t, t.Set(c)
}

// Set applies another configuration to connections that come from now on. Where it cannot be applied nothing changes.
func (t *ServerTLS) Set(c config.ServerTLS) error {
	use := &serverUse{mode: c.Effective()}
	if use.mode != config.TLSOff {
		version := uint16(tls.VersionTLS12)
		if c.MinVersion == "1.3" {
			version = tls.VersionTLS13
		}
		var err error
		use.store, err = newStore(Files{Cert: c.CertFile, Key: c.KeyFile, CA: c.CAFile}, t.log, func(l Loaded) *tls.Config {
			conf := &tls.Config{MinVersion: version, DynamicRecordSizingDisabled: true, Certificates: []tls.Certificate{*l.Cert}}
			if l.CA != nil {
				conf.ClientCAs, conf.ClientAuth = l.CA, tls.VerifyClientCertIfGiven
			}
			return conf
		})
		if err != nil {
			return err
		}
	}
	t.use.Store(use)
	return nil
}

// Config is for a connection that begins now; nil where TLS is not offered.
func (t *ServerTLS) Config() *tls.Config {
	if t == nil || t.use.Load().store == nil {
		return nil
	}
	return t.use.Load().store.current()
}

// Required says that clients must use TLS where others could read what they send.
func (t *ServerTLS) Required() bool { return t != nil && t.use.Load().mode == config.TLSRequired }

// ClientTLS is TLS towards nodes. Nil is none. Its methods may be called from any goroutine.
type ClientTLS struct {
	log hclog.Logger
	use atomic.Pointer[clientUse]
}

// clientUse is ClientTLS under one configuration.
type clientUse struct {
	mode, name string
	store      *store // Nil where the mode is off.
}

// sessionsKept is how many TLS sessions towards nodes are kept to be resumed, which saves both ends the signatures. TLS 1.3 uses each once.
const sessionsKept = 256

// NewClientTLS reads the files that c names.
func NewClientTLS(c config.ClientTLS, log hclog.Logger) (*ClientTLS, error) {
	t := &ClientTLS{log: log}
	return t, t.Set(c)
}

// Set applies another configuration to connections that are made from now on. Where it cannot be applied nothing changes.
func (t *ClientTLS) Set(c config.ClientTLS) error {
	use := &clientUse{mode: c.Mode, name: c.ServerName}
	if c.Mode != config.TLSOff && c.Mode != "" {
		files := Files{Cert: c.CertFile, Key: c.KeyFile}
		if c.Mode == config.TLSVerifyCA || c.Mode == config.TLSVerifyIdentity {
			files.CA = c.CAFile
		}
		var err error
		use.store, err = newStore(files, t.log, func(l Loaded) *tls.Config {
			conf := &tls.Config{MinVersion: tls.VersionTLS12, DynamicRecordSizingDisabled: true, RootCAs: l.CA, ClientSessionCache: tls.NewLRUClientSessionCache(sessionsKept)}
			if l.Cert != nil {
				conf.Certificates = []tls.Certificate{*l.Cert}
			}
			return conf
		})
		if err != nil {
			return err
		}
	}
	t.use.Store(use)
	return nil
}

// For is how to connect to a node: nil without TLS; with must not without, else only where the node offers it. addr is host:port, or unix: and a path, where
// there is no host whose name a certificate could have.
func (t *ClientTLS) For(addr string) (conf *tls.Config, must bool) {
	if t == nil {
		return nil, false
	}
	use := t.use.Load()
	if use.store == nil {
		return nil, false
	}
	conf = use.store.current().Clone()
	// The name is sent to the server as well, and sessions are kept by it.
	host, _, err := net.SplitHostPort(addr)
	if conf.ServerName = host; err != nil {
		conf.ServerName = "localhost"
	}
	if use.name != "" {
		conf.ServerName = use.name
	}
	switch {
	case use.mode == config.TLSVerifyIdentity && (use.name != "" || !strings.HasPrefix(addr, "unix:")):
	case use.mode == config.TLSVerifyIdentity || use.mode == config.TLSVerifyCA:
		conf.InsecureSkipVerify = true // The chain is verified below, without the name.
		roots := conf.RootCAs
		conf.VerifyConnection = func(s tls.ConnectionState) error { return verifyChain(&s, roots) }
	default:
		conf.InsecureSkipVerify = true // The mode says so.
	}
	return conf, use.mode != config.TLSPreferred
}

// verifyChain verifies a server's certificate without looking at its name.
func verifyChain(s *tls.ConnectionState, roots *x509.CertPool) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the server has no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	if _, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between}); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
	}
	return nil
}
