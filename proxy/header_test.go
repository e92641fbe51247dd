package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
)

// v2 makes a header of version 2 by hand.
func v2(command, family byte, body string) string {
	return "\r\n\r\n\x00\r\nQUIT\n" + string([]byte{command, family, byte(len(body) >> 8), byte(len(body))}) + body
}

const (
	addrs4 = "\xc0\x00\x02\x01\x0a\x00\x00\x01\x30\x39\x0c\xea"
	addrs6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x30\x39\x0c\xea"
	mapped = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x0a\x00\x00\x01\x30\x39\x0c\xea"
)

func TestReadHeader(t *testing.T) {
	client4, client6 := netip.MustParseAddrPort("192.0.2.1:12345"), netip.MustParseAddrPort("[2001:db8::7]:12345")
	tests := []struct {
		name, in string
		want     header
		err      string // Part of the error; empty for none.
	}{
		{"v1, IPv4", "PROXY TCP4 192.0.2.1 10.0.0.1 12345 3306\r\n", header{source: client4}, ""},
		{"v1, IPv6", "PROXY TCP6 2001:db8::7 2001:db8::1 12345 3306\r\n", header{source: client6}, ""},
		{"v1, unknown", "PROXY UNKNOWN\r\n", header{}, ""},
		{"v1, unknown with addresses", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", header{}, ""},
		{"v1, without end", "PROXY TCP4 " + strings.Repeat("1", 200), header{}, "more than 107"},
		{"v1, bad address", "PROXY TCP4 192.0.2.300 10.0.0.1 12345 3306\r\n", header{}, "address"},
		{"v1, no address", "PROXY TCP4\r\nabcdef", header{}, ErrNoHeader.Error()},
		{"v1, bare line feed", "PROXY TCP4 192.0.2.1 10.0.0.1 12345 3306\n", header{}, "\\r\\n"},
		{"v1, unspecified", "PROXY TCP4 0.0.0.0 10.0.0.1 12345 3306\r\n", header{}, "no client's address"},
		{"v1, cut", "PROXY TCP4 192.0.2.1 10.0", header{}, "unexpected EOF"},
		{"v2, IPv4", v2(0x21, 0x11, addrs4), header{source: client4}, ""},
		{"v2, IPv6", v2(0x21, 0x21, addrs6), header{source: client6}, ""},
		{"v2, IPv4 in IPv6", v2(0x21, 0x21, mapped), header{source: client4}, ""},
		{"v2, with more", v2(0x21, 0x11, addrs4+"\x04\x00\x03abc"), header{source: client4}, ""},
		{"v2, local", v2(0x20, 0, ""), header{}, ""},
		{"v2, local with addresses", v2(0x20, 0x11, addrs4), header{}, ""},
		{"v2, unix", v2(0x21, 0x31, strings.Repeat("\x00", 216)), header{unix: true}, ""},
		{"v2, too short", v2(0x21, 0x11, addrs4[:6]), header{}, "length"},
		{"v2, datagram", v2(0x21, 0x12, addrs4), header{}, "no client's address"},
		{"v2, unknown command", v2(0x2f, 0x11, addrs4), header{}, "command"},
		{"v2, too long", v2(0x21, 0x11, strings.Repeat("x", 5000)), header{}, "more than 4096"},
		{"v2, cut", v2(0x21, 0x11, addrs4)[:20], header{}, "unexpected EOF"},
		{"nothing", "", header{}, "EOF"},
		{"a command", "\x03\x00\x00\x00\x03select 1;", header{}, ErrNoHeader.Error()},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", header{}, ErrNoHeader.Error()},
		{"a few bytes", "GET", header{}, ErrNoHeader.Error()},
		{"a beginning", "PROX", header{}, ErrNoHeader.Error()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			const next = "behind it"
			for name, r := range map[string]io.Reader{"at once": strings.NewReader(test.in + next), "byte by byte": iotest.OneByteReader(strings.NewReader(test.in + next))} {
				if test.err != "" {
					r = io.LimitReader(r, int64(len(test.in)))
				}
				got, err := readHeader(r)
				if test.err != "" {
					if err == nil || !strings.Contains(err.Error(), test.err) {
						t.Errorf("%s: error %v, want one with %q", name, err, test.err)
					}
					continue
				}
				rest, _ := io.ReadAll(r)
				if err != nil || got != test.want || string(rest) != next {
					t.Errorf("%s: got %+v and then %q, error %v; want %+v", name, got, rest, err, test.want)
				}
			}
		})
	}
}

// addrConn is a connection whose other end has an address.
type addrConn struct {
	net.Conn
	remote net.Addr
}

func (c addrConn) RemoteAddr() net.Addr { return c.remote }

func TestHeaderForIsRead(t *testing.T) {
	tcp4, tcp6 := &net.TCPAddr{IP: net.ParseIP("10.0.0.1"), Port: 3306}, &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 3306}
	clients := map[string]header{
		"192.0.2.1:12345": {source: netip.MustParseAddrPort("192.0.2.1:12345")}, "[2001:db8::7]:0": {source: netip.MustParseAddrPort("[2001:db8::7]:0")},
		"[::ffff:192.0.2.1]:1": {source: netip.MustParseAddrPort("192.0.2.1:1")}, "": {unix: true},
	}
	for text, want := range clients {
		for _, server := range []net.Addr{tcp4, tcp6, &net.UnixAddr{Name: "/run/x", Net: "unix"}} {
			var client netip.AddrPort
			if text != "" {
				client = netip.MustParseAddrPort(text)
			}
			b, err := HeaderFor(client, addrConn{remote: server})
			if err != nil {
				t.Fatalf("%q to %v: %v", text, server, err)
			}
			if got, err := readHeader(bytes.NewReader(b)); err != nil || got != want {
				t.Errorf("%q to %v: read as %+v, %v", text, server, got, err)
			}
		}
	}
}

func FuzzReadHeader(f *testing.F) {
	for _, seed := range []string{
		"PROXY TCP4 192.0.2.1 10.0.0.1 12345 3306\r\n", "PROXY UNKNOWN\r\n", "PROXY TCP6 ::1 ::1 1 2\r\n", v2(0x21, 0x11, addrs4), v2(0x21, 0x21, addrs6+"\x04\x00\x00"),
		v2(0x20, 0, ""), v2(0x21, 0x31, strings.Repeat("a", 216)), v2(0x21, 0x13, addrs4), "GET / HTTP/1.1\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		h, err := readHeader(r)
		if err != nil {
			if h != (header{}) {
				t.Errorf("an error and %+v", h)
			}
			if errors.Is(err, io.EOF) && len(b) > 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("EOF after %d bytes", len(b))
			}
			return
		}
		used := len(b) - r.Len()
		if used > headFixed+bodyLimit || used < 15 {
			t.Errorf("a header of %d bytes", used)
		}
		if h.source.IsValid() && (h.unix || h.source.Addr().Is4In6() || h.source.Addr().IsUnspecified()) {
			t.Errorf("read %+v", h)
		}
		if again, err := readHeader(bytes.NewReader(b[:used])); err != nil || again != h {
			t.Errorf("read again: %+v, %v", again, err)
		}
	})
}
