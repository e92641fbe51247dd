package wire

import (
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// maxZstdWindow bounds how far back a packet of zstd may refer: no packet is longer.
const maxZstdWindow = 16 << 20

// zstdLevels is the number of levels that the encoder has for zstd's 22.
const zstdLevels = int(zstd.SpeedBestCompression) + 1

// codecs keeps compressors for all connections: each is some 100 KB to 1 MB and is taken only while it works. Safe for use by many goroutines.
type codecs struct {
	zlibWriters sync.Pool
	zlibReaders sync.Pool
	zstdReaders sync.Pool // For packets that are unpacked as they come.

	mu       sync.Mutex
	encoders [zstdLevels]*zstd.Encoder
	decoder  *zstd.Decoder
}

// prepare makes what an algorithm needs.
func (c *codecs) prepare(with Compression, level int) error {
	if with != Zstd {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	if c.decoder == nil {
		c.decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true),
			zstd.WithDecoderMaxWindow(maxZstdWindow))
	}
	at := zstd.EncoderLevelFromZstd(level)
	if err == nil && c.encoders[at] == nil {
		c.encoders[at], err = zstd.NewWriter(nil, zstd.WithEncoderLevel(at), zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithLowerEncoderMem(true),
			zstd.WithWindowSize(largeBuffer), zstd.WithEncoderCRC(false))
	}
	return err
}

// compress compresses part into out and gives the length, or 0 where it does not fit.
func (c *codecs) compress(with Compression, level int, out, part []byte) int {
	if with == Zstd {
		c.mu.Lock()
		encoder := c.encoders[zstd.EncoderLevelFromZstd(level)]
		c.mu.Unlock()
		b := encoder.EncodeAll(part, out[:0])
		if len(b) > len(out) {
			return 0
		}
		return len(b)
	}
	to := fixed{b: out}
	w, ok := c.zlibWriters.Get().(*zlib.Writer)
	if ok {
		w.Reset(&to)
	} else {
		var err error
		if w, err = zlib.NewWriterLevel(&to, zlibLevel); err != nil {
			return 0 // No such level, which cannot be.
		}
	}
	_, err := w.Write(part)
	if err == nil {
		err = w.Close()
	}
	w.Reset(io.Discard)
	c.zlibWriters.Put(w)
	if err != nil {
		return 0
	}
	return to.n
}

// open starts to unpack what from holds.
func (c *codecs) open(with Compression, from io.Reader) (io.Reader, error) {
	if with == Zstd {
		if d, ok := c.zstdReaders.Get().(*zstd.Decoder); ok {
			return d, d.Reset(from)
		}
		return zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
	}
	if r, ok := c.zlibReaders.Get().(io.ReadCloser); ok {
		if again, ok := r.(zlib.Resetter); ok {
			return r, again.Reset(from, nil)
		}
	}
	return zlib.NewReader(from)
}

// close gives back what open gave, of which all was read.
func (c *codecs) close(with Compression, r io.Reader) {
	if d, ok := r.(*zstd.Decoder); ok && with == Zstd {
		if d.Reset(nil) == nil {
			c.zstdReaders.Put(d)
		}
		return
	}
	if again, ok := r.(zlib.Resetter); ok {
		_ = again.Reset(zlibHead{}, nil) // It forgets the connection.
		c.zlibReaders.Put(r)
	}
}

// zlibHead reads as the beginning of what zlib compresses (RFC 1950).
type zlibHead struct{}

// Read implements io.Reader.
func (zlibHead) Read(p []byte) (int, error) { return copy(p, "\x78\x9c"), nil }

// ReadByte implements io.ByteReader.
func (zlibHead) ReadByte() (byte, error) { return 0, io.EOF }

// unpack unpacks a whole packet of zstd into dst, never beyond its capacity.
func (c *codecs) unpack(dst, from []byte) ([]byte, error) { return c.decoder.DecodeAll(from, dst) }
