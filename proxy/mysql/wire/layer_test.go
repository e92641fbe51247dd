package wire

import (
	"bytes"
	"crypto/tls"
	"crypto/x509/pkix"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"galley/proxy/proxytest"
)

// pairOverTLS gives a Conn on TLS over sockets, and its other side.
func pairOverTLS(t *testing.T) (*Conn, *tls.Conn) {
	t.Helper()
	dir := t.TempDir()
	ca := proxytest.NewAuthority(t, dir, pkix.Name{CommonName: "ca"})
	cert := ca.Issue(t, dir, "s", proxytest.Wish{Subject: pkix.Name{CommonName: "s"}}).Load(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = in.Close(), out.Close() })
	client := tls.Client(out, &tls.Config{RootCAs: ca.Pool, ServerName: "localhost"})
	c := NewConn(in, NewBuffers())
	shaken := make(chan error, 1)
	go func() {
		if _, err := out.Write([]byte{1, 0, 0, 0, 0x55}); err != nil { // A packet in plain, right in front of the handshake.
			shaken <- err
			return
		}
		shaken <- client.Handshake()
	}()
	if p, err := c.ReadPacket(16); err != nil || len(p) != 1 {
		t.Fatalf("%x, %v", p, err)
	}
	if len(c.Window()) == 0 { // The handshake's first bytes are read as well, as they may be with a packet.
		if err := c.Fill(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Upgrade(func(nc net.Conn) *tls.Conn { return tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}}) }).Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	return c, client
}

func TestLayer(t *testing.T) {
	c, client := pairOverTLS(t)
	if c.buf != nil {
		t.Error("a buffer is held behind the handshake")
	}
	for _, n := range []int{1, 59, 60, 61, 64, 100, 16 << 10, 200_000} {
		payload := bytes.Repeat([]byte{'a'}, n)
		packet := append([]byte{byte(n), byte(n >> 8), byte(n >> 16), 0}, payload...)
		go func() { _, _ = client.Write(packet) }()
		got, err := c.ReadPacket(1 << 20)
		if err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("%d bytes: got %d, %v", n, len(got), err)
		}
		c.Release()
		if c.buf != nil {
			t.Error("a buffer is held while idle")
		}
		go func() { _ = c.Write(packet) }()
		back := make([]byte, len(packet))
		if _, err := io.ReadFull(client, back); err != nil || !bytes.Equal(back, packet) {
			t.Fatalf("%d bytes back: %v", n, err)
		}
	}
	if err := c.Idle(); err != nil {
		t.Errorf("an idle conn: %v", err)
	}
	c.SayClosing()
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the other side sees %v", err)
	}
}

// TestLayerOfTheDead holds that a conn is known to be of no use before something is sent on it, also by TLS.
func TestLayerOfTheDead(t *testing.T) {
	c, client := pairOverTLS(t)
	_ = client.Close()
	err := c.raw.Read(func(fd uintptr) bool { // Wait until it has come.
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		return !errors.Is(err, syscall.EAGAIN)
	})
	if err != nil && !errors.Is(err, io.EOF) {
		t.Log(err)
	}
	if err := c.Idle(); err == nil {
		t.Error("an idle conn whose other side is gone counts as good")
	}
}

func TestSSLRequest(t *testing.T) {
	l := Login{Capability: ClientProtocol41 | ClientMySQL | ClientSecureConnection, User: "u", MaxPacket: 7}
	if p := l.AppendSSLRequest([]byte("head")); !IsSSLRequest(p[4:]) || string(p[:4]) != "head" {
		t.Errorf("%x", p)
	}
	l.Capability |= ClientSSL
	if p := l.Append(nil); IsSSLRequest(p) {
		t.Error("a whole login is taken for a request")
	}
}
