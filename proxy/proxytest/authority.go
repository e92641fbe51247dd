// Package proxytest makes certificates for tests: authorities, and what they sign, as the PEM files that operators have.
//
// It is for tests only. The one thing to know first: everything is made anew for each test, with keys of P-256, which costs next to nothing.
package proxytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates.
type Authority struct {
	// File holds its certificate.
	File string
	// Pool has its certificate.
	Pool *x509.CertPool

	cert *x509.Certificate
	key  crypto.Signer
}

// Pair is a certificate and its key in files.
type Pair struct{ Cert, Key string }

// Wish is what a certificate is to be like.
type Wish struct {
	Subject pkix.Name
	// RawSubject is used instead where it is given.
	RawSubject []byte
	// Until is when it ends; in an hour if not given.
	Until time.Time
}

// NewAuthority makes an authority whose files are in dir.
func NewAuthority(tb testing.TB, dir string, subject pkix.Name) *Authority {
	tb.Helper()
	a := &Authority{File: filepath.Join(dir, subject.CommonName+".pem"), Pool: x509.NewCertPool(), key: newKey(tb)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: subject, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	check(tb, err)
	a.cert, err = x509.ParseCertificate(der)
	check(tb, err)
	a.Pool.AddCert(a.cert)
	write(tb, a.File, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return a
}

// Issue makes a certificate for 127.0.0.1 and localhost, good for both ends, as dir/name.pem and dir/name.key. Files that are there are replaced as by a renewal: by renaming.
func (a *Authority) Issue(tb testing.TB, dir, name string, w Wish) Pair {
	tb.Helper()
	if w.Until.IsZero() {
		w.Until = time.Now().Add(time.Hour)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	check(tb, err)
	key := newKey(tb)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: w.Subject, RawSubject: w.RawSubject, NotBefore: w.Until.Add(-20 * 24 * time.Hour), NotAfter: w.Until,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, key.Public(), a.key)
	check(tb, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	check(tb, err)
	p := Pair{Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key")}
	write(tb, p.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(tb, p.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	return p
}

// Load reads the pair.
func (p Pair) Load(tb testing.TB) tls.Certificate {
	tb.Helper()
	cert, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	check(tb, err)
	return cert
}

func newKey(tb testing.TB) crypto.Signer {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(tb, err)
	return key
}

func write(tb testing.TB, path string, text []byte) {
	tb.Helper()
	check(tb, os.WriteFile(path+".new", text, 0o644)) //nolint:gosec // of a test, and servers of another user read it
	check(tb, os.Rename(path+".new", path))
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
