package config

import (
	"net/netip"
	"strings"
	"time"
)

// Web is the front door for browsers. There is none where no address is given.
type Web struct {
	// Listen is host:port for HTTP; empty for none.
	Listen string
	// TLS is the address for HTTPS and its certificate.
	TLS WebTLS
	// ACME is how certificates are made for sites that have none.
	ACME ACME
	// HTTP3 serves HTTP/3 at the address of HTTPS as well.
	HTTP3 bool
	// ProxyNetworks are those from which connections begin with a PROXY header.
	ProxyNetworks []netip.Prefix
	// TrustedNetworks are those whose X-Forwarded headers and request ids are believed.
	TrustedNetworks []netip.Prefix
	// MaxConnections is the number of clients from which on one more is turned away.
	MaxConnections int
	// HeaderTimeout is how long a client may take to send a request without its body, IdleTimeout how long it may be silent between two.
	HeaderTimeout time.Duration
	IdleTimeout   time.Duration
	// WriteTimeout is how long a client may take none of its answer.
	WriteTimeout time.Duration
	// MinBodyRate is how many bytes a second a client has to send of a body.
	MinBodyRate Size
	// MaxHeader and MaxURI bound a request without its body.
	MaxHeader Size
	MaxURI    Size
	// Grace is how long running requests may take after SIGTERM.
	Grace time.Duration
	// TempDir is where bodies are put that are too large for memory; empty for the system's directory.
	TempDir string
	// MaxBuffered is how much of an answer of PHP is taken ahead of a slow client.
	MaxBuffered Size
	// FileCache is how much memory holds small files.
	FileCache Size
	// PageCache is how much memory holds pages of the sites that have a cache.
	PageCache Size
	// PurgeNetworks are those from which pages may be purged; this machine is always one.
	PurgeNetworks []netip.Prefix
	// AccessLog is a path, stdout or off; AccessLogFormat is combined or json.
	AccessLog       string
	AccessLogFormat string
	// Pools are the pools of php-fpm backends.
	Pools []FPMPool
	// Sites are the virtual hosts.
	Sites []Site
}

// WebTLS is HTTPS. Paths are as they can be opened.
type WebTLS struct {
	// Listen is host:port; empty for none.
	Listen   string
	CertFile string
	// KeyFile is empty where the key is in CertFile.
	KeyFile string
	// MinVersion is 1.2 or 1.3.
	MinVersion string
}

// Server is the same as every door has it.
func (t WebTLS) Server() ServerTLS {
	s := ServerTLS{Mode: TLSOff, CertFile: t.CertFile, KeyFile: t.KeyFile, MinVersion: t.MinVersion}
	if t.Listen != "" && t.CertFile != "" {
		s.Mode = TLSRequired
	}
	return s
}

// ServerOf is a site's own certificate as every door has it.
func (t WebTLS) ServerOf(s *Site) ServerTLS {
	t.CertFile, t.KeyFile = s.CertFile, s.KeyFile
	return t.Server()
}

// ACME is where certificates come from by themselves. Paths are as they can be opened.
type ACME struct {
	// Agree says that the operator agrees to the authority's terms; without it there is no ACME.
	Agree bool
	// Email is where the authority writes to; empty for none.
	Email string
	// Directory is the address of the authority's directory, or one of the words ACMELetsEncrypt and ACMEStaging.
	Directory string
	// Storage is the directory for accounts, keys and certificates.
	Storage string
	// CAFile is who signs the directory's own certificate; empty for the system's authorities.
	CAFile string
	// EABKeyID and EABMACKey bind the account to one that the operator has with the authority (RFC 8555, section 7.3.4); empty where it asks for none.
	EABKeyID  string
	EABMACKey Secret
	// EABMACKeyFile is where the key came from.
	EABMACKeyFile string
}

// The values of ACME.Directory that are no addresses.
const (
	ACMELetsEncrypt = "letsencrypt"
	ACMEStaging     = "staging"
)

