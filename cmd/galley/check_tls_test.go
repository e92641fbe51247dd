package main

import (
	"crypto/x509/pkix"
	"strings"
	"testing"
	"time"

	"galley/cluster"
	"galley/config"
	"galley/proxy/proxytest"
)

func TestRequires(t *testing.T) {
	full := config.Config{
		MySQL:   config.MySQL{TLS: config.ServerTLS{CertFile: "c", CAFile: "a"}},
		Cluster: config.Cluster{TLS: config.ClientTLS{Mode: config.TLSRequired, CertFile: "c"}},
	}
	for name, test := range map[string]struct {
		ssl    cluster.SSLType
		issuer string
		change func(*config.Config)
		want   string
	}{
		"nothing":                       {cluster.SSLNone, "", func(c *config.Config) { *c = config.Config{} }, ""},
		"all there":                     {cluster.SSLX509, "", func(*config.Config) {}, ""},
		"no TLS here":                   {cluster.SSLAny, "", func(c *config.Config) { c.MySQL.TLS = config.ServerTLS{} }, "mysql.tls.cert_file"},
		"no TLS there":                  {cluster.SSLAny, "", func(c *config.Config) { c.Cluster.TLS.Mode = config.TLSOff }, "cluster.tls.mode"},
		"no authority":                  {cluster.SSLX509, "", func(c *config.Config) { c.MySQL.TLS.CAFile = "" }, "mysql.tls.ca_file"},
		"no authority, but none needed": {cluster.SSLSpecified, "", func(c *config.Config) { c.MySQL.TLS.CAFile = "" }, ""},
		"no certificate":                {cluster.SSLSpecified, "/CN=x", func(c *config.Config) { c.Cluster.TLS.CertFile = "" }, "cluster.tls.cert_file"},
	} {
		t.Run(name, func(t *testing.T) {
			c := full
			test.change(&c)
			got := requires(&cluster.Account{SSL: test.ssl, X509Issuer: test.issuer}, &c)
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestCheckOfCertificates(t *testing.T) {
	dir := t.TempDir()
	ca := proxytest.NewAuthority(t, dir, pkix.Name{CommonName: "ca"})
	issue := func(name string, until time.Duration) proxytest.Pair {
		return ca.Issue(t, dir, name, proxytest.Wish{Subject: pkix.Name{CommonName: name}, Until: time.Now().Add(until)})
	}
	old, short, long := issue("old", -time.Hour), issue("short", time.Hour), issue("long", 19*24*time.Hour)
	for name, test := range map[string]struct {
		cert, key   string
		fail, warns string
	}{
		"good":        {long.Cert, long.Key, "", ""},
		"expires":     {short.Cert, short.Key, "", "expires on"},
		"expired":     {old.Cert, old.Key, "expired on", ""},
		"another key": {long.Cert, short.Key, "private key does not match public key", ""},
		"no file":     {dir + "/none", long.Key, "no such file", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for i, c := range []*config.Config{
				{MySQL: config.MySQL{TLS: config.ServerTLS{CertFile: test.cert, KeyFile: test.key}}, Cluster: config.Cluster{TLS: config.ClientTLS{Mode: config.TLSOff}}},
				{Cluster: config.Cluster{TLS: config.ClientTLS{Mode: config.TLSRequired, CertFile: test.cert, KeyFile: test.key}}},
			} {
				r := &report{}
				r.certificates(c, time.Now())
				for _, side := range []struct {
					got  []finding
					want string
				}{{r.Errors, test.fail}, {r.Warnings, test.warns}} {
					if len(side.got) > 1 || (len(side.got) == 1) != (side.want != "") || len(side.got) == 1 && !strings.Contains(side.got[0].Text, side.want) {
						t.Errorf("%d: %+v, want %q", i, side.got, side.want)
					}
				}
			}
		})
	}
}

func TestCheckOfTransport(t *testing.T) {
	c := &config.Config{Cluster: config.Cluster{TLS: config.ClientTLS{Mode: config.TLSPreferred}, SendProxyProtocol: true}}
	r := &report{}
	r.transport(c, &sighting{Answers: map[string]answers{
		"a:1": {Variables: map[string]string{"have_ssl": "DISABLED"}}, "b:1": {Variables: map[string]string{"have_ssl": "YES"}},
		"c:1": {Err: errHeaderRefused},
	}})
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0].Text, "in plain") || !strings.Contains(r.Warnings[0].Text, "a:1.") {
		t.Errorf("%+v", r.Warnings)
	}
	if len(r.Errors) != 1 || !strings.Contains(r.Errors[0].Text, "Node c:1 refuses the PROXY header") {
		t.Errorf("%+v", r.Errors)
	}
}
