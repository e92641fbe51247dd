package web

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// kernel sends as much of a file at a time as it is told, and reads more than that.
type kernel struct {
	parts []int64 // After each its time is over, but after the last.
	got   bytes.Buffer
}

func (k *kernel) ReadFrom(r io.Reader) (int64, error) {
	if len(k.parts) == 0 {
		return k.got.ReadFrom(r)
	}
	part := k.parts[0]
	k.parts = k.parts[1:]
	n, err := io.CopyN(&k.got, r, part)
	_, _ = io.CopyN(io.Discard, r, 100)
	return n, errors.Join(err, &net.OpError{Op: "sendfile", Err: os.ErrDeadlineExceeded})
}

// TestFileForASlowClient: who takes a piece in the time of one gets all of the file, and who takes less is cut.
func TestFileForASlowClient(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	const from, to = 1000, 3 << 20
	for _, c := range []struct {
		parts []int64
		sent  int64
		whole bool
	}{
		{nil, to - from, true},
		{[]int64{piece, piece + 5, 2 * piece}, to - from, true},
		{[]int64{piece, piece - 1}, 2*piece - 1, false},
		{[]int64{0}, 0, false},
	} {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Seek(from, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		near, far := net.Pipe()
		k := &kernel{parts: c.parts}
		n, err := (&conn{Conn: near, file: k, timeout: time.Minute}).ReadFrom(&io.LimitedReader{R: f, N: to - from})
		if n != c.sent || (err == nil) != c.whole || !bytes.Equal(k.got.Bytes(), content[from:from+c.sent]) {
			t.Errorf("%v: %d bytes, %v", c.parts, n, err)
		}
		f.Close()
		near.Close()
		far.Close()
	}
}
