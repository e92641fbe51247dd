package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// TestPackedCommands: the packets of a command and of a file get the numbers that an uncompressed node expects, whatever a client that compresses gives them.
func TestPackedCommands(t *testing.T) {
	c := newPacking(t, Zlib, ServerSide, false)
	big := append([]byte{0xff, 0xff, 0xff, 9}, bytes.Repeat([]byte{'q'}, maxPayload)...)
	big = append(big, 3, 0, 0, 77, 'a', 'b', 'c')
	go func() {
		for b := big; len(b) > 0; b = b[min(len(b), 1<<23):] {
			_, _ = c.far.Write(packBy(t, Zlib, 0, b[:min(len(b), 1<<23)], false))
		}
		_, _ = c.far.Write(packBy(t, Zlib, 0, []byte{2, 0, 0, 5, 'x', 'y', 0, 0, 0, 9}, true))
	}()
	var cmd Command
	err := c.ReadCommand(&cmd, 1000)
	if err != nil || cmd.Packet[3] != 0 {
		t.Fatalf("%v, number %d", err, cmd.Packet[3])
	}
	var last []byte
	if werr, err := c.StreamRest(&cmd, func(p []byte) error {
		last = append(last, p...)
		last = last[max(0, len(last)-7):]
		return nil
	}); werr != nil || err != nil {
		t.Fatal(werr, err)
	}
	if !bytes.HasSuffix(last, []byte{3, 0, 0, 1, 'a', 'b', 'c'}) || c.Seq != 2 {
		t.Errorf("ends in %v, the next is %d", last, c.Seq)
	}
	c.Seq = 3
	for want := byte(3); want < 5; want++ {
		var p Command
		err := c.ReadHead(&p, 1000)
		if err != nil || p.Packet[3] != want {
			t.Errorf("%v, number %d in place of %d", err, p.Packet[3], want)
		}
	}
}

// TestPackedHoldsNothing: nothing is held while nothing is under way, on a socket.
func TestPackedHoldsNothing(t *testing.T) {
	for name, with := range algorithms {
		t.Run(name, func(t *testing.T) {
			c := newPacking(t, with, ServerSide, true)
			for range 3 {
				if _, err := c.far.Write(packBy(t, with, 0, AppendCommand(nil, ComQuery, text(30_000)), false)); err != nil {
					t.Fatal(err)
				}
				var cmd Command
				err := c.ReadCommand(&cmd, 1<<20)
				if err != nil || !cmd.Whole() || !bytes.Equal(cmd.Body[1:], text(30_000)) {
					t.Fatal(err)
				}
				_ = c.WritePacket([]byte("answer"))
				if err := c.Idle(); err != nil {
					t.Errorf("idle: %v", err)
				}
				_ = c.Flush()
				if p, err := readPacket(c.far, with); err != nil || p.seq != 1 {
					t.Errorf("%+v, %v", p, err)
				}
				c.Release()
				if p := c.packed; c.buf != nil || p.under.buf != nil || p.hold != nil || p.from != nil || p.buffer != nil {
					t.Errorf("something is held: %+v", p)
				}
			}
			ended := make(chan error)
			go func() { ended <- c.Fill() }()
			_ = c.far.Close()
			if err := <-ended; !errors.Is(err, io.EOF) || c.buf != nil {
				t.Errorf("%v, and a buffer of %d", err, len(c.buf))
			}
		})
	}
}

// TestPackedIdle: what has come out of turn is seen, and that the other side has closed.
func TestPackedIdle(t *testing.T) {
	c := newPacking(t, Zlib, ClientSide, true)
	if err := c.Idle(); err != nil {
		t.Error(err)
	}
	_, _ = c.far.Write(packBy(t, Zlib, 0, frames(okPlain, okPlain), true))
	if _, err := c.ReadPacket(100); err != nil {
		t.Fatal(err)
	}
	if err := c.Idle(); !errors.Is(err, ErrUnexpectedBytes) {
		t.Errorf("with a packet in the window: %v", err)
	}
	if _, err := c.ReadPacket(100); err != nil {
		t.Fatal(err)
	}
	if err := c.Idle(); err != nil {
		t.Error(err)
	}
	long := bytes.Repeat(frames(okPlain), smallBuffer/8)
	_, _ = c.far.Write(packBy(t, Zlib, 0, long, false))
	if _, err := c.ReadPacket(100); err != nil {
		t.Fatal(err)
	}
	c.Discard(len(c.Window()))
	if err := c.Idle(); !errors.Is(err, ErrUnexpectedBytes) {
		t.Errorf("with half a packet unpacked: %v", err)
	}

	c = newPacking(t, Zlib, ClientSide, true)
	_ = c.far.Close()
	gone := make(chan error)
	go func() { gone <- c.Fill() }()
	<-gone
	if err := c.Idle(); !errors.Is(err, io.EOF) {
		t.Errorf("behind a close: %v", err)
	}
	for range 2 { // The first is answered by a reset.
		_ = c.Write(AppendCommand(nil, ComQuery, "SELECT 1"))
	}
	err := c.Write(AppendCommand(nil, ComQuery, "SELECT 1"))
	if err != nil && !c.NeverSent(err) || err == nil && !c.NeverSent(io.EOF) {
		t.Errorf("a write behind a close: %v, may have been sent", err)
	}
	if c.NeverSent(syscall.ECONNRESET) {
		t.Error("a reset proves nothing")
	}
}

