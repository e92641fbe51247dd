package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
)

// readCommands reads commands until the end, and gives what came out of each: the packets as they are passed on, whether whole at first, and the error at the end.
func readCommands(b []byte, step, limit int) string {
	c := NewConn(&byteConn{b: b, step: step}, NewBuffers())
	var out bytes.Buffer
	for {
		var cmd Command
		err := c.ReadCommand(&cmd, limit)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.EOF
			}
			fmt.Fprintf(&out, "%v", err)
			return out.String()
		}
		whole := bytes.Clone(cmd.Packet)
		n := len(cmd.Packet)
		if _, err := c.StreamRest(&cmd, func(p []byte) error { whole = append(whole, p...); return nil }); err != nil {
			fmt.Fprintf(&out, "%d bytes of a packet, then %v", len(whole), errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))
			return out.String()
		}
		fmt.Fprintf(&out, "%d of %x, next %d\n", n, whole, c.Seq)
	}
}

// FuzzReadCommand holds that commands are the same however their bytes arrive, that none is kept beyond the limit, and that all of their bytes are passed on.
func FuzzReadCommand(f *testing.F) {
	f.Add(AppendCommand(AppendCommand(nil, ComQuery, "SELECT 1"), ComPing, ""), byte(3), uint16(100))
	f.Add(AppendCommand(nil, ComQuery, text(3000)), byte(200), uint16(100))
	f.Add([]byte{0, 0, 0, 0}, byte(1), uint16(5))
	f.Add([]byte{9, 0, 0, 0, 3, 'S'}, byte(1), uint16(0))
	f.Fuzz(func(t *testing.T, b []byte, step byte, limit uint16) {
		whole, split := readCommands(b, len(b)+1, int(limit)), readCommands(b, int(step)+1, int(limit))
		if whole != split {
			t.Fatalf("in one:\n%s\nin steps of %d:\n%s", whole, int(step)+1, split)
		}
	})
}

// FuzzCommandWalk holds that the walk over what a client writes passes all of it, whatever it is, and that commands begin where they do when it is written in one.
func FuzzCommandWalk(f *testing.F) {
	f.Add(AppendCommand(AppendCommand(nil, ComQuery, "SELECT 1"), ComPing, ""), byte(200))
	f.Add(AppendCommand([]byte{1, 0, 0, 255, 'x', 1, 0, 0, 0, 'y'}, ComPing, ""), byte(5))
	f.Add([]byte{0, 0, 0, 3, 0, 0, 0, 0}, byte(4))
	f.Fuzz(func(t *testing.T, b []byte, step byte) {
		begins := func(step int) (at []int) {
			var w commandWalk
			for done := 0; done < len(b); {
				piece := b[done:min(done+step, len(b))]
				for len(piece) > 0 {
					n, first := w.next(piece)
					if n <= 0 || n > len(piece) {
						t.Fatalf("%d of %d bytes", n, len(piece))
					}
					if first {
						at = append(at, done)
					}
					done += n
					piece = piece[n:]
				}
			}
			return at
		}
		whole := begins(len(b) + 1)
		for _, at := range begins(int(step) + 1) { // A header that is split is not taken for a beginning.
			if len(whole) == 0 {
				t.Fatalf("a command begins at %d", at)
			}
			for len(whole) > 0 && whole[0] < at {
				whole = whole[1:]
			}
			if len(whole) == 0 || whole[0] != at {
				t.Fatalf("a command begins at %d", at)
			}
		}
	})
}
