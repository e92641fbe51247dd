package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"galley/cluster"
	"galley/config"
	"galley/proxy"
)

// requires says why no client can meet what an account's REQUIRE asks of its connection, or galley what it asks of its own; empty if both can.
func requires(a *cluster.Account, c *config.Config) string {
	switch {
	case a.SSL == cluster.SSLNone:
		return ""
	case c.MySQL.TLS.Effective() == config.TLSOff:
		return "it requires TLS: give mysql.tls.cert_file"
	case c.Cluster.TLS.Mode == config.TLSOff:
		return "it requires TLS, of galley's connections to nodes as well: set cluster.tls.mode"
	case a.SSL == cluster.SSLAny || a.SSL == cluster.SSLSpecified && a.X509Issuer == "" && a.X509Subject == "":
		return ""
	case c.MySQL.TLS.CAFile == "":
		return "it requires a certificate of the client: give mysql.tls.ca_file"
	case c.Cluster.TLS.CertFile == "":
		return "it requires a certificate, of galley towards nodes as well: give cluster.tls.cert_file"
	}
	return ""
}

// certificates reads the files of TLS, and says which cannot be used or not for much longer.
func (r *report) certificates(c *config.Config, now time.Time) {
	m, n := c.MySQL.TLS, c.Cluster.TLS
	if m.Effective() != config.TLSOff {
		r.files("mysql.tls", proxy.Files{Cert: m.CertFile, Key: m.KeyFile, CA: m.CAFile}, now)
	}
	if n.Mode != config.TLSOff {
		r.files("cluster.tls", proxy.Files{Cert: n.CertFile, Key: n.KeyFile, CA: n.CAFile}, now)
	}
}

func (r *report) files(section string, files proxy.Files, now time.Time) {
	loaded, err := files.Load()
	if err != nil {
		r.fail("The files of "+section+" cannot be used: "+err.Error()+".", "Galley would not start with them; a running one goes on with those it has.")
		return
	}
	severe, err := loaded.Validity(now)
	if err == nil {
		return
	}
	text := section + ", cert_file (" + files.Cert + "): " + err.Error() + "."
	if severe {
		r.fail(text, "")
		return
	}
	r.warn(text, "")
}

// transport says what nodes make of the ways in which galley connects to them.
func (r *report) transport(c *config.Config, s *sighting) {
	var plain []string
	for _, addr := range slices.Sorted(maps.Keys(s.Answers)) {
		a := s.Answers[addr]
		switch {
		case errors.Is(a.Err, errHeaderRefused):
			r.fail("Node "+addr+" refuses the PROXY header that cluster.send_proxy_protocol sends.",
				"Set proxy_protocol_networks on it to galley's address: SET GLOBAL proxy_protocol_networks='…', and in its configuration.")
		case a.Variables["have_ssl"] != "" && a.Variables["have_ssl"] != "YES":
			plain = append(plain, addr)
		}
	}
	if mode := c.Cluster.TLS.Mode; mode == config.TLSPreferred && len(plain) > 0 {
		r.warn(fmt.Sprintf("Nodes without TLS are connected to in plain, as cluster.tls.mode is %s: %s.", mode, strings.Join(plain, ", ")), "Give them a certificate (ssl_cert, ssl_key).")
	}
}
