package fcgi

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// bufferSize holds a whole small page with its records.
	bufferSize = 16 << 10
	// inlineBody is how much goes out with the params in one write: less than any socket buffer, so that it never waits for the script.
	inlineBody = 8 << 10
	// stdinChunk is the content of one STDIN record of a large body.
	stdinChunk = 32 << 10
	// keepAlive is how often the kernel asks whether a peer is there that may be silent.
	keepAlive = 15 * time.Second
	// maxValues bounds the answer to GET_VALUES.
	maxValues = 1 << 10
)

// Buffers are read buffers that connections share one after the other. The
// zero value is ready; it may be used from any goroutine.
type Buffers struct{ pool sync.Pool }

func (b *Buffers) get() *[bufferSize]byte {
	if b == nil {
		return new([bufferSize]byte)
	}
	if buf, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return buf
	}
	return new([bufferSize]byte)
}

func (b *Buffers) put(buf *[bufferSize]byte) {
	if b != nil && buf != nil {
		b.pool.Put(buf)
	}
}

// Conn is a connection for one request, and for another one after Again. It has
// one owner, who calls all methods but Interrupt, which may come from any
// goroutine.
type Conn struct {
	nc          net.Conn
	ack         quickAck
	buffers     *Buffers
	buf         *[bufferSize]byte
	r, w        int    // what of buf is read and not yet used
	rec         Header // the record whose content is being read
	left        int    // of its content
	pad         int    // of its padding
	open        bool   // a record has been begun and not been used up
	ended       bool   // END_REQUEST was there
	kept        bool   // the peer was asked to leave the connection open
	answered    bool   // something has come since the request was sent
	drained     bool   // the last read took all that was there
	timeout     time.Duration
	readUntil   time.Time // the deadlines that are set
	writeUntil  time.Time
	stderr      func([]byte)
	head        []byte        // STDOUT so far, while the header is not complete
	rest        []byte        // STDOUT that came with the header
	written     chan struct{} // closed when all of STDIN is out or lost; nil where it went with the params
	interrupted atomic.Bool
	bodyFailed  atomic.Bool
	closed      bool
}

// NewConn takes a connection over. Buffers may be nil.
func NewConn(nc net.Conn, buffers *Buffers) *Conn {
	return &Conn{nc: nc, buffers: buffers, ack: newQuickAck(nc)}
}

// Interrupt makes a read that is under way, and each later one, fail with
// ErrInterrupted. What has been read so far is kept: see Resume.
func (c *Conn) Interrupt() {
	c.interrupted.Store(true)
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
}

// Resume lets reads go on after Interrupt.
func (c *Conn) Resume() {
	c.interrupted.Store(false)
	c.readUntil = time.Unix(1, 0)
}

// Close closes the connection and waits until nothing reads the body any
// more. It may be called again.
func (c *Conn) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	err := c.nc.Close()
	if c.written != nil {
		<-c.written
	}
	c.buffers.put(c.buf)
	c.buf, c.r, c.w, c.rest = nil, 0, 0, nil
	return err
}

// Probe asks for a value by GET_VALUES. The answer shows that a worker has
// taken this connection and will take the request on it; PHP up to 8.1 closes
// after the answer (php-src PR#12387). Without an answer by the deadline the
// error is ErrTimeout, and ProbeAgain goes on waiting for it.
func (c *Conn) Probe(deadline time.Time) error {
	ask := AppendRecord(make([]byte, 0, 32), GetValues, 0, append([]byte{15, 0}, "FCGI_MPXS_CONNS"...))
	if _, err := c.nc.Write(ask); err != nil { // It does not wait: so little fits into an empty socket.
		return fmt.Errorf("ask for a worker: %w", err)
	}
	return c.ProbeAgain(deadline)
}

