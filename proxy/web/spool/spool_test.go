package spool_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"galley/proxy/web/spool"
)

// nothing holds that no file can be seen.
func nothing(t *testing.T, dir string) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("files: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("files: %v", left)
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

func TestTake(t *testing.T) {
	for _, n := range []int{0, 1, 4096, 4097, 65535, 65536, 65537, 1 << 20} {
		for _, known := range []bool{true, false} {
			dir := t.TempDir()
			want := random(n)
			size := int64(-1)
			if known {
				size = int64(n)
			}
			b, err := spool.Take(iotest.HalfReader(bytes.NewReader(want)), size, 1<<20, dir)
			if err != nil {
				t.Fatal(n, err)
			}
			nothing(t, dir)
			got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d: %d bytes, %v", n, len(got), err)
			}
			if n > 0 {
				p := make([]byte, 3)
				m, err := b.ReadAt(p, int64(n)-1)
				if m != 1 || !errors.Is(err, io.EOF) || p[0] != want[n-1] {
					t.Errorf("%d: the last byte: %d, %v", n, m, err)
				}
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestTakeRefuses(t *testing.T) {
	broken := errors.New("broken")
	for _, test := range []struct {
		r    io.Reader
		size int64
		dir  string
		want error
	}{
		{strings.NewReader("abc"), 3, "", spool.ErrTooLarge},
		{strings.NewReader("abc"), -1, "", spool.ErrTooLarge},
		{iotest.ErrReader(broken), -1, "", broken},
	} {
		if _, err := spool.Take(test.r, test.size, 2, test.dir); !errors.Is(err, test.want) {
			t.Errorf("%v, want %v", err, test.want)
		}
	}
	if _, err := spool.Take(bytes.NewReader(random(1<<20)), -1, 100<<10, t.TempDir()); !errors.Is(err, spool.ErrTooLarge) {
		t.Error(err)
	}
	if _, err := spool.Take(bytes.NewReader(random(100<<10)), -1, 1<<20, "/nowhere"); !errors.Is(err, spool.ErrNoRoom) {
		t.Error(err)
	}
}

type source struct {
	io.Reader
	closed chan struct{}
}

func (s *source) Close() error { close(s.closed); return nil }

func drain(s *spool.Stream, pause func()) ([]byte, error) {
	var got []byte
	p := make([]byte, 10_000)
	for {
		b, err := s.Next(p, nil)
		got = append(got, b...)
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		pause()
	}
}

func TestStream(t *testing.T) {
	for _, n := range []int{0, 1, 100_000, 131072, 131073, 3 << 20} {
		for name, pause := range map[string]func(){"fast": func() {}, "slow": func() { time.Sleep(50 * time.Microsecond) }} {
			for _, limit := range []int64{1, 256 << 10, 1 << 30} {
				dir := t.TempDir()
				want := random(n)
				src := &source{Reader: bytes.NewReader(want), closed: make(chan struct{})}
				s := spool.NewStream(dir, limit, &spool.Buffers{})
				go s.Fill(src)
				got, err := drain(s, pause)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d %s %d: %d bytes, %v", n, name, limit, len(got), err)
				}
				<-src.closed
				nothing(t, dir)
				s.Stop()
			}
		}
	}
}

// TestStreamRunsAhead holds that the source is done before anybody has read.
func TestStreamRunsAhead(t *testing.T) {
	want := random(2 << 20)
	src := &source{Reader: bytes.NewReader(want), closed: make(chan struct{})}
	s := spool.NewStream(t.TempDir(), 1<<30, &spool.Buffers{})
	go s.Fill(src)
	<-src.closed
	if size, whole, err := s.Settle(1<<30, time.Minute); size != int64(len(want)) || !whole || err != nil {
		t.Errorf("%d %v %v", size, whole, err)
	}
	if _, ok := s.Whole(); ok {
		t.Error("two megabytes are in memory")
	}
	if got, err := drain(s, func() {}); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	s.Stop()
}

// TestStreamStopsTheSource holds that a source which is bounded by its reader ends when that goes.
func TestStreamStopsTheSource(t *testing.T) {
	src := &source{Reader: endless{}, closed: make(chan struct{})}
	s := spool.NewStream(t.TempDir(), 1<<20, &spool.Buffers{})
	go s.Fill(src)
	if size, whole, err := s.Settle(200<<10, time.Minute); whole || err != nil || size < 200<<10 {
		t.Errorf("%d %v %v", size, whole, err)
	}
	s.Stop()
	<-src.closed
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestStreamTellsHowItBroke(t *testing.T) {
	broken := errors.New("broken")
	src := &source{Reader: io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), closed: make(chan struct{})}
	s := spool.NewStream(t.TempDir(), 1<<20, &spool.Buffers{})
	go s.Fill(src)
	<-src.closed
	if _, whole, err := s.Settle(100, time.Minute); whole || !errors.Is(err, broken) {
		t.Errorf("%v %v", whole, err)
	}
	if got, err := drain(s, func() {}); string(got) != "abc" || !errors.Is(err, broken) {
		t.Errorf("%q %v", got, err)
	}
	full := spool.NewStream("/nowhere", 1<<30, &spool.Buffers{})
	go full.Fill(&source{Reader: endless{}, closed: make(chan struct{})})
	if _, err := drain(full, func() { time.Sleep(time.Millisecond) }); !errors.Is(err, spool.ErrNoRoom) {
		t.Error(err)
	}
}
