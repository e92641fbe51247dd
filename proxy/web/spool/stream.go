package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// ahead is what of a stream is kept in memory before a file is made.
const ahead = 128 << 10

// Stream takes an answer from its source as fast as that gives it, ahead of who reads it. One goroutine runs Fill, another one Next.
type Stream struct {
	dir   string
	limit int64 // How far the source may be ahead.
	buf   *Buffers

	mu      sync.Mutex
	change  chan struct{} // Has room for one word that something has changed.
	room    chan struct{}
	memory  []byte // What is in memory and not yet read, if there is no file; a part of base.
	base    *[]byte
	file    *os.File
	wrote   int64 // Ends of the file.
	read    int64
	total   int64
	enough  int64 // What Settle waits for; nobody is told of less.
	done    bool
	err     error
	stopped bool
}

// NewStream makes a stream that is at most limit bytes ahead; in files of dir.
func NewStream(dir string, limit int64, buf *Buffers) *Stream {
	return &Stream{dir: dir, limit: limit, buf: buf, change: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Fill reads the source to its end, or until the stream is stopped, and closes it.
func (s *Stream) Fill(source io.ReadCloser) {
	p := s.buf.Get()
	defer s.buf.Put(p)
	defer func() { _ = source.Close() }()
	for {
		n, err := source.Read(*p)
		if n > 0 {
			if e := s.add((*p)[:n]); e != nil && err == nil {
				err = e
			}
		}
		if err != nil {
			s.end(err)
			return
		}
	}
}

// ErrStopped says that nobody reads any more.
var ErrStopped = errors.New("nobody reads this answer any more")

// add keeps a piece. It waits where the reader is too far behind.
func (s *Stream) add(p []byte) error {
	for {
		s.mu.Lock()
		if s.stopped {
			s.mu.Unlock()
			return ErrStopped
		}
		if behind := s.wrote - s.read + int64(len(s.memory)); behind == 0 || behind+int64(len(p)) <= s.limit {
			break
		}
		s.mu.Unlock()
		<-s.room
	}
	defer s.mu.Unlock()
	if s.total += int64(len(p)); s.total > s.enough {
		defer tell(s.change)
	}
	if s.file == nil && len(s.memory)+len(p) <= ahead {
		s.keep(p)
		return nil
	}
	if s.file == nil {
		f, err := unnamed(s.dir)
		if err != nil {
			return err
		}
		s.file, s.wrote, s.read = f, 0, 0
		if _, err := f.WriteAt(s.memory, 0); err != nil {
			return fmt.Errorf("%w: %w", ErrNoRoom, err)
		}
		s.wrote = int64(len(s.memory))
		s.forget()
	}
	n, err := s.file.WriteAt(p, s.wrote)
	if s.wrote += int64(n); err != nil {
		return fmt.Errorf("%w: %w", ErrNoRoom, err)
	}
	return nil
}

// keep adds to what is in memory. The caller holds mu.
func (s *Stream) keep(p []byte) {
	all := len(s.memory) + len(p)
	switch {
	case all <= cap(s.memory):
		s.memory = append(s.memory, p...)
	case s.base != nil && all <= len(*s.base):
		s.memory = append(append((*s.base)[:0], s.memory...), p...)
	default:
		next := s.buf.atLeast(all)
		s.memory = append(append((*next)[:0], s.memory...), p...)
		s.buf.back(s.base)
		s.base = next
	}
}

// forget lets the memory go. The caller holds mu.
func (s *Stream) forget() {
	s.buf.back(s.base)
	s.base, s.memory = nil, nil
}

func (s *Stream) end(err error) {
	s.mu.Lock()
	s.done = true
	if !errors.Is(err, io.EOF) {
		s.err = err
	}
	s.mu.Unlock()
	tell(s.change)
}

// Settle waits until the whole is there, or more than a piece of it, or wait is over. whole says that the source has ended and its end was a good one; err is what it
// ended with else.
func (s *Stream) Settle(piece int64, wait time.Duration) (size int64, whole bool, err error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for over := false; ; {
		s.mu.Lock()
		size, whole, err = s.total, s.done && s.err == nil, s.err
		done := s.done || size > piece || over
		if s.enough = piece; done {
			s.enough = 0
		}
		s.mu.Unlock()
		if done {
			return size, whole, err
		}
		select {
		case <-s.change:
		case <-timer.C:
			over = true
		}
	}
}

// Next gives the next piece, to be used before the next call; p is room for it. It waits for one if need be, and calls drained before it does. At the end the error is
// io.EOF, or what the source ended with.
func (s *Stream) Next(p []byte, drained func()) ([]byte, error) {
	waited := false
	for {
		s.mu.Lock()
		switch {
		case len(s.memory) > 0:
			n := copy(p, s.memory)
			if s.memory = s.memory[n:]; len(s.memory) == 0 {
				s.forget()
			}
			s.mu.Unlock()
			tell(s.room)
			return p[:n], nil
		case s.file != nil && s.read < s.wrote:
			n, err := s.file.ReadAt(p[:min(int64(len(p)), s.wrote-s.read)], s.read)
			s.read += int64(n)
			if s.read == s.wrote {
				// All is read: what comes next is kept in memory again, so that a long stream needs no long file.
				_ = s.file.Close()
				s.read, s.wrote, s.file = 0, 0, nil
			}
			s.mu.Unlock()
			tell(s.room)
			return p[:n], ignoreEOF(err)
		case s.done:
			err := s.err
			s.mu.Unlock()
			if err == nil {
				err = io.EOF
			}
			return nil, err
		}
		s.mu.Unlock()
		if !waited && drained != nil {
			waited = true
			drained()
		}
		<-s.change
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// Whole gives what is in memory, if that is all there is and the source has ended well. It is good until Stop.
func (s *Stream) Whole() ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory, s.done && s.err == nil && s.file == nil
}

// Stop says that nobody reads any more, and lets the file go. Fill ends with its next piece.
func (s *Stream) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.forget()
	if s.file != nil {
		_ = s.file.Close()
		s.file = nil
		s.wrote, s.read = 0, 0
	}
	tell(s.room)
}
