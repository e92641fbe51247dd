package web

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// watch hears from the kernel which clients have gone. A connection is added once, and is no longer in when it is closed.
type watch struct {
	file *os.File // Of an epoll, which the runtime's own epoll waits for.
	raw  syscall.RawConn

	mu    sync.Mutex
	last  uint64
	conns map[uint64]*conn
}

func newWatch() (*watch, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watching clients: %w", err)
	}
	if err = unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("watching clients: %w", err)
	}
	w := &watch{file: os.NewFile(uintptr(fd), "epoll"), conns: map[uint64]*conn{}}
	if w.raw, err = w.file.SyscallConn(); err != nil {
		_ = w.file.Close()
		return nil, fmt.Errorf("watching clients: %w", err)
	}
	return w, nil
}

// run tells connections of their clients' ends, until close.
func (w *watch) run() {
	if w == nil {
		return
	}
	var events [64]unix.EpollEvent
	_ = w.raw.Read(func(fd uintptr) bool {
		for {
			n, err := unix.EpollWait(int(fd), events[:], 0)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if n <= 0 {
				return false // The runtime wakes it up.
			}
			for _, e := range events[:n] {
				if c := w.conn(numberOf(e)); c != nil {
					c.hungUp()
				}
			}
		}
	})
}

func (w *watch) close() {
	if w != nil {
		_ = w.file.Close()
	}
}

func (w *watch) conn(number uint64) *conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conns[number]
}

var errNoSocket = errors.New("no socket")

// add takes a connection in. An end that has come before is told of as well.
func (w *watch) add(c *conn) error {
	if w == nil {
		return errNoSocket
	}
	raw, err := rawOf(c.Conn)
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.last++
	number := w.last
	w.conns[number] = c
	w.mu.Unlock()
	c.quick.number.Store(number)
	// EPOLLHUP and EPOLLERR are always told of. By edges: each end is told of once, and what a client sends never.
	event := unix.EpollEvent{Events: unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(uint32(number)), Pad: int32(uint32(number >> 32))}
	var added error
	noEpoll := w.raw.Control(func(epoll uintptr) {
		err = raw.Control(func(fd uintptr) { added = unix.EpollCtl(int(epoll), unix.EPOLL_CTL_ADD, int(fd), &event) })
	})
	if err = errors.Join(noEpoll, err, added); err != nil {
		w.forget(c)
	}
	return err
}

// numberOf is what was put into an event: the kernel gives back its eight bytes as they are.
func numberOf(e unix.EpollEvent) uint64 { return uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32 }

// forget takes a connection out that is being closed.
func (w *watch) forget(c *conn) {
	if number := c.quick.number.Load(); w != nil && number != 0 {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.conns, number)
	}
}

func rawOf(nc net.Conn) (syscall.RawConn, error) {
	socket, ok := nc.(syscall.Conn)
	if !ok {
		return nil, errNoSocket
	}
	return socket.SyscallConn()
}

// gone looks whether the client's end is the next that would be read.
func (c *conn) gone() bool {
	raw, err := rawOf(c.Conn)
	if err != nil {
		return false
	}
	gone := false
	err = raw.Control(func(fd uintptr) {
		var one [1]byte
		for {
			n, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			gone = err == nil && n == 0 || err != nil && !errors.Is(err, unix.EAGAIN)
			return
		}
	})
	return gone || err != nil
}
