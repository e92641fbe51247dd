package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// wholeZstd is the length before compression up to which a packet of zstd is unpacked in one go. A longer one is unpacked as it comes, which needs its window in
// memory, up to maxZstdWindow.
const wholeZstd = 256 << 10

// wholeZlib is the length of a compressed packet up to which it is had in memory before it is unpacked.
const wholeZlib = largeBuffer

// unpacking is the compressed packet that is being read. Its sequence number is not checked: servers answer a packet that is too long before they have read all of it.
type unpacking struct {
	in     int       // Bytes of it that have not been taken from the socket.
	left   int       // Bytes of its content that have not been given.
	from   io.Reader // The decompressor; nil where the content is stored, or stands in plain.
	whole  bool      // It reads from what is in the window, all of it, by memory.
	memory bytes.Reader
	plain  []byte // Content that was unpacked whole, still to be given.
	buffer []byte // Where plain lies.
	err    error  // What ended it all.
	failed error  // Of the socket, within the decompressor.
}

// await waits until there is content to be read. It holds nothing while it waits for a packet to begin.
func (p *packed) await() error {
	if p.err != nil || p.left > 0 {
		return p.err
	}
	if err := p.under.Need(packedHeaderLen); err != nil {
		return err // Between packets, so that one may come yet.
	}
	p.err = p.begin()
	return p.err
}

// begin takes a packet's header.
func (p *packed) begin() error {
	h := p.under.Window()
	p.in, p.left = PayloadLen(h), PayloadLen(h[4:])
	p.seq = h[3] + 1
	p.under.Discard(packedHeaderLen)
	if p.in == 0 {
		return fmt.Errorf("%w: empty compressed packet", ErrMalformed)
	}
	p.walk.fresh = true
	p.failed = nil
	switch {
	case p.left == 0:
		p.left = p.in
		return nil
	case p.with == Zstd && p.left <= wholeZstd:
		return p.unpackWhole()
	}
	from := io.Reader((*content)(p))
	if p.whole = p.in <= wholeZlib; p.whole {
		// Several times as fast as byte by byte.
		if err := p.under.Need(p.in); err != nil {
			return cutOff(err)
		}
		p.memory.Reset(p.under.Window()[:p.in])
		from = &p.memory
	}
	var err error
	p.from, err = p.codecs.open(p.with, from)
	return p.decoded(err)
}

// unpackWhole unpacks a packet that is small in one go. One that is much longer than what it holds is not what it seems.
func (p *packed) unpackWhole() error {
	if p.in > p.left+p.left/8+1024 {
		return fmt.Errorf("%w: %d bytes compressed to %d", ErrMalformed, p.left, p.in)
	}
	if err := p.under.Need(p.in); err != nil {
		return cutOff(err)
	}
	p.buffer = p.under.buffers.get(p.left)
	plain, err := p.codecs.unpack(p.buffer[:0:p.left], p.under.Window()[:p.in])
	if err == nil && len(plain) != p.left {
		err = fmt.Errorf("%d bytes where %d were announced", len(plain), p.left)
	}
	p.under.Discard(p.in)
	p.in, p.plain = 0, plain
	return p.decoded(err)
}

// read gives at least one byte of content behind await.
func (p *packed) read(b []byte) (n int, err error) {
	b = b[:min(len(b), p.left)]
	switch {
	case p.from != nil:
		n, err = p.from.Read(b)
		for n == 0 && err == nil {
			n, err = p.from.Read(b)
		}
		if errors.Is(err, io.EOF) {
			err = nil
			if n < p.left {
				err = io.ErrUnexpectedEOF
			}
		}
		err = p.decoded(err)
	case p.plain != nil:
		n = copy(b, p.plain)
		p.plain = p.plain[n:]
	default:
		n, err = (*content)(p).Read(b)
		err = cutOff(err)
	}
	p.left -= n
	if p.left == 0 && err == nil {
		err = p.end()
	}
	p.err = err
	return n, err
}

// end takes leave of a packet of which all is read: there must be neither more content nor more bytes.
func (p *packed) end() error {
	if p.from != nil {
		var more [1]byte
		n, err := p.from.Read(more[:])
		for n == 0 && err == nil {
			n, err = p.from.Read(more[:])
		}
		if n > 0 {
			return fmt.Errorf("%w: a compressed packet with more in it than announced", ErrMalformed)
		}
		if !errors.Is(err, io.EOF) {
			return p.decoded(err)
		}
		p.codecs.close(p.with, p.from)
		p.from = nil
		if p.whole {
			p.under.Discard(p.in - p.memory.Len())
			p.in, p.whole = p.memory.Len(), false
			p.memory.Reset(nil)
		}
	}
	if p.buffer != nil {
		p.under.buffers.put(p.buffer)
		p.buffer, p.plain = nil, nil
	}
	if p.in > 0 {
		return fmt.Errorf("%w: %d bytes behind a compressed packet's content", ErrMalformed, p.in)
	}
	p.under.Release()
	return nil
}

// decoded says what an error of a decompressor means.
func (p *packed) decoded(err error) error {
	switch {
	case err == nil:
		return nil
	case p.failed != nil:
		return p.failed
	default:
		return fmt.Errorf("%w: compressed packet: %w", ErrMalformed, err)
	}
}

// idle is Conn.Idle: nothing may be unread, here or on the socket.
func (p *packed) idle() error {
	switch {
	case p.err != nil:
		return p.err
	case p.left > 0:
		return ErrUnexpectedBytes
	}
	return p.under.Idle()
}

// cutOff says of an error within a packet that it came too early.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// content reads what the current packet holds, as it came.
type content packed

// Read implements io.Reader; it waits for bytes of the socket.
func (c *content) Read(b []byte) (int, error) {
	if err := c.need(); err != nil {
		return 0, err
	}
	n := copy(b[:min(len(b), c.in)], c.under.Window())
	c.under.Discard(n)
	c.in -= n
	return n, nil
}

// ReadByte implements io.ByteReader, so that decompressors read no more than they need.
func (c *content) ReadByte() (byte, error) {
	if err := c.need(); err != nil {
		return 0, err
	}
	b := c.under.Window()[0]
	c.under.Discard(1)
	c.in--
	return b, nil
}

func (c *content) need() error {
	if c.in == 0 {
		return io.EOF
	}
	if err := c.under.Need(1); err != nil {
		c.failed = cutOff(err)
		return c.failed
	}
	return nil
}
