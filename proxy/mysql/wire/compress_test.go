package wire

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// packing is a compressed connection in a test: a Conn on one end, the bytes on the other.
type packing struct {
	*Conn
	far net.Conn
}

func newPacking(tb testing.TB, with Compression, side Side, sockets bool) *packing {
	tb.Helper()
	near, far := net.Pipe()
	if sockets {
		near, far = socketPair(tb)
	}
	c := NewConn(near, NewBuffers())
	if err := c.Compress(with, 3, side); err != nil {
		tb.Fatal(err)
	}
	limit := time.Now().Add(time.Minute)
	_, _ = near.SetDeadline(limit), far.SetDeadline(limit)
	tb.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return &packing{Conn: c, far: far}
}

func socketPair(tb testing.TB) (near, far net.Conn) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		tb.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		tb.Fatal(err)
	}
	return near, far
}

// packet is one compressed packet as it was read by other means than the package's.
type packet struct {
	seq     byte
	stored  bool
	content []byte
}

func readPacket(r io.Reader, with Compression) (packet, error) {
	var head [7]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return packet{}, err
	}
	p := packet{seq: head[3], content: make([]byte, PayloadLen(head[:]))}
	if _, err := io.ReadFull(r, p.content); err != nil {
		return p, err
	}
	n := PayloadLen(head[4:])
	if p.stored = n == 0; p.stored {
		return p, nil
	}
	in := p.content
	var err error
	if p.content, err = unpackBy(with, in); err != nil {
		return p, err
	}
	if len(p.content) != n || len(in) >= n {
		return p, fmt.Errorf("%d bytes that hold %d where %d are announced", len(in), len(p.content), n)
	}
	return p, nil
}