// ProbeAgain waits for the answer to a Probe that has timed out.
func (c *Conn) ProbeAgain(deadline time.Time) error {
	for {
		if c.w-c.r >= headerLen {
			h, err := ParseHeader(c.buf[c.r:c.w])
			if err != nil {
				return err
			}
			if h.Type != GetValuesResult || h.ID != 0 || h.Length+h.Padding > maxValues {
				return fmt.Errorf("%w: a record of type %d in answer to GET_VALUES", ErrMalformed, h.Type)
			}
			if all := headerLen + h.Length + h.Padding; c.w-c.r >= all {
				c.r += all
				return nil
			}
		}
		if err := c.fill(deadline); err != nil {
			return fmt.Errorf("wait for a worker: %w", err)
		}
	}
}

// StaysOpen says whether the peer leaves the connection open for some time,
// with nothing sent in either direction.
func (c *Conn) StaysOpen(length time.Duration) bool {
	err := c.fill(time.Now().Add(length))
	return errors.Is(err, ErrTimeout) || errors.Is(err, ErrInterrupted)
}

// Request is what a script is run with.
type Request struct {
	// Params are all of them.
	Params []Param
	// Body is read from its begin; Size is its length and must be what CONTENT_LENGTH says. It is read until Close returns.
	Body io.ReaderAt
	Size int64
	// Timeout is how long the script may send nothing; 0 is for ever.
	Timeout time.Duration
	// Keep asks the peer to leave the connection open after the answer, for Again. It counts only where there is no body.
	Keep bool
	// Stderr hears what PHP logs. It must not keep the slice and must not block. It may be nil.
	Stderr func([]byte)
}

// RoundTrip sends the request and reads the header of the answer. Its body is
// then to be had by Read. An error is of type *Error.
func (c *Conn) RoundTrip(r *Request) (status int, header http.Header, err error) {
	c.timeout, c.stderr = r.Timeout, r.Stderr
	if committed, err := c.send(r); err != nil {
		return 0, nil, &Error{Committed: committed, Err: fmt.Errorf("send the request: %w", err)}
	}
	return c.Header()
}

// Header reads the header of the answer; after ErrInterrupted and Resume it goes on where it was.
func (c *Conn) Header() (status int, header http.Header, err error) {
	for {
		content, err := c.stdout()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: the answer has none", ErrBadHeader)
			}
			return 0, nil, &Error{Committed: len(c.head) > 0 || !errors.Is(err, ErrRejected), Answered: c.answered, Err: err}
		}
		whole := content
		if len(c.head) > 0 {
			c.head = append(c.head, content...)
			whole = c.head
		}
		status, header, n, err := ParseCGI(whole)
		if err != nil {
			return 0, nil, &Error{Committed: true, Answered: true, Err: err}
		}
		if n > 0 {
			c.rest, c.head = whole[n:], nil
			return status, header, nil
		}
		if len(c.head) == 0 {
			c.head = append(make([]byte, 0, 2*len(content)), content...)
		}
	}
}

// Read reads the body of the answer. It is io.EOF only after END_REQUEST: an
// answer that ends in any other way is ErrTruncated.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.rest) > 0 {
		n := copy(p, c.rest)
		c.rest = c.rest[n:]
		return n, nil
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.next(); err != nil {
		return 0, err
	}
	n := min(len(p), c.left)
	if c.r < c.w {
		n = copy(p[:n], c.buf[c.r:c.w])
		c.r += n
	} else {
		var err error
		if n, err = c.read(p[:n], c.deadline()); err != nil {
			return 0, c.cut(err)
		}
	}
	c.left -= n
	return n, nil
}

// Ended says whether END_REQUEST has come: the worker is free again.
func (c *Conn) Ended() bool { return c.ended }

// Here says whether all that is left of the answer has been read off the connection, END_REQUEST too: Read waits for nothing any more.
func (c *Conn) Here() bool {
	if c.ended {
		return true
	}
	at := c.r
	if c.open {
		at += c.left + c.pad
	}
	for at+headerLen <= c.w {
		h, err := ParseHeader(c.buf[at:c.w])
		if err != nil {
			return false
		}
		at += headerLen + h.Length
		if h.Type == EndRequest && h.ID == requestID {
			return at <= c.w
		}
		at += h.Padding
	}
	return false
}

