package wire

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// Conn is one side of a MySQL connection: a socket, a read buffer that is held only while there is something in it, and the packet sequence number.
// One goroutine reads and writes; Close may come from any.
type Conn struct {
	nc      net.Conn
	layer   *layer          // Nil in plain.
	raw     syscall.RawConn // Nil where nc is no socket, or the bytes on it are another Conn's to read (compression).
	packed  *packed         // Where the protocol is compressed.
	buffers *Buffers
	buf     []byte // Nil while idle.
	r, w    int    // buf[r:w] is unread.
	// Seq is the sequence number that the next written packet gets and the one after the last read packet's.
	Seq byte

	readFn, writeFn func(fd uintptr) bool // Made once, so that a read or write allocates nothing.
	n               int
	out             []byte
	stalled         atomic.Uint32 // Another number each time that a write has to wait; 0 while none does.
	errno           syscall.Errno
}

// NewConn puts a Conn on nc, taking buffers from b.
func NewConn(nc net.Conn, b *Buffers) *Conn {
	c := &Conn{nc: nc, buffers: b}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw = raw
			c.readFn, c.writeFn = c.readReady, c.writeReady
		}
	}
	return c
}

// NetConn gives the connection beneath, below TLS, for deadlines and addresses.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Close closes the socket. It may be called from any goroutine and more than once.
func (c *Conn) Close() error { return c.nc.Close() }

// SetDeadline bounds the reads and writes that follow; the zero time takes the bound away.
func (c *Conn) SetDeadline(t time.Time) error { return c.nc.SetDeadline(t) }

// Window is what has been read and not discarded.
func (c *Conn) Window() []byte { return c.buf[c.r:c.w] }

// Discard takes n bytes off the front of the window.
func (c *Conn) Discard(n int) { c.r += n }

// Release gives the buffer back where nothing in it is unread.
func (c *Conn) Release() {
	if c.buf != nil && c.r == c.w {
		c.buffers.put(c.buf)
		c.buf, c.r, c.w = nil, 0, 0
	}
	if c.packed != nil {
		c.packed.under.Release()
	}
}

// Fill waits for bytes and adds them to the window, at least one. It returns io.EOF where the other side has closed.
func (c *Conn) Fill() error {
	if c.packed != nil {
		return c.fillUnpacked()
	}
	if c.buf != nil {
		c.makeRoom()
	}
	if c.layer != nil && c.buf == nil {
		return c.fillFirst()
	}
	if r := c.stream(); r != nil {
		if c.buf == nil {
			c.buf = c.buffers.get(smallBuffer)
		}
		n, err := r.Read(c.buf[c.w:])
		c.w += n
		if n > 0 {
			return nil
		}
		return err
	}
	c.errno, c.n = 0, 0
	if err := c.raw.Read(c.readFn); err != nil {
		return err
	}
	switch {
	case c.errno != 0:
		return c.errno
	case c.n == 0:
		return io.EOF
	}
	c.w += c.n
	return nil
}

// Grow makes the buffer hold at least n bytes from the front of the window on.
func (c *Conn) Grow(n int) {
	if len(c.buf) >= n {
		return
	}
	next := c.buffers.get(n)
	c.w = copy(next, c.buf[c.r:c.w])
	c.r = 0
	if c.buf != nil {
		c.buffers.put(c.buf)
	}
	c.buf = next
}

// Full says whether the window fills the buffer: there was at least as much to read as fits.
func (c *Conn) Full() bool { return c.w == len(c.buf) && c.buf != nil }

// Enlarge makes the buffer as big as pays for large results.
func (c *Conn) Enlarge() { c.Grow(largeBuffer) }

func (c *Conn) makeRoom() {
	if c.r == c.w {
		c.r, c.w = 0, 0
		return
	}
	if c.r > 0 && len(c.buf)-c.w < len(c.buf)/4 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.buf) {
		c.Grow(2 * len(c.buf))
	}
}

// readReady reads once without waiting. The buffer is taken just before, and given back when there was nothing, so that an idle connection holds none.
// A raw system call, as the socket never blocks: the scheduler need not be told (measured: half of a point select's cost in a lightly loaded proxy).
func (c *Conn) readReady(fd uintptr) bool {
	if c.buf == nil {
		c.buf = c.buffers.get(smallBuffer)
	}
	for {
		p := c.buf[c.w:]
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p))) //nolint:gosec // the pointer lives for this call only
		if errno == syscall.EINTR {
			continue
		}
		if errno == syscall.EAGAIN {
			c.Release()
			return false
		}
		if c.errno = errno; errno == 0 {
			c.n = int(n)
		}
		return true
	}
}

// Write sends p whole; compressed, an answer may wait for Flush.
func (c *Conn) Write(p []byte) error {
	if c.packed != nil {
		return c.packed.write(p)
	}
	if w := c.stream(); w != nil {
		c.stalled.Store(1)
		_, err := w.Write(p)
		c.stalled.Store(0)
		return err
	}
	c.out, c.errno = p, 0
	err := c.raw.Write(c.writeFn)
	c.out = nil
	if c.stalled.Load() != 0 {
		c.stalled.Store(0)
	}
	if err == nil && c.errno != 0 {
		return c.errno
	}
	return err
}

func (c *Conn) writeReady(fd uintptr) bool {
	for len(c.out) > 0 {
		// sendto with MSG_NOSIGNAL is what write does on a socket, without SIGPIPE.
		n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(c.out))), uintptr(len(c.out)), syscall.MSG_NOSIGNAL, 0, 0) //nolint:gosec // the pointer lives for this call only
		if errno == syscall.EAGAIN {
			if c.stalled.Add(1) == 0 {
				c.stalled.Store(1)
			}
			return false
		}
		if errno == 0 {
			c.out = c.out[n:]
		} else if errno != syscall.EINTR {
			c.errno = errno
			return true
		}
	}
	return true
}

// ErrUnexpectedBytes is what Idle returns where the other side said something out of turn.
var ErrUnexpectedBytes = errors.New("bytes out of turn")

// Idle checks, without waiting, that a connection on which nothing is under way is still good: nothing unread, not closed by the other side.
func (c *Conn) Idle() error {
	if c.r != c.w {
		return ErrUnexpectedBytes
	}
	if c.packed != nil {
		return c.packed.idle()
	}
	if c.raw == nil {
		return nil
	}
	var got error
	err := c.raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0) //nolint:gosec // the pointer lives for this call only
		switch {
		case errno == syscall.EAGAIN || errno == syscall.EINTR:
		case errno != 0:
			got = errno
		case n == 0:
			got = io.EOF
		default:
			got = ErrUnexpectedBytes
		}
	})
	if err != nil {
		return err
	}
	return got
}

// NeverSent says whether what was last written surely reached nobody: the other side had closed before it came. After a close by the other side a write is answered
// by a reset, which the kernel reports as EPIPE where the close was seen first and as ECONNRESET where it was not (Linux, tcp_reset() in net/ipv4/tcp_input.c).
// It asks the socket's pending error, and so answers once.
func (c *Conn) NeverSent(err error) bool {
	if c.packed != nil {
		return c.packed.under.NeverSent(err)
	}
	if errors.Is(err, syscall.EPIPE) {
		return true
	}
	if c.raw == nil || !errors.Is(err, io.EOF) {
		return false
	}
	pending := 0
	if cerr := c.raw.Control(func(fd uintptr) {
		pending, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
	}); cerr != nil {
		return false
	}
	return syscall.Errno(pending) == syscall.EPIPE
}
