package fcgi

import (
	"net"
	"syscall"
)

// tcpQuickAck is TCP_QUICKACK of linux/tcp.h.
const tcpQuickAck = 12

// quickAck has the kernel acknowledge without delay what comes next, until something is sent again.
type quickAck struct{ raw syscall.RawConn }

func newQuickAck(nc net.Conn) quickAck {
	if tcp, ok := nc.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			return quickAck{raw: raw}
		}
	}
	return quickAck{}
}

func (q quickAck) now() {
	if q.raw != nil {
		_ = q.raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpQuickAck, 1) })
	}
}
