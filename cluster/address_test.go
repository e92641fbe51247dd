package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

func TestNetwork(t *testing.T) {
	for addr, want := range map[string][2]string{
		"10.0.0.1:3306": {"tcp", "10.0.0.1:3306"}, "[::1]:3306": {"tcp", "[::1]:3306"}, "unix:/run/mysqld/mysqld.sock": {"unix", "/run/mysqld/mysqld.sock"},
	} {
		if network, address := Network(addr); network != want[0] || address != want[1] {
			t.Errorf("%s is %s %s", addr, network, address)
		}
	}
	s := Settings{Nodes: []ConfiguredNode{{Addr: "unix:/run/s"}, {Addr: "db:1"}}, Interval: time.Second, ProbeTimeout: time.Second}
	if err := s.check(); err != nil {
		t.Error(err)
	}
	s.Nodes[0].Addr = "unix:"
	if s.check() == nil {
		t.Error("a socket without a path is taken")
	}
	if n := (Node{Addr: "unix:/run/s", SeenAs: netip.Addr{}}); !n.Local() {
		t.Error("a node at a socket is not local")
	}
}

// fixedTLS gives the same for every node.
type fixedTLS struct {
	conf *tls.Config
	must bool
}

func (f fixedTLS) For(string) (*tls.Config, bool) { return f.conf, f.must }

func TestDialled(t *testing.T) {
	for _, test := range []struct {
		tls             NodeTLS
		secure, fallsTo bool
	}{
		{nil, false, false}, {fixedTLS{}, false, false}, {fixedTLS{&tls.Config{}, true}, true, false}, {fixedTLS{&tls.Config{}, false}, true, true},
	} {
		c := mysql.NewConfig()
		Dialled(c, "unix:/run/s", test.tls)
		if c.Net != "unix" || c.Addr != "/run/s" || (c.TLS != nil) != test.secure || c.AllowFallbackToPlaintext != test.fallsTo {
			t.Errorf("%+v: %s %s, TLS %t, fallback %t", test.tls, c.Net, c.Addr, c.TLS != nil, c.AllowFallbackToPlaintext)
		}
	}
}

func TestFaultOfTLS(t *testing.T) {
	for _, err := range []error{
		mysql.ErrNoTLS, fmt.Errorf("x: %w", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), errors.New("tls: no supported versions"),
		errors.New("remote error: tls: handshake failure"), &mysql.MySQLError{Number: 3159, Message: "Connections using insecure transport are prohibited"},
	} {
		if r, refused := fault(err); r != TLSFailed || refused {
			t.Errorf("%v is %s", err, r)
		}
	}
	if r, _ := fault(io.EOF); r != Unreachable {
		t.Errorf("the end of a connection is %s", r)
	}
}