// Public says that only names of the public DNS get a certificate.
func (a *ACME) Public() bool { return a.Directory == ACMELetsEncrypt || a.Directory == ACMEStaging }

// ACMEHosts are the hosts of a site for which certificates are made: those that are names of one host.
func (w *Web) ACMEHosts(s *Site) []string {
	if !w.ACME.Agree || w.TLS.Listen == "" || s.CertFile != "" {
		return nil
	}
	var hosts []string
	for _, host := range s.Hosts {
		_, err := netip.ParseAddr(host)
		if strings.HasPrefix(host, "*") || err == nil || w.ACME.Public() && !public(host) {
			continue
		}
		hosts = append(hosts, host)
	}
	return hosts
}

// public says that a name can be one of the public DNS.
func public(host string) bool {
	for _, private := range []string{"localhost", "local", "internal", "test", "lan", "home.arpa", "invalid", "example"} {
		if host == private || strings.HasSuffix(host, "."+private) {
			return false
		}
	}
	return strings.Contains(host, ".")
}

// On says whether there is a door for browsers.
func (w *Web) On() bool { return w.Listen != "" || w.TLS.Listen != "" }

// The values of AccessLog that are no paths, and of AccessLogFormat.
const (
	AccessLogOff      = "off"
	AccessLogStdout   = "stdout"
	AccessLogCombined = "combined"
	AccessLogJSON     = "json"
)

// The values of Site.Preset.
const (
	PresetNone      = "none"
	PresetWordPress = "wordpress"
)

// Site is a virtual host.
type Site struct {
	// Hosts are names, names with a wildcard for their first label (*.example.com), or * for all that no other site has.
	Hosts []string
	// Root is the directory of the site as galley sees it; empty where galley sees none.
	Root string
	// Pool is the name of the fpm pool that runs the site's scripts; empty for a site without scripts.
	Pool string
	// Preset is PresetNone or PresetWordPress.
	Preset string
	// ScriptRoot is the directory of the site as php-fpm sees it; empty where it is Root.
	ScriptRoot string
	// Scripts are the paths that may be run where galley cannot see scripts; * stands for anything but a slash, ** for anything.
	Scripts []string
	// CertFile is the site's own certificate with its chain, empty for that of all; KeyFile is empty where the key is in it.
	CertFile string
	KeyFile  string
	// Index are the files that stand for a directory.
	Index []string
	// FrontController is the script for what is no file; empty where what is no file is not found.
	FrontController string
	// MaxBody is the largest body of a request.
	MaxBody Size
	// Compress allows gzip for texts.
	Compress bool
	// MaxAge is how long browsers may keep files without asking; 0 says nothing to them.
	MaxAge time.Duration
	// RedirectToHTTPS answers HTTP with a redirect; HSTS tells browsers to come by HTTPS only, for so long.
	RedirectToHTTPS bool
	HSTS            time.Duration
	// ErrorPages is a directory with pages as 404.html and 50x.html; empty for plain ones.
	ErrorPages string
	// Cache is for how long a page is fresh that says nothing itself; 0 is no page cache. CacheStale is for how long behind that it may be shown while it is made
	// anew, CacheStaleIfError in place of an error.
	Cache             time.Duration
	CacheStale        time.Duration
	CacheStaleIfError time.Duration
	// CacheIgnoreCookies are beginnings of names of cookies on which no page depends, CacheBypassPaths beginnings of paths that are not cached.
	CacheIgnoreCookies []string
	CacheBypassPaths   []string
	// CacheByDevice keeps pages for phones apart.
	CacheByDevice bool
	// AccelRoot is the directory of files that scripts give out by X-Accel-Redirect; empty for none.
	AccelRoot string
}

// PoolOf gives a site's pool; nil where it has none.
func (w *Web) PoolOf(s *Site) *FPMPool {
	for i := range w.Pools {
		if w.Pools[i].Name == s.Pool {
			return &w.Pools[i]
		}
	}
	return nil
}
