package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Peer is who is at the other side of a client's connection.
type Peer struct {
	// Addr is the client's own address; not valid for one that came by a unix socket.
	Addr netip.AddrPort
	// Via is the load balancer's address where a PROXY header told of the client.
	Via netip.AddrPort
	// Local says that the client came by a unix socket: galley's own, or the load balancer's.
	Local bool
	// Socket says that it came by galley's own: what passes there stays on this machine.
	Socket bool

	other string // The address of what is neither TCP nor a unix socket.
}

// String is the client's address as people read it.
func (p Peer) String() string {
	switch {
	case p.Local:
		return "localhost"
	case !p.Addr.IsValid():
		return p.other
	}
	return p.Addr.String()
}

// Host is the client's host as servers name it where they do not resolve names.
func (p Peer) Host() string {
	if p.Addr.IsValid() {
		return p.Addr.Addr().String()
	}
	return p.String()
}

// headerLimit bounds the time for a PROXY header. Load balancers write it at once; one lost segment is sent again after a second at most.
const headerLimit = 5 * time.Second

// ErrNoHeader says that a connection from a network of load balancers did not begin with a PROXY header.
var ErrNoHeader = errors.New("no PROXY header, which is required from this network")

// Meet says who the client of a connection is. From the networks in trusted a PROXY header is read first, and is required: without one nobody knows whose
// statements these are. From elsewhere none is read. It leaves no deadline on the connection and reads not one byte behind the header.
func Meet(nc net.Conn, trusted []netip.Prefix) (Peer, error) {
	p := peerOf(nc)
	if !p.Addr.IsValid() || !slices.ContainsFunc(trusted, func(n netip.Prefix) bool { return n.Contains(p.Addr.Addr()) }) {
		return p, nil
	}
	if err := nc.SetReadDeadline(time.Now().Add(headerLimit)); err != nil {
		return p, err
	}
	h, err := readHeader(nc)
	if err != nil {
		return p, fmt.Errorf("reading the PROXY header: %w", err)
	}
	return p.told(h), nc.SetReadDeadline(time.Time{})
}

// peerOf is the other side by the socket alone.
func peerOf(nc net.Conn) Peer {
	switch a := nc.RemoteAddr().(type) {
	case *net.TCPAddr:
		return Peer{Addr: plain(a.AddrPort())}
	case *net.UnixAddr:
		return Peer{Local: true, Socket: true}
	}
	return Peer{other: nc.RemoteAddr().String()}
}

// plain is an address without the form of IPv4 inside IPv6.
func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// told is the peer after what a header says.
func (p Peer) told(h header) Peer {
	switch {
	case h.unix:
		return Peer{Local: true, Via: p.Addr}
	case h.source.IsValid():
		return Peer{Addr: h.source, Via: p.Addr}
	}
	return p // The load balancer's own connection.
}