func unpackBy(with Compression, in []byte) ([]byte, error) {
	if with == Zstd {
		d, err := zstd.NewReader(nil)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		return d.DecodeAll(in, nil)
	}
	r, err := zlib.NewReader(bytes.NewReader(in))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// packBy makes a compressed packet by other means than the package's.
func packBy(tb testing.TB, with Compression, seq byte, content []byte, store bool) []byte {
	tb.Helper()
	body, before := content, 0
	if !store {
		var out bytes.Buffer
		if with == Zstd {
			e, err := zstd.NewWriter(nil)
			if err != nil {
				tb.Fatal(err)
			}
			defer e.Close()
			out.Write(e.EncodeAll(content, nil))
		} else {
			w := zlib.NewWriter(&out)
			_, _ = w.Write(content)
			_ = w.Close()
		}
		body, before = out.Bytes(), len(content)
	}
	return rawPacket(len(body), seq, before, body)
}

func rawPacket(n int, seq byte, before int, body []byte) []byte {
	return append([]byte{byte(n), byte(n >> 8), byte(n >> 16), seq, byte(before), byte(before >> 8), byte(before >> 16)}, body...)
}

// noise does not get smaller by compression.
func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

func text(n int) []byte {
	return bytes.Repeat([]byte("all work and no play makes jack a dull boy\n"), n/43+1)[:n]
}

var algorithms = map[string]Compression{"zlib": Zlib, "zstd": Zstd}

// TestPack holds that what is written comes out the same elsewhere, in packets that are within bounds and count up.
func TestPack(t *testing.T) {
	for name, with := range algorithms {
		for _, n := range []int{1, minPacked - 1, minPacked, 1000, smallBuffer - 1, smallBuffer, maxPart, maxPart + 1, largeBuffer, 1 << 20} {
			for kind, b := range map[string][]byte{"text": text(n), "noise": noise(n)} {
				t.Run(fmt.Sprint(name, n, kind), func(t *testing.T) {
					c := newPacking(t, with, ServerSide, false)
					go func() {
						_ = c.Write(b)
						_ = c.Flush()
						_ = c.Close()
					}()
					var got []byte
					for seq := byte(0); ; seq++ {
						p, err := readPacket(c.far, with)
						if err != nil {
							if !errors.Is(err, io.EOF) {
								t.Fatal(err)
							}
							break
						}
						if p.seq != seq {
							t.Fatalf("packet %d has the number %d", seq, p.seq)
						}
						if len(p.content) > maxPart {
							t.Fatalf("a packet of %d bytes", len(p.content))
						}
						if n := len(p.content); p.stored != (n < minPacked || kind == "noise") && (n < minPacked || n > 200) {
							t.Errorf("%d bytes of %s: stored is %v", len(p.content), kind, p.stored)
						}
						got = append(got, p.content...)
					}
					if !bytes.Equal(got, b) {
						t.Errorf("%d bytes came, or others", len(got))
					}
				})
			}
		}
	}
}

// TestUnpack reads what was packed elsewhere, in packets of all sizes, however it arrives.
func TestUnpack(t *testing.T) {
	content := append(append(text(100_000), noise(300_000)...), text(1<<20)...)
	for name, with := range algorithms {
		for _, chop := range []int{7, 100, 5000, 70_000, 400_000, 1 << 24} {
			t.Run(fmt.Sprint(name, chop), func(t *testing.T) {
				var all []byte
				rest := content
				if chop <= 100 {
					rest = content[:5000]
				}
				want := rest
				for seq := byte(0); len(rest) > 0; seq++ {
					part := rest[:min(chop, len(rest))]
					all = append(all, packBy(t, with, seq, part, chop == 5000 && seq%2 == 0)...)
					rest = rest[len(part):]
				}
				for _, step := range []int{1 << 30, 1, 999} {
					if step == 1 && len(all) > 10_000 {
						continue
					}
					c := newPacking(t, with, ClientSide, false)
					go func() {
						for b := all; len(b) > 0; {
							n := min(step, len(b))
							if _, err := c.far.Write(b[:n]); err != nil {
								return
							}
							b = b[n:]
						}
						_ = c.far.Close()
					}()
					var got []byte
					for {
						if err := c.Fill(); err != nil {
							if !errors.Is(err, io.EOF) {
								t.Fatal(err)
							}
							break
						}
						got = append(got, c.Window()...)
						c.Discard(len(c.Window()))
					}
					if !bytes.Equal(got, want) {
						t.Errorf("steps of %d: %d bytes came, or others", step, len(got))
					}
				}
			})
		}
	}
}

// TestUnpackRefuses holds that a packet that is not what its header says is never taken for one.
func TestUnpackRefuses(t *testing.T) {
	const n = 5000
	for name, with := range algorithms {
		good := packBy(t, with, 0, text(n), false)
		body := good[7:]
		large := packBy(t, with, 0, text(1<<20), false)
		for what, b := range map[string][]byte{
			"empty":                    rawPacket(0, 0, 0, nil),
			"empty, with content":      rawPacket(0, 0, 100, nil),
			"more than announced":      rawPacket(len(body), 0, n-1, body),
			"less than announced":      rawPacket(len(body), 0, n+1, body),
			"bytes behind the content": rawPacket(len(body)+3, 0, n, append(bytes.Clone(body), 1, 2, 3)),
			"cut short":                rawPacket(len(body)-3, 0, n, body[:len(body)-3]),
			"noise":                    rawPacket(500, 0, n, noise(500)),
			"a bomb":                   rawPacket(len(large)-7, 0, n, large[7:]),
			"a large one, with less":   rawPacket(len(large)-7, 0, 1<<20+1, large[7:]),
			"a large one, with more":   rawPacket(len(large)-7, 0, 1<<20-1, large[7:]),
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				c := newPacking(t, with, ClientSide, false)
				go func() { _, _ = c.far.Write(b) }()
				var err error
				got := 0
				for err == nil {
					err = c.Fill()
					got += len(c.Window())
					c.Discard(len(c.Window()))
				}
				if !errors.Is(err, ErrMalformed) {
					t.Errorf("%v", err)
				}
				if announced := PayloadLen(b[4:]); got > announced {
					t.Errorf("%d bytes of %d", got, announced)
				}
				if err := c.Fill(); !errors.Is(err, ErrMalformed) {
					t.Errorf("then %v", err)
				}
			})
		}
		t.Run(name+" ends within", func(t *testing.T) {
			for _, cut := range []int{3, 7, 20, len(good) - 1} {
				c := newPacking(t, with, ClientSide, false)
				go func() {
					_, _ = c.far.Write(good[:cut])
					_ = c.far.Close()
				}()
				var err error
				for err == nil {
					err = c.Fill()
					c.Discard(len(c.Window()))
				}
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("cut at %d: %v", cut, err)
				}
			}
		})
	}
}

