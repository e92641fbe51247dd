package main

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the protocol's
	"encoding/binary"
	"errors"
	"fmt"
)

// The packets of a client that costs as little as one can: no driver, nothing decoded, all that does not change made once. It says of itself what PHP's mysqlnd does: neither
// SESSION_TRACK nor DEPRECATE_EOF, a schema, connection attributes, and 45 (utf8mb4_general_ci) as its character set.

// Capabilities (MariaDB KB, "Connection": Capabilities), those of mysqlnd's MYSQLND_CAPABILITIES and what a schema, a plugin and attributes add.
const (
	capLongPassword     = 1 << 0
	capLongFlag         = 1 << 2
	capConnectWithDB    = 1 << 3
	capProtocol41       = 1 << 9
	capTransactions     = 1 << 13
	capSecureConnection = 1 << 15
	capMultiResults     = 1 << 17
	capPluginAuth       = 1 << 19
	capConnectAttrs     = 1 << 20
	capPSMultiResults   = 1 << 18

	clientCapabilities = capLongPassword | capLongFlag | capConnectWithDB | capProtocol41 | capTransactions | capSecureConnection | capMultiResults | capPSMultiResults |
		capPluginAuth | capConnectAttrs
	clientCharset = 45
)

// Commands.
const (
	comQuit        = 1
	comQuery       = 3
	comStmtPrepare = 0x16
	comStmtExecute = 0x17
)

var (
	errGreeting = errors.New("the greeting is not one of protocol 10")
	errAnswer   = errors.New("the answer is an error")
)

// login makes the answers to greetings for one account.
type login struct {
	packet   []byte // With room for the proof.
	proofAt  int
	stage1   [sha1.Size]byte // SHA1(password).
	stage2   [sha1.Size]byte // SHA1(SHA1(password)).
	combined [20 + sha1.Size]byte
}

func newLogin(user, password, schema string) *login {
	l := &login{}
	l.stage1 = sha1.Sum([]byte(password)) //nolint:gosec // mysql_native_password
	l.stage2 = sha1.Sum(l.stage1[:])      //nolint:gosec // mysql_native_password
	p := []byte{0, 0, 0, 1}
	p = binary.LittleEndian.AppendUint32(p, clientCapabilities)
	p = binary.LittleEndian.AppendUint32(p, 0xc0000000)
	p = append(p, clientCharset)
	p = append(p, make([]byte, 23)...)
	p = append(append(p, user...), 0)
	p = append(p, sha1.Size)
	l.proofAt = len(p)
	p = append(p, make([]byte, sha1.Size)...)
	p = append(append(p, schema...), 0)
	p = append(p, "mysql_native_password\x00"...)
	attributes := lengthPrefixed(nil, "_client_name", "mysqlnd", "_server_host", "127.0.0.1")
	p = append(append(p, byte(len(attributes))), attributes...)
	l.packet = framed(p)
	return l
}

// answer is the login packet for a greeting. It is good until the next one.
func (l *login) answer(greeting []byte) ([]byte, error) {
	const headerSize = 4
	if len(greeting) <= headerSize || greeting[headerSize] != 10 {
		return nil, fmt.Errorf("%w: %q", errGreeting, greeting)
	}
	version := bytes.IndexByte(greeting[headerSize+1:], 0)
	salt1 := headerSize + 1 + version + 1 + 4
	salt2 := salt1 + 8 + 1 + 2 + 1 + 2 + 2 + 1 + 10
	if version < 0 || len(greeting) < salt2+12 {
		return nil, fmt.Errorf("%w: %q", errGreeting, greeting)
	}
	copy(l.combined[:], greeting[salt1:salt1+8])
	copy(l.combined[8:], greeting[salt2:salt2+12])
	copy(l.combined[20:], l.stage2[:])
	proof := sha1.Sum(l.combined[:]) //nolint:gosec // mysql_native_password
	for i := range proof {
		l.packet[l.proofAt+i] = proof[i] ^ l.stage1[i]
	}
	return l.packet, nil
}

func lengthPrefixed(to []byte, words ...string) []byte {
	for _, w := range words {
		to = append(append(to, byte(len(w))), w...)
	}
	return to
}

// framed puts the length into the header of a packet.
func framed(p []byte) []byte {
	n := len(p) - 4
	p[0], p[1], p[2] = byte(n), byte(n>>8), byte(n>>16)
	return p
}

// appendCommand appends a command, which is all that out then has.
func appendCommand(out []byte, command byte, text string) []byte {
	return framed(append(append(out[:0], 0, 0, 0, 0, command), text...))
}

// packetEnd is where the first packet in b ends, 0 if not all of it is there.
func packetEnd(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	if n := 4 + (int(b[0]) | int(b[1])<<8 | int(b[2])<<16); n <= len(b) {
		return n
	}
	return 0
}

// answerEnd is where the answer that b begins with ends, 0 if not all of it is there: OK, or definitions, EOF, rows, EOF.
func answerEnd(b []byte, prepare bool) (int, error) {
	at := packetEnd(b)
	switch {
	case at == 0:
		return 0, nil
	case at < 5:
		return 0, fmt.Errorf("%w: %q", errAnswer, b[:at])
	case b[4] == 0xff:
		return 0, fmt.Errorf("%w: %s", errAnswer, bytes.ToValidUTF8(b[4:at], []byte(" ")))
	case b[4] == 0 && prepare && at >= 4+9:
		columns, parameters := binary.LittleEndian.Uint16(b[9:]), binary.LittleEndian.Uint16(b[11:])
		return skipToEOF(b, at, btoi(columns > 0)+btoi(parameters > 0))
	case b[4] == 0:
		return at, nil
	default:
		return skipToEOF(b, at, 2)
	}
}

// skipToEOF is where the nth EOF packet from at on ends.
func skipToEOF(b []byte, at, n int) (int, error) {
	for n > 0 {
		size := packetEnd(b[at:])
		if size == 0 {
			return 0, nil
		}
		switch head := b[at+4 : at+size]; {
		case len(head) > 0 && head[0] == 0xff:
			return 0, fmt.Errorf("%w: %s", errAnswer, bytes.ToValidUTF8(head, []byte(" ")))
		case len(head) > 0 && head[0] == 0xfe && len(head) < 9:
			n--
		}
		at += size
	}
	return at, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
