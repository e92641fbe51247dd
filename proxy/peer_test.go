package proxy

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestMeet(t *testing.T) {
	balancers := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("2001:db8::/64")}
	balancer := &net.TCPAddr{IP: net.ParseIP("10.0.0.9"), Port: 4000}
	via := netip.MustParseAddrPort("10.0.0.9:4000")
	client := netip.MustParseAddrPort("192.0.2.1:12345")
	tests := []struct {
		name   string
		from   net.Addr
		writes string
		want   Peer
		text   string
		err    error
	}{
		{"a balancer's client", balancer, v2(0x21, 0x11, addrs4), Peer{Addr: client, Via: via}, "192.0.2.1:12345", nil},
		{"an IPv4 balancer at an IPv6 socket", &net.TCPAddr{IP: net.ParseIP("::ffff:10.0.0.9"), Port: 4000}, v2(0x21, 0x11, addrs4), Peer{Addr: client, Via: via}, "192.0.2.1:12345", nil},
		{"a balancer itself", balancer, v2(0x20, 0, ""), Peer{Addr: via}, "10.0.0.9:4000", nil},
		{"a balancer's local client", balancer, v2(0x21, 0x31, string(make([]byte, 216))), Peer{Local: true, Via: via}, "localhost", nil},
		{"no header", balancer, "\x20\x00\x00\x01xxxxxxxxxxxx", Peer{Addr: via}, "", ErrNoHeader},
		{"only a connection", balancer, "", Peer{Addr: via}, "", io.EOF},
		{"a stranger with a header", &net.TCPAddr{IP: net.ParseIP("10.0.1.9"), Port: 4000}, v2(0x21, 0x11, addrs4), Peer{Addr: netip.MustParseAddrPort("10.0.1.9:4000")}, "10.0.1.9:4000", nil},
		{"a stranger over IPv6", &net.TCPAddr{IP: net.ParseIP("2001:db8:1::1"), Port: 4}, "", Peer{Addr: netip.MustParseAddrPort("[2001:db8:1::1]:4")}, "[2001:db8:1::1]:4", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			near, far := net.Pipe()
			defer near.Close()
			defer far.Close()
			go func() {
				_, _ = io.WriteString(far, test.writes)
				if errors.Is(test.err, io.EOF) {
					_ = far.Close()
				}
			}()
			p, err := Meet(addrConn{near, test.from}, balancers)
			if p != test.want || !errors.Is(err, test.err) || (test.err == nil) != (err == nil) {
				t.Fatalf("got %+v, %v; want %+v, %v", p, err, test.want, test.err)
			}
			if err == nil && p.String() != test.text {
				t.Errorf("it reads %s, want %s", p, test.text)
			}
		})
	}
}

// TestMeetEnds holds that a balancer that says nothing is not waited for, and that the deadline does not outlive the header.
func TestMeetEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		all := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
		from := &net.TCPAddr{IP: net.ParseIP("10.0.0.9"), Port: 4000}
		began := time.Now()
		if _, err := Meet(addrConn{near, from}, all); !errors.Is(err, ErrNoHeader) || time.Since(began) != headerLimit {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		go func() { _, _ = io.WriteString(far, v2(0x20, 0, "")+"x") }()
		if _, err := Meet(addrConn{near, from}, all); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * headerLimit)
		if _, err := near.Read(make([]byte, 1)); err != nil {
			t.Errorf("reading after the header: %v", err)
		}
	})
}