// TestPackedOverTLS: compression sits on TLS as on a socket, and a read that was interrupted between packets may be tried again.
func TestPackedOverTLS(t *testing.T) {
	c, client := pairOverTLS(t)
	if err := c.Compress(Zlib, 0, ServerSide); err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Unix(1, 0))
	if err := c.ReadCommand(&Command{}, 1000); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	for range 3 {
		go func() { _, _ = client.Write(packBy(t, Zlib, 0, AppendCommand(nil, ComQuery, text(100_000)), false)) }()
		var cmd Command
		err := c.ReadCommand(&cmd, 1<<20)
		if err != nil || !bytes.Equal(cmd.Body[1:], text(100_000)) {
			t.Fatal(err)
		}
		go func() {
			_ = c.Write(text(500))
			_ = c.Flush()
		}()
		if p, err := readPacket(client, Zlib); err != nil || !bytes.Equal(p.content, text(500)) {
			t.Fatal(err)
		}
		c.Release()
		if c.buf != nil || c.packed.under.buf != nil {
			t.Error("a buffer is held")
		}
		if err := c.Idle(); err != nil {
			t.Error(err)
		}
	}
}

// TestPackedMemory: a packet that says that it holds 16 MiB, read by one who takes little, costs no more than its window.
func TestPackedMemory(t *testing.T) {
	b := packBy(t, Zlib, 0, make([]byte, maxPayload), false)
	c := newPacking(t, Zlib, ClientSide, false)
	go func() { _, _ = c.far.Write(b) }()
	if err := c.Fill(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := len(c.Window())
	for got < maxPayload {
		c.Discard(len(c.Window()))
		if err := c.Fill(); err != nil {
			t.Fatal(err)
		}
		got += len(c.Window())
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 { // The race detector has pools forget.
		t.Errorf("%d bytes were allocated on the way", used)
	}
}

// FuzzUnpack holds that no bytes make the decoder panic, give more than was announced, or depend on how they arrive.
func FuzzUnpack(f *testing.F) {
	for _, with := range algorithms {
		f.Add(packBy(f, with, 0, text(3000), false), with == Zstd, byte(9))
		f.Add(append(packBy(f, with, 0, text(60), false), packBy(f, with, 1, []byte("x"), true)...), with == Zstd, byte(1))
		f.Add(packBy(f, with, 0, text(400_000), false), with == Zstd, byte(200))
	}
	f.Add(rawPacket(3, 0, 5, []byte{0x78, 0x9c, 0}), false, byte(0))
	f.Fuzz(func(t *testing.T, b []byte, zst bool, step byte) {
		with := Zlib
		if zst {
			with = Zstd
		}
		whole, werr := unpackAll(t, with, b, len(b)+1)
		split, serr := unpackAll(t, with, b, int(step)+1)
		if !bytes.Equal(whole, split) || (werr == nil) != (serr == nil) {
			t.Fatalf("whole %d bytes, %v; in steps of %d %d bytes, %v", len(whole), werr, int(step)+1, len(split), serr)
		}
	})
}

// byteConn is a connection that gives bytes in steps.
type byteConn struct {
	net.Conn
	b    []byte
	step int
}

func (c *byteConn) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.step)], c.b)
	c.b = c.b[n:]
	return n, nil
}

// unpackAll gives what is read until the end or the first mistake, and the mistake. A packet of which the end is wrong may have given its content before.
func unpackAll(t *testing.T, with Compression, b []byte, step int) ([]byte, error) {
	t.Helper()
	c := NewConn(&byteConn{b: b, step: step}, NewBuffers())
	if err := c.Compress(with, 0, ClientSide); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for {
		announced := 0
		if c.packed.left == 0 && len(c.packed.under.Window()) >= 7 {
			announced = PayloadLen(c.packed.under.Window()[4:])
		}
		if err := c.Fill(); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return got, err
		}
		if n := len(c.Window()); announced > 0 && n > announced {
			t.Fatalf("%d bytes of %d", n, announced)
		}
		got = append(got, c.Window()...)
		c.Discard(len(c.Window()))
		if len(got) > 64<<20 {
			return got, nil
		}
	}
}

// BenchmarkUnpack and BenchmarkPack are of 16 KB, as much as a server sends at a time.
func BenchmarkUnpack(b *testing.B) {
	for name, with := range algorithms {
		b.Run(name, func(b *testing.B) {
			one := packBy(b, with, 0, text(16<<10), false)
			src := &byteConn{step: 1 << 30}
			c := NewConn(src, NewBuffers())
			if err := c.Compress(with, 0, ClientSide); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(16 << 10)
			b.ReportAllocs()
			for b.Loop() {
				src.b = one
				for got := 0; got < 16<<10; {
					if err := c.Fill(); err != nil {
						b.Fatal(err)
					}
					got += len(c.Window())
					c.Discard(len(c.Window()))
				}
			}
		})
	}
}

// sink is a connection that takes everything.
type sink struct{ net.Conn }

func (sink) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkPack(b *testing.B) {
	for name, with := range algorithms {
		for kind, in := range map[string][]byte{"text": text(16 << 10), "noise": noise(16 << 10)} {
			b.Run(name+kind, func(b *testing.B) {
				c := NewConn(sink{}, NewBuffers())
				if err := c.Compress(with, 3, ServerSide); err != nil {
					b.Fatal(err)
				}
				b.SetBytes(16 << 10)
				b.ReportAllocs()
				for b.Loop() {
					_ = c.Write(in)
					_ = c.Flush()
				}
			})
		}
	}
}
