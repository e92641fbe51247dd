package web

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"galley/proxy"
)

// door gives net/http the connections of clients: counted, with the client's own address where a PROXY header tells it, and none of them held for ever by a
// client that reads nothing.
type door struct {
	net.Listener
	s    *Server
	tls  bool
	nets []netip.Prefix // From which a PROXY header is due.
}

// Accept implements net.Listener. It reads nothing.
func (d *door) Accept() (net.Conn, error) {
	for {
		nc, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if open := d.s.open.Add(1); open > int64(d.s.settings().conf.MaxConnections) {
			d.s.open.Add(-1)
			d.s.metrics.refused.Inc()
			d.s.metrics.turnedAway.Add(1)
			d.turnAway(nc)
			continue
		}
		c := &conn{Conn: nc, d: d, timeout: d.s.writeTimeout}
		c.file, _ = nc.(io.ReaderFrom)
		if !d.tls && d.s.quicks.watch != nil {
			c.quick.phase = begins
		}
		return c, nil
	}
}

// tooMany is the answer to one client too many.
const tooMany = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 5\r\nContent-Length: 21\r\nConnection: close\r\n\r\ntoo many connections\n"

// turnAway closes a connection; one that speaks HTTP is told why. It does not wait: so little fits into an empty socket.
func (d *door) turnAway(nc net.Conn) {
	if !d.tls && nc.SetWriteDeadline(time.Now().Add(time.Second)) == nil {
		_, _ = io.WriteString(nc, tooMany)
	}
	_ = nc.Close()
}

// conn is a client's connection. Each piece that is written has the whole write timeout, so that a client may be slow but not dead.
type conn struct {
	net.Conn
	d       *door
	timeout time.Duration
	file    io.ReaderFrom

	met    sync.Once
	peer   proxy.Peer
	metErr error

	until  atomic.Int64 // The write deadline, in nanoseconds; 0 for none.
	closed atomic.Bool

	quick quick
}

// meet says who the client is. The first who asks is the connection's own goroutine: the accept loop reads nothing.
func (c *conn) meet() error {
	c.met.Do(func() {
		if len(c.d.nets) == 0 {
			return
		}
		c.peer, c.metErr = proxy.Meet(c.Conn, c.d.nets)
		if c.metErr != nil {
			c.d.s.log.Warn("a connection was closed", "client", c.Conn.RemoteAddr().String(), "error", c.metErr)
			_ = c.Close()
		}
	})
	return c.metErr
}

// RemoteAddr is the client's own address.
func (c *conn) RemoteAddr() net.Addr {
	if c.meet() == nil && c.peer.Addr.IsValid() {
		return net.TCPAddrFromAddrPort(c.peer.Addr)
	}
	return c.Conn.RemoteAddr()
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	if err := c.meet(); err != nil {
		return 0, err
	}
	if c.quick.phase == never {
		return c.Conn.Read(p)
	}
	return c.readQuick(p)
}

// piece is what is written under one deadline: with the write timeout's 60 s it asks for 4 KB a second.
const piece = 256 << 10

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	n := 0
	for {
		if err := c.extend(); err != nil {
			return n, err
		}
		m, err := c.Conn.Write(p[n:min(len(p), n+piece)])
		if n += m; err != nil || n == len(p) {
			return n, err
		}
	}
}

// extend moves the write deadline, if it is not far enough away: a quarter of the timeout is left to chance to spare the calls.
func (c *conn) extend() error {
	now := time.Now()
	if until := c.until.Load(); until-now.UnixNano() > int64(c.timeout/4*3) {
		return nil
	}
	at := now.Add(c.timeout)
	c.until.Store(at.UnixNano())
	return c.Conn.SetWriteDeadline(at)
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.until.Store(0)
	return c.Conn.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.quick.idle.Store(0)
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c.until.Store(0)
	c.quick.idle.Store(0)
	return c.Conn.SetDeadline(t)
}

// ReadFrom lets the kernel send a file, piece by piece.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	l, limited := r.(*io.LimitedReader)
	if c.file == nil || !limited {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	total := int64(0)
	for l.N > 0 {
		if err := c.extend(); err != nil {
			return total, err
		}
		part := io.LimitedReader{R: l.R, N: min(l.N, piece)}
		n, err := c.file.ReadFrom(&part)
		total += n
		l.N -= n
		if err != nil {
			return total, err
		}
		if n == 0 {
			break // The file is shorter than it was.
		}
	}
	return total, nil
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := c.shut()
	if c.quick.answering.Load() == unanswered {
		c.forget()
	}
	return err
}

func (c *conn) shut() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	c.d.s.open.Add(-1)
	if c.quick.answering.CompareAndSwap(underAnswer, closedUnderAnswer) {
		return nil // The answer is sent before.
	}
	return c.Conn.Close()
}

// CloseWrite lets net/http end its side first, so that a client reads the last answer before it sees the connection reset.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
