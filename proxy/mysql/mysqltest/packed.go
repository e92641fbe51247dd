package mysqltest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/klauspost/compress/zstd"

	"galley/proxy/mysql/wire"
)

// Packed speaks the compressed protocol on a connection, with the standard library's zlib, so that package wire is checked by something else than itself.
// Reads and writes are for one goroutine each, in turn, as in the protocol.
type Packed struct {
	net.Conn
	With   wire.Compression
	Chop   int  // The most that goes into one packet; the protocol's 16 MiB - 1 if it is 0.
	Serves bool // It is the server's side.
	Sent   int  // Compressed packets written.
	Got    int  // Compressed packets read.

	seq    byte // Of the next packet, written or read.
	unread bytes.Buffer

	encoder *zstd.Encoder
	decoder *zstd.Decoder
	writer  *zlib.Writer
}

// errOrder is what a server says of packets that do not follow each other.
var errOrder = errors.New("compressed packets out of order")

// Begin says that a command begins: the numbers start again.
func (p *Packed) Begin() { p.seq = 0 }

// Began says that a command was sent in another way, in packets up to the number before next.
func (p *Packed) Began(next byte) { p.seq = next }

// Read implements net.Conn.
func (p *Packed) Read(b []byte) (int, error) {
	for p.unread.Len() == 0 {
		if err := p.packet(); err != nil {
			return 0, err
		}
	}
	return p.unread.Read(b)
}

func (p *Packed) packet() error {
	var head [7]byte
	if _, err := io.ReadFull(p.Conn, head[:]); err != nil {
		return err
	}
	// A client may have several commands answered in turn, each from 1 on.
	if head[3] != p.seq && (p.Serves || head[3] != 1) {
		return fmt.Errorf("%w: %d in place of %d", errOrder, head[3], p.seq)
	}
	p.Got++
	p.seq = head[3] + 1
	body := make([]byte, wire.PayloadLen(head[:]))
	if _, err := io.ReadFull(p.Conn, body); err != nil {
		return err
	}
	n := wire.PayloadLen(head[4:])
	if n == 0 {
		p.unread.Write(body)
		return nil
	}
	content, err := p.unpack(body)
	if err != nil {
		return err
	}
	if len(content) != n || len(body) >= n {
		return fmt.Errorf("a packet of %d bytes says that it holds %d and holds %d", len(body), n, len(content))
	}
	p.unread.Write(content)
	return nil
}

func (p *Packed) unpack(body []byte) ([]byte, error) {
	if p.With == wire.Zstd {
		if p.decoder == nil {
			var err error
			if p.decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true)); err != nil {
				return nil, err
			}
		}
		return p.decoder.DecodeAll(body, nil)
	}
	r, err := zlib.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Write implements net.Conn.
func (p *Packed) Write(b []byte) (int, error) {
	chop := p.Chop
	if chop == 0 {
		chop = maxPayload
	}
	var out []byte
	for rest := b; len(rest) > 0; {
		part := rest[:min(len(rest), chop)]
		rest = rest[len(part):]
		body, n := part, 0
		if len(part) >= 50 {
			packed, err := p.pack(part)
			if err != nil {
				return 0, err
			}
			if len(packed) < len(part) {
				body, n = packed, len(part)
			}
		}
		out = PackedHeader(out, len(body), p.seq, n)
		out = append(out, body...)
		p.seq++
		p.Sent++
	}
	if _, err := p.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// PackedHeader appends the header of a compressed packet.
func PackedHeader(b []byte, length int, seq byte, before int) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(length)|uint32(seq)<<24)
	return append(b, byte(before), byte(before>>8), byte(before>>16))
}

// pack compresses b.
func (p *Packed) pack(b []byte) ([]byte, error) {
	if p.With == wire.Zstd {
		if p.encoder == nil {
			var err error
			if p.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true)); err != nil {
				return nil, err
			}
		}
		return p.encoder.EncodeAll(b, nil), nil
	}
	var out bytes.Buffer
	if p.writer == nil {
		p.writer = zlib.NewWriter(&out)
	} else {
		p.writer.Reset(&out)
	}
	if _, err := p.writer.Write(b); err != nil {
		return nil, err
	}
	err := p.writer.Close()
	return out.Bytes(), err
}
