package wire

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// What another goroutine than the one that reads and writes may ask of a connection.

// Stalled is 0 while no write waits for the other side to take what was sent before, and else another number whenever it has taken some of it.
func (c *Conn) Stalled() uint32 {
	if c.packed != nil {
		return c.packed.under.Stalled()
	}
	return c.stalled.Load()
}

// Gone says, without waiting, whether the other side has closed the connection or is not there any more, also where bytes are unread. Neither is for the time of the login,
// when the connection beneath may be replaced by one with TLS or compression.
func (c *Conn) Gone() bool {
	raw := rawOf(c.nc)
	if raw == nil {
		return false
	}
	gone := false
	err := raw.Control(func(fd uintptr) {
		p := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		for {
			n, err := unix.Poll(p[:], 0)
			if err == unix.EINTR {
				continue
			}
			gone = err == nil && n > 0 && p[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
			return
		}
	})
	return err == nil && gone
}

// rawOf finds the socket beneath a connection, also of one that wraps another (TLS).
func rawOf(nc net.Conn) syscall.RawConn {
	for {
		if sc, ok := nc.(syscall.Conn); ok {
			raw, err := sc.SyscallConn()
			if err != nil {
				return nil
			}
			return raw
		}
		inner, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		nc = inner.NetConn()
	}
}
