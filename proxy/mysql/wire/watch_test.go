package wire

import (
	"io"
	"net"
	"testing"
	"time"
)

// pair is two ends of a TCP connection.
func pair(t *testing.T) (*Conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = nc.Close(), far.Close() })
	return NewConn(nc, NewBuffers()), far
}

// eventually waits until a condition holds that nothing tells of.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	tick, limit := time.NewTicker(time.Millisecond), time.NewTimer(20*time.Second)
	defer tick.Stop()
	defer limit.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatal("in vain")
		}
	}
}

func TestGone(t *testing.T) {
	c, far := pair(t)
	if c.Gone() {
		t.Error("gone at once")
	}
	if _, err := far.Write([]byte("unread")); err != nil {
		t.Fatal(err)
	}
	if c.Gone() {
		t.Error("gone with bytes to read")
	}
	_ = far.Close()
	eventually(t, c.Gone)
	a, b := net.Pipe()
	defer a.Close()
	_ = b.Close()
	if NewConn(a, NewBuffers()).Gone() {
		t.Error("a connection that cannot be asked is gone")
	}
}

func TestStalled(t *testing.T) {
	c, far := pair(t)
	const much = 64 << 20 // More than the kernel takes.
	if c.Stalled() != 0 {
		t.Error("stalled before it wrote")
	}
	written := make(chan error, 1)
	go func() { written <- c.Write(make([]byte, much)) }()
	eventually(t, func() bool { return c.Stalled() != 0 })
	before := c.Stalled()
	if _, err := io.CopyN(io.Discard, far, much/2); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return c.Stalled() != before })
	if _, err := io.CopyN(io.Discard, far, much/2); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil || c.Stalled() != 0 {
		t.Errorf("%v, stalled %d", err, c.Stalled())
	}
}
