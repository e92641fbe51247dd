package fcgi

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// Errors that a read can end with.
var (
	// ErrTruncated says that the answer broke off: there was no END_REQUEST.
	ErrTruncated = errors.New("the answer broke off")
	// ErrRejected says that the peer did not run the script (OVERLOADED and the like).
	ErrRejected = errors.New("the request was rejected")
	// ErrTimeout says that nothing came in time.
	ErrTimeout = errors.New("timeout")
	// ErrBody says that the body of the request could not be read.
	ErrBody = errors.New("the body of the request cannot be read")
	// ErrInterrupted says that Interrupt was called.
	ErrInterrupted = errors.New("interrupted")
)

// Error is how a round trip failed.
type Error struct {
	// Committed says that the script may have run, may be running or may run yet.
	Committed bool
	// Answered says that the peer sent something, no good or not all, as opposed to nothing.
	Answered bool
	Err      error
}

// Error gives the cause.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// stdout returns the next piece of STDOUT, which is good until the next read.
func (c *Conn) stdout() ([]byte, error) {
	if err := c.next(); err != nil {
		return nil, err
	}
	if c.r == c.w {
		if err := c.fill(c.deadline()); err != nil {
			return nil, c.cut(err)
		}
	}
	n := min(c.left, c.w-c.r)
	b := c.buf[c.r : c.r+n]
	c.r += n
	c.left -= n
	return b, nil
}

// next goes on to content of STDOUT, of which there is then at least one byte
// to come; io.EOF is the regular end.
func (c *Conn) next() error {
	for {
		if c.ended {
			return io.EOF
		}
		if !c.open {
			if err := c.begin(); err != nil {
				return err
			}
		}
		switch {
		case c.left > 0 && c.rec.Type == Stdout:
			return nil
		case c.left > 0:
			if err := c.other(); err != nil {
				return err
			}
		case c.pad > 0:
			if err := c.skip(&c.pad, nil); err != nil {
				return err
			}
		default:
			c.open = false
		}
	}
}

// begin reads the head of a record.
func (c *Conn) begin() error {
	for c.w-c.r < headerLen {
		if err := c.fill(c.deadline()); err != nil {
			return c.cut(err)
		}
	}
	h, err := ParseHeader(c.buf[c.r:c.w])
	if err != nil {
		return err
	}
	if h.ID != requestID && h.ID != 0 {
		return fmt.Errorf("%w: a record for request %d", ErrMalformed, h.ID)
	}
	if h.Type == EndRequest && h.ID == requestID && h.Length != 8 {
		return fmt.Errorf("%w: an END_REQUEST of %d bytes", ErrMalformed, h.Length)
	}
	if h.ID == 0 {
		h.Type = UnknownType // whatever it says, it is not part of the answer
	}
	c.r += headerLen
	c.rec, c.left, c.pad, c.open = h, h.Length, h.Padding, true
	return nil
}

// other reads content that is not of STDOUT.
func (c *Conn) other() error {
	switch c.rec.Type { //nolint:exhaustive // all others are passed over
	case EndRequest:
		for c.w-c.r < c.left {
			if err := c.fill(c.deadline()); err != nil {
				return c.cut(err)
			}
		}
		status := Status(c.buf[c.r+4])
		c.r += c.left
		c.left = 0
		if status != Complete {
			return fmt.Errorf("%w: %s", ErrRejected, status)
		}
		c.ended = true
		return nil
	case Stderr:
		return c.skip(&c.left, c.stderr)
	}
	return c.skip(&c.left, nil)
}

// skip passes over the next bytes, once at most as many as are in the buffer, and shows them to somebody.
func (c *Conn) skip(left *int, show func([]byte)) error {
	if c.r == c.w {
		if err := c.fill(c.deadline()); err != nil {
			return c.cut(err)
		}
	}
	n := min(*left, c.w-c.r)
	if show != nil {
		show(c.buf[c.r : c.r+n])
	}
	c.r += n
	*left -= n
	return nil
}

// cut turns the end of a connection in the middle of an answer into ErrTruncated.
func (c *Conn) cut(err error) error {
	if errors.Is(err, ErrTimeout) || errors.Is(err, ErrInterrupted) || errors.Is(err, ErrBody) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrTruncated, notEOF(err))
}

// notEOF keeps io.EOF, which is the regular end, out of the causes of others.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (c *Conn) deadline() time.Time { return lasting(c.readUntil, c.timeout) }

// lasting is a deadline that leaves so much time, and up to a quarter more: one that is set is left as long as it does, to spare the calls. No time is no deadline.
func lasting(set time.Time, length time.Duration) time.Time {
	if length <= 0 {
		return time.Time{}
	}
	now := time.Now()
	if left := set.Sub(now); left >= length && left <= length+length/4 {
		return set
	}
	return now.Add(length + length/4)
}

// fill reads more into the buffer.
func (c *Conn) fill(deadline time.Time) error {
	if c.buf == nil {
		if c.closed {
			return net.ErrClosed
		}
		c.buf = c.buffers.get()
	}
	if c.r == c.w {
		c.r, c.w = 0, 0
	} else if c.w == len(c.buf) {
		c.w = copy(c.buf[:], c.buf[c.r:c.w])
		c.r = 0
	}
	n, err := c.read(c.buf[c.w:], deadline)
	c.w += n
	return err
}

// read reads at least one byte, or says why not.
func (c *Conn) read(p []byte, deadline time.Time) (int, error) {
	if !deadline.Equal(c.readUntil) {
		_ = c.nc.SetReadDeadline(deadline)
		c.readUntil = deadline
	}
	if c.interrupted.Load() {
		// Interrupt may have come before the deadline was set.
		return 0, c.why()
	}
	if c.drained {
		// Go switches Nagle off; php-fpm does not, and in the middle of an answer waits for an ACK, which the kernel here may delay by 40 ms.
		c.ack.now()
	}
	n, err := c.nc.Read(p)
	if n > 0 {
		c.answered, c.drained = true, n < len(p)
		return n, nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && c.interrupted.Load() {
		return 0, c.why()
	}
	return 0, timedOut(err)
}

// why says who interrupted.
func (c *Conn) why() error {
	if c.bodyFailed.Load() {
		return ErrBody
	}
	return ErrInterrupted
}

func timedOut(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	return err
}