// Again makes the connection ready for another request, and says whether it is:
// the one before was sent with Keep, its answer was read to its end, and nothing
// followed that. It does not say that the peer has left the connection open.
//
// A connection on which a body was sent is never used again: what a script did
// not read of it, php-fpm would take for the next request.
func (c *Conn) Again() bool {
	if c.closed || !c.kept || !c.ended || c.r != c.w || c.left+c.pad > 0 || c.interrupted.Load() {
		return false
	}
	c.open, c.ended, c.kept = false, false, false
	c.head, c.rest, c.stderr = nil, nil, nil
	return true
}

// Sent waits until all of the body is out, or lost, and says whether that was so in time.
func (c *Conn) Sent(limit time.Duration) bool {
	if c.written == nil {
		return true
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.written:
		return true
	case <-timer.C:
		return false
	}
}

// Discard reads what is left of the answer, the header too if it was not read yet, and returns nil after its regular end.
func (c *Conn) Discard() error {
	c.rest, c.head = nil, nil
	for {
		if _, err := c.stdout(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// SetTimeout changes how long the script may send nothing; 0 is for ever, or until the kernel finds that the peer is gone.
func (c *Conn) SetTimeout(d time.Duration) {
	c.timeout = d
	if tcp, ok := c.nc.(*net.TCPConn); ok && d == 0 {
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive, Count: 4})
	}
}

// send writes the request. Where the body does not go out with the params, a
// goroutine that ends with Close writes it.
func (c *Conn) send(r *Request) (committed bool, err error) {
	c.kept = r.Keep && r.Size == 0
	b, err := AppendParams(appendBegin(c.room(), c.kept), r.Params)
	if err != nil {
		return false, err
	}
	b = AppendHeader(b, Params, requestID, 0)
	commit := len(b)
	inline := int64(len(b))+r.Size <= inlineBody
	switch {
	case inline && r.Size > 0:
		b = AppendHeader(b, Stdin, requestID, int(r.Size))
		at := len(b)
		b = append(b, make([]byte, r.Size)...)
		if err = readFull(r.Body, b[at:], 0); err != nil {
			return false, fmt.Errorf("%w: %w", ErrBody, err)
		}
		fallthrough
	case r.Size == 0:
		b = AppendHeader(b, Stdin, requestID, 0)
	}
	c.answered, c.drained = false, false
	if until := lasting(c.writeUntil, r.Timeout); !until.Equal(c.writeUntil) {
		_ = c.nc.SetWriteDeadline(until)
		c.writeUntil = until
	}
	n, err := c.nc.Write(b)
	if err != nil {
		return n >= commit, timedOut(err)
	}
	if !inline && r.Size > 0 {
		_ = c.nc.SetWriteDeadline(time.Time{})
		c.writeUntil = time.Time{}
		c.written = make(chan struct{})
		go c.stdin(r.Body, r.Size)
	}
	return true, nil
}

// room is where the request is put together: the read buffer, which is empty as long as nothing was asked.
func (c *Conn) room() []byte {
	if c.buf == nil {
		c.buf = c.buffers.get()
	}
	if c.r != c.w {
		return nil
	}
	return c.buf[:0]
}

// stdin writes a large body while the answer is being read: a script may
// answer before it has taken all of it, and neither may wait for the other. A
// failure shows in the answer.
func (c *Conn) stdin(body io.ReaderAt, size int64) {
	defer close(c.written)
	b := make([]byte, headerLen+stdinChunk+headerLen)
	for at := int64(0); at < size; {
		n := int(min(stdinChunk, size-at))
		AppendHeader(b[:0], Stdin, requestID, n)
		if err := readFull(body, b[headerLen:headerLen+n], at); err != nil {
			// Without the rest php-fpm would wait for ever.
			c.bodyFailed.Store(true)
			c.Interrupt()
			return
		}
		at += int64(n)
		record := b[:headerLen+n]
		if at == size {
			record = AppendHeader(record, Stdin, requestID, 0)
		}
		if _, err := c.nc.Write(record); err != nil {
			return
		}
	}
}

// readFull is ReadAt without the io.EOF that may come with the last bytes.
func readFull(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}
