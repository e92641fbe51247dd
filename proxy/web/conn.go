package web

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
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

// atOnce is what the kernel is asked to send of a file in one call: what nginx asks for. A client has the write timeout for a piece of it all the same.
const atOnce = 2 << 20

// ReadFrom lets the kernel send a file, piece by piece.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	l, limited := r.(*io.LimitedReader)
	if c.file == nil || !limited {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	if f, ok := l.R.(*os.File); ok {
		return c.sendFile(l, f)
	}
	total := int64(0)
	for l.N > 0 {
		n, err := c.sendPart(l, piece)
		if total += n; err != nil || n == 0 { // It may be shorter than was said.
			return total, err
		}
	}
	return total, nil
}

// sendFile sends a file. A time-out in which a piece was taken is no end, so that a client may be as slow as with anything else.
func (c *conn) sendFile(l *io.LimitedReader, f *os.File) (int64, error) {
	start, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	total := int64(0)
	for l.N > 0 {
		n, err := c.sendPart(l, atOnce)
		total += n
		if err != nil && n >= piece && errors.Is(err, os.ErrDeadlineExceeded) {
			_, err = f.Seek(start+total, io.SeekStart) // More may have been read than sent, where the kernel cannot send it.
		}
		if err != nil || n == 0 { // The file may be shorter than it was.
			return total, err
		}
	}
	return total, nil
}

// sendPart sends the next part, under one deadline.
func (c *conn) sendPart(l *io.LimitedReader, most int64) (int64, error) {
	if err := c.extend(); err != nil {
		return 0, err
	}
	part := io.LimitedReader{R: l.R, N: min(l.N, most)}
	n, err := c.file.ReadFrom(&part)
	l.N -= n
	return n, err
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
