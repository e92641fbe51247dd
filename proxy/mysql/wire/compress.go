package wire

import "fmt"

// Compression is an algorithm of the compressed protocol.
type Compression byte

// The algorithms.
const (
	NoCompression Compression = iota
	Zlib
	Zstd
)

// Levels of compression. zlib has one: the servers' and clients' (MariaDB: my_compress() in mysys/my_compress.c takes zlib's default).
const (
	zlibLevel        = 6
	DefaultZstdLevel = 3
)

const (
	// packedHeaderLen is the length of a compressed packet's header: 3 bytes of length, the sequence number, 3 bytes of length before compression, 0 for content
	// that is stored as it is (MY, "Compressed Packet").
	packedHeaderLen = 7
	// minPacked is the length below which compressing does not pay (MariaDB: MIN_COMPRESS_LENGTH in include/my_global.h).
	minPacked = 50
	// maxPart is how much goes into one compressed packet: what fits into a large buffer also where it is stored. The protocol would take 16 MiB, which had to be held.
	maxPart = largeBuffer - packedHeaderLen
)

// Chosen gives the algorithm of a connection on which both sides have the capabilities c: zlib before zstd (MY, "CLIENT_ZSTD_COMPRESSION_ALGORITHM").
func Chosen(c Capability) Compression {
	switch {
	case c.Has(ClientCompress):
		return Zlib
	case c.Has(ClientZstd):
		return Zstd
	}
	return NoCompression
}

// Capability is the flag by which the algorithm is agreed on.
func (a Compression) Capability() Capability {
	switch a {
	case Zlib:
		return ClientCompress
	case Zstd:
		return ClientZstd
	case NoCompression:
	}
	return 0
}

// Side says which end of a connection a Conn is.
type Side byte

// The sides.
const (
	ClientSide Side = iota // It sends commands.
	ServerSide             // It answers them.
)

// packed is the compressed protocol beneath a Conn: it packs what is written and unpacks what is read. Packets of the protocol above may lie across its packets
// in any way. While nothing is under way it holds neither buffers nor compressors; what it holds otherwise is bounded: packets are unpacked as they are read,
// and packed in parts of maxPart.
type packed struct {
	under  *Conn // The socket, or TLS on it. Its window is what has been read and not been unpacked.
	codecs *codecs
	with   Compression
	level  int
	side   Side
	seq    byte   // What the next written packet gets.
	hold   []byte // An answer that is gathered; nil where there is none.
	held   int    // Bytes in hold.
	unpacking
	walk commandWalk
}

// Compress has all that follows go through the compressed protocol, of which level matters for zstd only. What has been read and not been discarded is taken for compressed.
func (c *Conn) Compress(with Compression, level int, side Side) error {
	if with == NoCompression || c.packed != nil {
		return nil
	}
	p := &packed{under: NewConn(c.nc, c.buffers), codecs: &c.buffers.codecs, with: with, level: level, side: side, walk: commandWalk{fresh: true}}
	if err := p.codecs.prepare(with, level); err != nil {
		return fmt.Errorf("compression: %w", err)
	}
	p.under.layer = c.layer
	p.under.buf, p.under.r, p.under.w = c.buf, c.r, c.w
	c.buf, c.r, c.w = nil, 0, 0
	c.raw, c.packed = nil, p
	return nil
}

// Compressed gives the algorithm that is in use.
func (c *Conn) Compressed() Compression {
	if c.packed == nil {
		return NoCompression
	}
	return c.packed.with
}

// GoOn says that what is written next goes on with the command under way, whatever its sequence numbers: the content of a file that the server has asked for.
func (c *Conn) GoOn() {
	if c.packed != nil {
		c.packed.walk.goOn()
	}
}

// Flush sends what has been written and is kept for what follows: the answers of a server that compresses. A read of the same Conn does so too.
func (c *Conn) Flush() error {
	if c.packed != nil {
		return c.packed.flush()
	}
	return nil
}

// fillUnpacked is Fill through the compressed protocol.
func (c *Conn) fillUnpacked() error {
	if err := c.packed.flush(); err != nil {
		return err
	}
	if c.r == c.w {
		c.Release()
	}
	if err := c.packed.await(); err != nil {
		return err
	}
	if c.buf == nil {
		c.buf = c.buffers.get(smallBuffer)
	} else {
		c.makeRoom()
	}
	n, err := c.packed.read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return err
}
