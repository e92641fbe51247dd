package wire

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"time"
)

// layer is TLS on a Conn. Deadlines and Close act on the socket below: they come from any goroutine.
type layer struct {
	*tls.Conn
	first [64]byte // Where the first bytes of what comes next are waited for.
}

// Upgrade puts c, which is not compressed yet, on a TLS layer, which over makes on the connection beneath. What has been read and not discarded becomes the layer's input: behind a request for TLS
// only its handshake may follow, and nothing that came in plain is ever taken for a packet. The handshake is the caller's, as is holding a deadline meanwhile.
func (c *Conn) Upgrade(over func(net.Conn) *tls.Conn) *tls.Conn {
	nc := c.nc
	if head := bytes.Clone(c.Window()); len(head) > 0 {
		nc = &headConn{Conn: nc, head: head}
	}
	c.Discard(len(c.Window()))
	c.Release()
	c.layer = &layer{Conn: over(nc)}
	return c.layer.Conn
}

// Secured says whether c is on a TLS layer.
func (c *Conn) Secured() bool { return c.layer != nil }

// headConn is a connection of which something has been read already.
type headConn struct {
	net.Conn
	head []byte
}

func (h *headConn) Read(p []byte) (int, error) {
	if len(h.head) == 0 {
		return h.Conn.Read(p)
	}
	n := copy(p, h.head)
	if h.head = h.head[n:]; len(h.head) == 0 {
		h.head = nil // It is as long as the handshake's first message.
	}
	return n, nil
}

// stream is what is read and written where that is not the socket itself by system calls; nil where it is.
func (c *Conn) stream() io.ReadWriter {
	switch {
	case c.layer != nil:
		return c.layer.Conn
	case c.raw == nil:
		return c.nc
	}
	return nil
}

// fillFirst waits for bytes by TLS while no buffer is held. The layer needs a place to decrypt to before it waits, so this one is small and its own; the rest
// of the record stays in the layer and is there when Fill is called again.
func (c *Conn) fillFirst() error {
	n, err := c.layer.Read(c.layer.first[:])
	if n == 0 {
		return err
	}
	c.buf = c.buffers.get(smallBuffer)
	c.w = copy(c.buf, c.layer.first[:n])
	return nil
}

// farewell is how long the end of a TLS connection may wait to be written.
const farewell = 100 * time.Millisecond

// SayClosing tells the other side of a TLS connection that nothing follows, so that it can tell an end from an attack. It is for the goroutine that writes.
func (c *Conn) SayClosing() {
	if c.layer == nil {
		return
	}
	_ = c.nc.SetWriteDeadline(time.Now().Add(farewell))
	_ = c.Flush()
	_ = c.layer.CloseWrite() // Who is gone needs no farewell.
}
