package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

// Lengths of headers, in bytes (the PROXY protocol, sections 2.1 and 2.2). All of a header's kind can be told from its first twelve: the shortest line of version 1 has
// fifteen, and twelve are the signature of version 2, which has four more before its addresses.
const (
	headStart  = 12
	headFixed  = 16
	lineLimit  = 107
	bodyLimit  = 4096 // The library's limit as well; what balancers add (certificates of clients) stays below 2 KB.
	lineBegins = "PROXY "
)

// header is what a PROXY header says: the client's address, or that it came to the load balancer by a unix socket, or neither where the load balancer connects
// on its own behalf (LOCAL, UNKNOWN).
type header struct {
	source netip.AddrPort
	unix   bool
}

// readHeader reads a header to its last byte and no further.
func readHeader(r io.Reader) (header, error) {
	b := make([]byte, headStart, lineLimit)
	n, err := io.ReadFull(r, b)
	switch {
	case errors.Is(err, io.EOF):
		return header{}, err // A probe that only connects.
	case err != nil && !possible(b[:n]):
		return header{}, ErrNoHeader
	case err != nil:
		return header{}, fmt.Errorf("%w (%w)", ErrNoHeader, err)
	case bytes.Equal(b, proxyproto.SIGV2):
		b, err = readBlock(r, b)
	case bytes.HasPrefix(b, []byte(lineBegins)) && bytes.IndexByte(b, '\n') < 0:
		b, err = readLine(r, b)
	default:
		return header{}, ErrNoHeader
	}
	if err != nil {
		return header{}, err
	}
	return parseHeader(b)
}

// possible says whether what has come so far may be the beginning of a header.
func possible(b []byte) bool {
	return bytes.HasPrefix(proxyproto.SIGV2, b) || bytes.HasPrefix([]byte(lineBegins), b[:min(len(b), len(lineBegins))])
}

// readLine reads the rest of a header of version 1. Byte by byte, as its length is known at its end only and what follows is not the header's: some forty
// reads, once a connection. Version 2 needs three.
func readLine(r io.Reader, b []byte) ([]byte, error) {
	for len(b) < lineLimit {
		b = append(b, 0)
		if _, err := io.ReadFull(r, b[len(b)-1:]); err != nil {
			return nil, unexpected(err)
		}
		if b[len(b)-1] == '\n' {
			return b, nil
		}
	}
	return nil, fmt.Errorf("a line of more than %d bytes", lineLimit)
}

// readBlock reads the rest of a header of version 2.
func readBlock(r io.Reader, b []byte) ([]byte, error) {
	var more [headFixed - headStart]byte
	if _, err := io.ReadFull(r, more[:]); err != nil {
		return nil, unexpected(err)
	}
	b = append(b, more[:]...)
	length := int(binary.BigEndian.Uint16(more[2:]))
	if length > bodyLimit {
		return nil, fmt.Errorf("it says that it has %d bytes, which is more than %d", length, bodyLimit)
	}
	b = append(b, make([]byte, length)...)
	if _, err := io.ReadFull(r, b[headFixed:]); err != nil {
		return nil, unexpected(err)
	}
	return b, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parseHeader reads a whole header.
func parseHeader(b []byte) (header, error) {
	left := bufio.NewReader(bytes.NewReader(b))
	h, err := proxyproto.Read(left)
	if err != nil {
		return header{}, err
	}
	if left.Buffered() > 0 {
		return header{}, errors.New("there is something behind its end")
	}
	if h.Command.IsLocal() || h.TransportProtocol.IsUnspec() {
		return header{}, nil
	}
	switch a := h.SourceAddr.(type) {
	case *net.TCPAddr:
		if source := plain(a.AddrPort()); source.IsValid() && !source.Addr().IsUnspecified() {
			return header{source: source}, nil
		}
	case *net.UnixAddr:
		return header{unix: true}, nil
	}
	return header{}, fmt.Errorf("it gives no client's address (%v)", h.SourceAddr)
}

// HeaderFor is a header of version 2 that tells the server at the other end of nc whose connection this is. Without an address it says that the client came
// by a unix socket, which servers take for localhost (MariaDB: handle_proxy_header, sql/net_serv.cc).
func HeaderFor(client netip.AddrPort, nc net.Conn) ([]byte, error) {
	h := proxyproto.Header{Version: 2, Command: proxyproto.PROXY}
	if !client.IsValid() {
		h.TransportProtocol = proxyproto.UnixStream
		h.SourceAddr, h.DestinationAddr = &net.UnixAddr{Net: "unix"}, &net.UnixAddr{Net: "unix"}
		return h.Format()
	}
	// Both ends have the same family: where the server's is another, or a socket, its end is left unspecified.
	client = plain(client)
	h.TransportProtocol, h.SourceAddr = proxyproto.TCPv4, net.TCPAddrFromAddrPort(client)
	h.DestinationAddr = &net.TCPAddr{IP: net.IPv4zero}
	if client.Addr().Is6() {
		h.TransportProtocol, h.DestinationAddr = proxyproto.TCPv6, &net.TCPAddr{IP: net.IPv6zero}
	}
	if server, ok := nc.RemoteAddr().(*net.TCPAddr); ok && plain(server.AddrPort()).Addr().Is4() == client.Addr().Is4() {
		h.DestinationAddr = server
	}
	return h.Format()
}
