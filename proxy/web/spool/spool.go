// Package spool keeps bodies while one side is slower than the other: in memory up to a bound, then in a file that has no name and is gone with the
// process.
//
// It knows nothing of HTTP and sets no deadlines. A body that is taken in as a whole is Body; one that is read while it comes is Stream.
//
// The one thing to know first: the memory of a body is bounded whatever is sent, and nothing of it is ever to be found in a directory.
package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// InMemory is what of a body of a request is kept in memory. Forms of WordPress' pages fit; uploads do not have to.
const InMemory = 64 << 10

// ErrTooLarge says that a body is larger than it may be.
var ErrTooLarge = errors.New("the body is larger than it may be")

// ErrNoRoom says that a file for a body cannot be written.
var ErrNoRoom = errors.New("no room for a body")

// Body is a body that is there as a whole. It can be read by several goroutines, until it is closed.
type Body struct {
	memory []byte
	file   *os.File
	size   int64
}

// Buffers are pieces of memory that are not in use. The zero value is ready.
type Buffers struct{ idle, large sync.Pool }

// Get takes a piece of 32 KiB.
func (b *Buffers) Get() *[]byte {
	if p, ok := b.idle.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, 32<<10)
	return &p
}

// Put gives a piece back that Get gave.
func (b *Buffers) Put(p *[]byte) { b.idle.Put(p) }

// atLeast takes a piece for so much, which is all that is kept in memory of a stream at the most.
func (b *Buffers) atLeast(n int) *[]byte {
	if n <= 32<<10 {
		return b.Get()
	}
	if p, ok := b.large.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, ahead)
	return &p
}

// back takes a piece of either size back; nil is none.
func (b *Buffers) back(p *[]byte) {
	switch {
	case p == nil:
	case len(*p) == ahead:
		b.large.Put(p)
	default:
		b.idle.Put(p)
	}
}

// Take reads a body to its end. size is what it is said to be, or less than 0; more than limit is ErrTooLarge. dir is where files go.
func Take(r io.Reader, size, limit int64, dir string) (*Body, error) {
	b := &Body{}
	if size > limit {
		return nil, ErrTooLarge
	}
	if size == 0 {
		return b, nil
	}
	first := int64(4 << 10)
	if size > 0 {
		first = min(size, InMemory)
	}
	b.memory = make([]byte, 0, first)
	for {
		if len(b.memory) == cap(b.memory) {
			if len(b.memory) >= InMemory || int64(len(b.memory)) == size {
				break
			}
			b.memory = append(make([]byte, 0, min(2*cap(b.memory), InMemory)), b.memory...)
		}
		n, err := r.Read(b.memory[len(b.memory):cap(b.memory)])
		b.memory = b.memory[:len(b.memory)+n]
		b.size += int64(n)
		if b.size > limit {
			return nil, ErrTooLarge
		}
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
	}
	if err := b.rest(r, limit, dir); err != nil {
		_ = b.Close()
		return nil, err
	}
	return b, nil
}

// rest reads what is left of a body, into a file if there is anything.
func (b *Body) rest(r io.Reader, limit int64, dir string) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if b.size += int64(n); b.size > limit {
				return ErrTooLarge
			}
			if b.file == nil {
				file, err := unnamed(dir)
				if err != nil {
					return err
				}
				b.file = file
			}
			if _, err := b.file.Write(buf[:n]); err != nil {
				return fmt.Errorf("%w: %w", ErrNoRoom, err)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Size is the body's length.
func (b *Body) Size() int64 { return b.size }

// ReadAt implements io.ReaderAt.
func (b *Body) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	if off < int64(len(b.memory)) {
		n = copy(p, b.memory[off:])
		off += int64(n)
	}
	if n == len(p) {
		return n, nil
	}
	if b.file == nil {
		return n, io.EOF
	}
	m, err := b.file.ReadAt(p[n:], off-int64(len(b.memory)))
	return n + m, err
}

// Close lets the memory and the file go.
func (b *Body) Close() error {
	if b == nil || b.file == nil {
		return nil
	}
	return b.file.Close()
}

// unnamed makes a file without a name.
func unnamed(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, ".galley")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoRoom, err)
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%w: %w", ErrNoRoom, err)
	}
	return f, nil
}
