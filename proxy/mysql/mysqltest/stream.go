package mysqltest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"galley/proxy/mysql/wire"
)

const maxPayload = 1<<24 - 1

// stream reads and writes packets of any size. It has its own framing, so that package wire is checked by something else than itself.
type stream struct {
	nc  net.Conn
	r   *bufio.Reader
	seq byte
	got int // Bytes read so far.

	packed *Packed // Where the protocol is compressed.
	first  byte    // The number, besides the next one, that a packet that is read may have: that of the first packet of a command or an answer.
}

// errSequence is what both sides say of packets that do not follow each other.
var errSequence = errors.New("packets out of order")

// pack begins compression.
func (s *stream) pack(with wire.Compression, serves bool, chop int) {
	if with == wire.NoCompression {
		return
	}
	s.packed = &Packed{Conn: s.nc, With: with, Serves: serves, Chop: chop}
	s.nc, s.r = s.packed, bufio.NewReaderSize(s.packed, 32<<10)
}

// begin says that a command begins.
func (s *stream) begin() {
	s.seq = 0
	if s.packed != nil && (!s.packed.Serves || s.r.Buffered() == 0) {
		s.packed.Begin()
	}
}

// newStream reads packets of which the first of an answer, or of a command, has the number first.
func newStream(nc net.Conn, first byte) *stream {
	return &stream{nc: nc, r: bufio.NewReaderSize(nc, 32<<10), first: first}
}

// read reads one payload, joined where it is of several packets.
func (s *stream) read() ([]byte, error) {
	var payload []byte
	for {
		var head [wire.HeaderLen]byte
		if _, err := io.ReadFull(s.r, head[:]); err != nil {
			return nil, err
		}
		n := wire.PayloadLen(head[:])
		if s.packed == nil && head[3] != s.seq && head[3] != s.first {
			return nil, fmt.Errorf("%w: %d in place of %d", errSequence, head[3], s.seq)
		}
		s.seq = head[3] + 1
		if s.packed != nil {
			s.seq = s.packed.seq // As servers and clients have it (MariaDB: sql/net_serv.cc): these numbers then say nothing.
		}
		at := len(payload)
		payload = append(payload, make([]byte, n)...)
		if _, err := io.ReadFull(s.r, payload[at:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		s.got += wire.HeaderLen + n
		if n < maxPayload {
			return payload, nil
		}
	}
}

// packets appends payload to b as packets, of which the last is shorter than the longest.
func (s *stream) packets(b, payload []byte) []byte {
	for {
		n := min(len(payload), maxPayload)
		b = append(b, byte(n), byte(n>>8), byte(n>>16), s.seq)
		b = append(b, payload[:n]...)
		s.seq++
		payload = payload[n:]
		if n < maxPayload {
			return b
		}
	}
}

func (s *stream) write(payload []byte) error {
	_, err := s.nc.Write(s.packets(nil, payload))
	return err
}

// pipeEnd is the end of a net.Pipe that takes whatever is written to it at once, as a socket's buffer does.
type pipeEnd struct {
	net.Conn
	mu     sync.Mutex
	more   *sync.Cond
	unread bytes.Buffer
	err    error
}

// newPipe makes a connection in memory. The far end buffers what it is sent; the near end does not.
func newPipe() (near, far net.Conn) {
	a, b := net.Pipe()
	p := &pipeEnd{Conn: b}
	p.more = sync.NewCond(&p.mu)
	go p.pump()
	return a, p
}

func (p *pipeEnd) pump() {
	var chunk [4096]byte
	for {
		n, err := p.Conn.Read(chunk[:])
		p.mu.Lock()
		p.unread.Write(chunk[:n])
		p.err = err
		p.more.Broadcast()
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// SetDeadline implements net.Conn; the far end of a pipe has none.
func (p *pipeEnd) SetDeadline(time.Time) error { return nil }

// Read implements net.Conn.
func (p *pipeEnd) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.unread.Len() == 0 && p.err == nil {
		p.more.Wait()
	}
	if p.unread.Len() > 0 {
		return p.unread.Read(b)
	}
	return 0, p.err
}

// Listener takes connections in memory, for tests in a bubble of testing/synctest.
type Listener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// NewListener makes a Listener.
func NewListener() *Listener { return &Listener{conns: make(chan net.Conn), done: make(chan struct{})} }

// Dial connects to the listener.
func (l *Listener) Dial() (net.Conn, error) {
	near, far := newPipe()
	select {
	case l.conns <- near:
		return far, nil
	case <-l.done:
		_ = near.Close()
		_ = far.Close()
		return nil, net.ErrClosed
	}
}

// DialUnbuffered connects to the listener by a connection that holds nothing: what the door writes is taken when it is read.
func (l *Listener) DialUnbuffered() (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- near:
		return far, nil
	case <-l.done:
		_, _ = near.Close(), far.Close()
		return nil, net.ErrClosed
	}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "pipe"} }