// TestNumbers: a client's commands begin at 0 each, also in one write; what follows a large one's first part does not; an answer goes on from its command.
func TestNumbers(t *testing.T) {
	c := newPacking(t, Zlib, ClientSide, false)
	var all []byte
	all = AppendCommand(all, ComQuery, "SET a")
	all = AppendCommand(all, ComQuery, "SELECT 1")
	big := AppendCommand(nil, ComQuery, string(noise(2*maxPart)))
	go func() {
		_ = c.Write(append(all, big[:1000]...))
		for b := big[1000:]; len(b) > 0; b = b[min(len(b), 50_000):] {
			_ = c.Write(b[:min(len(b), 50_000)])
		}
		_ = c.Write(AppendCommand(nil, ComQuery, "SELECT 2"))
		_ = c.Close()
	}()
	var seqs []string
	for {
		p, err := readPacket(c.far, Zlib)
		if err != nil {
			break
		}
		seqs = append(seqs, fmt.Sprint(p.seq, ":", len(p.content)))
	}
	if got := strings.Join(seqs, " "); got != "0:10 0:13 0:1000 1:50000 2:50000 3:30063 0:13" {
		t.Errorf("%s", got)
	}

	s := newPacking(t, Zlib, ServerSide, false)
	go func() {
		_, _ = s.far.Write(append(packBy(t, Zlib, 0, all[:5], true), packBy(t, Zlib, 1, all[5:10], true)...))
	}()
	if err := s.ReadCommand(&Command{}, 1000); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.Write([]byte("a"))
		_ = s.Write([]byte("b"))
		_ = s.Flush()
	}()
	if p, err := readPacket(s.far, Zlib); err != nil || p.seq != 2 || string(p.content) != "ab" {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestFileNumbers: the packets of a file count through 255, which begins no command; what comes behind the server's answer does.
func TestFileNumbers(t *testing.T) {
	c := newPacking(t, Zlib, ClientSide, false)
	packetOf := func(seq int) []byte { return []byte{1, 0, 0, byte(seq), 'x'} }
	var got []byte
	read := func(n int) {
		for range n {
			p, err := readPacket(c.far, Zlib)
			if err != nil {
				t.Error(err)
				return
			}
			got = append(got, p.seq)
		}
	}
	step := func(write func()) {
		done := make(chan struct{})
		go func() { defer close(done); write() }()
		read(1)
		<-done
	}
	step(func() { _ = c.Write(AppendCommand(nil, ComQuery, "LOAD DATA")) })
	answer := func(seq byte) {
		go func() { _, _ = c.far.Write(packBy(t, Zlib, seq, []byte{1, 0, 0, seq, 0xfb}, true)) }()
		if _, err := c.ReadPacket(100); err != nil {
			t.Fatal(err)
		}
	}
	answer(1)
	c.GoOn()
	for seq := 2; seq < 300; seq++ {
		step(func() { _ = c.Write(packetOf(seq)) })
	}
	answer(44)
	step(func() { _ = c.Write(AppendCommand(nil, ComPing, "")) })
	for i, seq := range got[1 : len(got)-1] {
		if seq != byte(i+2) {
			t.Fatalf("packet %d of the file has the number %d", i, seq)
		}
	}
	if got[len(got)-1] != 0 {
		t.Errorf("the next command has the number %d", got[len(got)-1])
	}
	answer(255)
	c.GoOn()
	c.packed.seq = 7
	step(func() { _ = c.Write(packetOf(0)) })
	if got[len(got)-1] != 7 {
		t.Errorf("a file whose first packet is 0 has the number %d", got[len(got)-1])
	}
}
