package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// ScrambleLen is the length of the random challenge in a greeting, without its closing NUL.
const ScrambleLen = 20

// Greeting is the first packet of a connection, from the server (MY, "Protocol::HandshakeV10"; KB, "Connecting, Initial Handshake Packet").
type Greeting struct {
	Version    string // "5.5.5-10.11.19-MariaDB": MariaDB puts "5.5.5-" in front for old replicas.
	ThreadID   uint32
	Scramble   [ScrambleLen]byte
	Capability Capability
	Charset    byte // The server's default collation id.
	Status     uint16
	Plugin     string
}

// Append appends the greeting's payload to b. Without ClientMySQL in its capabilities it announces MariaDB's extended ones.
func (g *Greeting) Append(b []byte) []byte {
	b = append(b, 10)
	b = append(b, g.Version...)
	b = append(b, 0)
	b = binary.LittleEndian.AppendUint32(b, g.ThreadID)
	b = append(b, g.Scramble[:8]...)
	b = append(b, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(g.Capability))
	b = append(b, g.Charset)
	b = binary.LittleEndian.AppendUint16(b, g.Status)
	b = binary.LittleEndian.AppendUint16(b, uint16(g.Capability>>16))
	b = append(b, ScrambleLen+1, 0, 0, 0, 0, 0, 0)
	ext := uint32(0)
	if !g.Capability.Has(ClientMySQL) {
		ext = uint32(g.Capability >> 32)
	}
	b = binary.LittleEndian.AppendUint32(b, ext)
	b = append(b, g.Scramble[8:]...)
	b = append(b, 0)
	b = append(b, g.Plugin...)
	return append(b, 0)
}

// ParseGreeting reads a greeting's payload. An ERR packet in its place ("Too many connections", "Host is blocked") is returned as *ServerError.
func ParseGreeting(p []byte) (Greeting, error) {
	var g Greeting
	if len(p) > 0 && p[0] == headErr {
		return g, ParseErr(p)
	}
	if len(p) == 0 || p[0] != 10 {
		return g, fmt.Errorf("%w: not a greeting of protocol version 10", ErrMalformed)
	}
	end := bytes.IndexByte(p[1:], 0)
	if end < 0 {
		return g, fmt.Errorf("%w: greeting without the end of its version", ErrMalformed)
	}
	g.Version = string(p[1 : 1+end])
	p = p[2+end:]
	// id 4, scramble 8, 0, flags 2, charset 1, status 2, flags 2, scramble length 1, zeros 6, extended flags 4.
	if len(p) < 4+8+1+2+1+2+2+1+6+4 {
		return g, fmt.Errorf("%w: greeting of an old protocol", ErrMalformed)
	}
	g.ThreadID = binary.LittleEndian.Uint32(p)
	copy(g.Scramble[:8], p[4:12])
	low, high := binary.LittleEndian.Uint16(p[13:]), binary.LittleEndian.Uint16(p[18:])
	g.Capability = Capability(low) | Capability(high)<<16
	g.Charset = p[15]
	g.Status = binary.LittleEndian.Uint16(p[16:])
	if !g.Capability.Has(ClientMySQL) {
		g.Capability |= Capability(binary.LittleEndian.Uint32(p[27:])) << 32
	}
	p = p[31:]
	if len(p) < ScrambleLen-8 {
		return g, fmt.Errorf("%w: greeting with a short challenge", ErrMalformed)
	}
	copy(g.Scramble[8:], p)
	p = p[ScrambleLen-8:]
	if len(p) > 0 {
		p = p[1:]
	}
	g.Plugin = string(bytes.TrimRight(p, "\x00"))
	return g, nil
}
