package wire

import (
	"errors"
	"fmt"
	"io"
)

// HeaderLen is the length of a packet's header: three bytes of length, little endian, and the sequence number.
const HeaderLen = 4

// MaxPayload is the length from which on a payload goes on in a further packet.
const MaxPayload = maxPayload

// ErrTooLong is returned where a packet is longer than the caller would take.
var ErrTooLong = errors.New("packet too long")

// ErrMalformed is returned where a packet does not have the shape that its place asks for.
var ErrMalformed = errors.New("malformed packet")

// PayloadLen reads the length from a packet's header.
func PayloadLen(p []byte) int { return int(p[0]) | int(p[1])<<8 | int(p[2])<<16 }

// PutHeader writes a packet's header for n bytes of payload into p.
func PutHeader(p []byte, n int, seq byte) {
	p[0], p[1], p[2], p[3] = byte(n), byte(n>>8), byte(n>>16), seq
}

// Need waits until the window holds n bytes.
func (c *Conn) Need(n int) error {
	if c.w-c.r < n {
		return c.needMore(n)
	}
	return nil
}

func (c *Conn) needMore(n int) error {
	if c.buf != nil && n > smallBuffer {
		c.Grow(n)
	}
	for c.w-c.r < n {
		if err := c.Fill(); err != nil {
			if errors.Is(err, io.EOF) && c.w > c.r {
				return io.ErrUnexpectedEOF
			}
			return err
		}
		if c.w-c.r < n && len(c.buf) < n {
			c.Grow(n)
		}
	}
	return nil
}

// ReadPacket reads one whole packet of at most limit bytes and takes it off the window. Its payload is valid until the next read.
// Packets that go on in a further one are refused: those are streamed, never read whole.
func (c *Conn) ReadPacket(limit int) ([]byte, error) {
	if err := c.Need(HeaderLen); err != nil {
		return nil, err
	}
	n := PayloadLen(c.Window())
	if n > limit || n == maxPayload {
		return nil, fmt.Errorf("%w: %d bytes where at most %d are expected", ErrTooLong, n, limit)
	}
	if err := c.Need(HeaderLen + n); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	p := c.Window()[:HeaderLen+n]
	c.Seq = p[3] + 1
	c.Discard(len(p))
	return p[HeaderLen:], nil
}

// WritePacket sends one packet with the next sequence number. Payloads of 16 MiB and more are refused.
func (c *Conn) WritePacket(payload []byte) error {
	if len(payload) >= maxPayload {
		return ErrTooLong
	}
	return c.Write(c.AppendPacket(nil, payload))
}

// AppendPacket appends payload as one packet to b and takes a sequence number for it.
func (c *Conn) AppendPacket(b, payload []byte) []byte {
	n := len(payload)
	b = append(b, byte(n), byte(n>>8), byte(n>>16), c.Seq)
	c.Seq++
	return append(b, payload...)
}

// AppendCommand appends a command (its byte and argument) as a first packet, whose sequence number is 0. The argument must be shorter than 16 MiB.
func AppendCommand[T []byte | string](b []byte, command byte, argument T) []byte {
	n := len(argument) + 1
	b = append(b, byte(n), byte(n>>8), byte(n>>16), 0, command)
	return append(b, argument...)
}
