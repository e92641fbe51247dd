package cluster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"sync"
)

// greeting is what a server's first packet says that no SHOW tells: its
// version as clients see it and its capabilities.
type greeting struct {
	version      string
	capabilities uint32
	extended     uint32 // MariaDB's own
	collation    uint8
}

// maxGreeting bounds how much of a connection's beginning is kept.
const maxGreeting = 1024

// errGreeting says that a first packet is no greeting.
var errGreeting = errors.New("the server's first packet is no greeting of protocol 10")

// parseGreeting reads the payload of an initial handshake packet of protocol
// 10 (MariaDB Knowledge Base, "Connection", initial handshake packet).
func parseGreeting(p []byte) (greeting, error) {
	if len(p) < 1 || p[0] != 10 {
		return greeting{}, errGreeting
	}
	end := bytes.IndexByte(p[1:], 0)
	if end < 0 {
		return greeting{}, errGreeting
	}
	g := greeting{version: string(p[1 : 1+end])}
	p = p[end+2:]
	// 4 connection id, 8 scramble, 1 filler, 2 capabilities, 1 collation,
	// 2 status, 2 capabilities, 1 scramble length, 6 filler, 4 MariaDB's own.
	if len(p) < 15 {
		return greeting{}, errGreeting
	}
	g.capabilities = uint32(binary.LittleEndian.Uint16(p[13:]))
	if len(p) < 31 {
		return g, nil
	}
	g.collation = p[15]
	g.capabilities |= uint32(binary.LittleEndian.Uint16(p[18:])) << 16
	// MariaDB leaves CLIENT_MYSQL (1) unset and then uses the last four bytes
	// of the filler; elsewhere they are zero.
	if g.capabilities&1 == 0 {
		g.extended = binary.LittleEndian.Uint32(p[27:])
	}
	return g, nil
}

// greetedConn is a connection that keeps the server's first packet as it goes
// by.
type greetedConn struct {
	net.Conn
	mu    sync.Mutex
	head  []byte
	done  bool
	heard func(greeting)
}

// Read reads from the connection and listens until the greeting is complete.
func (c *greetedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done || n <= 0 {
		return n, err
	}
	c.head = append(c.head, p[:min(n, maxGreeting)]...)
	if len(c.head) < 4 {
		return n, err
	}
	size := int(c.head[0]) | int(c.head[1])<<8 | int(c.head[2])<<16
	switch {
	case size > maxGreeting:
		c.done, c.head = true, nil
	case len(c.head) >= 4+size:
		if g, bad := parseGreeting(c.head[4 : 4+size]); bad == nil {
			c.heard(g)
		}
		c.done, c.head = true, nil
	}
	return n, err
}
