// Package fcgi speaks FastCGI 1.0 to php-fpm: records, one connection, one
// round trip.
//
// It is no pool, chooses nothing and retries nothing, and it does not know what
// the params should be: see package fpm for the one and package web for the
// other. A connection to php-fpm is a worker for as long as it is open: who
// keeps one for a second request (Request.Keep, Conn.Again) has that request
// at hand.
//
// The one thing to know first: the empty PARAMS record is the commit point.
// php-fpm runs the script once it has it, and nothing that is done to the
// connection afterwards keeps it from doing so. Error.Committed says whether
// that record may have left.
package fcgi

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Type is the type of a record (FastCGI 1.0, section 8).
type Type uint8

// The types of records.
const (
	BeginRequest    Type = 1
	AbortRequest    Type = 2
	EndRequest      Type = 3
	Params          Type = 4
	Stdin           Type = 5
	Stdout          Type = 6
	Stderr          Type = 7
	GetValues       Type = 9
	GetValuesResult Type = 10
	UnknownType     Type = 11
)

// KeepConn is the flag of BEGIN_REQUEST that asks the peer to leave the connection open after its answer.
const KeepConn = 1

// Status is the protocolStatus of an END_REQUEST record.
type Status uint8

// The protocol statuses. php-fpm only ever sends Complete.
const (
	Complete      Status = 0
	CantMultiplex Status = 1
	Overloaded    Status = 2
	UnknownRole   Status = 3
)

// String gives the word of the specification.
func (s Status) String() string {
	switch s {
	case Complete:
		return "request_complete"
	case CantMultiplex:
		return "cant_mpx_conn"
	case Overloaded:
		return "overloaded"
	case UnknownRole:
		return "unknown_role"
	}
	return fmt.Sprintf("status %d", uint8(s))
}

const (
	version   = 1
	headerLen = 8
	// maxContent is the most that a record can carry.
	maxContent = 65535
	// requestID is the id of the one request of a connection; 0 is for the connection itself.
	requestID = 1
	responder = 1
)

// Header is the head of a record.
type Header struct {
	Type    Type
	ID      uint16
	Length  int // of the content
	Padding int
}

// ErrMalformed says that the peer does not speak FastCGI.
var ErrMalformed = errors.New("not FastCGI")

// ParseHeader reads the head of a record from the eight bytes of it.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < headerLen {
		return Header{}, fmt.Errorf("%w: %d bytes are no record", ErrMalformed, len(b))
	}
	if b[0] != version {
		return Header{}, fmt.Errorf("%w: version %d", ErrMalformed, b[0])
	}
	return Header{
		Type: Type(b[1]), ID: binary.BigEndian.Uint16(b[2:]), Length: int(binary.BigEndian.Uint16(b[4:])), Padding: int(b[6]),
	}, nil
}

// AppendHeader appends the head of a record without padding.
func AppendHeader(b []byte, t Type, id uint16, length int) []byte {
	return append(b, version, byte(t), byte(id>>8), byte(id), byte(length>>8), byte(length), 0, 0)
}

// AppendRecord appends a whole record; what does not fit into one is the caller's mistake and is cut.
func AppendRecord(b []byte, t Type, id uint16, content []byte) []byte {
	content = content[:min(len(content), maxContent)]
	return append(AppendHeader(b, t, id, len(content)), content...)
}

// Param is a name and its value of the environment of a script.
type Param struct{ Name, Value string }

// ErrParamTooLong says that a name and its value do not fit into one record.
// php-fpm reads pairs record by record, so that a longer one is cut there
// without a word (main/fastcgi.c, fcgi_get_params).
var ErrParamTooLong = errors.New("a param is longer than a record")

// AppendParams appends PARAMS records with all pairs, none of which spans two
// records, without the empty record that ends them.
func AppendParams(b []byte, params []Param) ([]byte, error) {
	head, begin := -1, 0
	finish := func() {
		if head >= 0 {
			binary.BigEndian.PutUint16(b[head+4:], uint16(len(b)-begin))
		}
	}
	for _, p := range params {
		n := pairLen(p)
		if n > maxContent {
			return b, fmt.Errorf("%w: %q has %d bytes", ErrParamTooLong, p.Name, len(p.Value))
		}
		if head < 0 || len(b)-begin+n > maxContent {
			finish()
			head = len(b)
			b = AppendHeader(b, Params, requestID, 0)
			begin = len(b)
		}
		b = appendLen(appendLen(b, len(p.Name)), len(p.Value))
		b = append(append(b, p.Name...), p.Value...)
	}
	finish()
	return b, nil
}

func pairLen(p Param) int {
	return lenLen(len(p.Name)) + lenLen(len(p.Value)) + len(p.Name) + len(p.Value)
}

func lenLen(n int) int {
	if n < 128 {
		return 1
	}
	return 4
}

// appendLen appends a length in one byte, or in four with the highest bit set.
func appendLen(b []byte, n int) []byte {
	if n < 128 {
		return append(b, byte(n))
	}
	return binary.BigEndian.AppendUint32(b, uint32(n)|1<<31)
}

// ParsePairs reads the pairs of one record of PARAMS or GET_VALUES_RESULT.
func ParsePairs(b []byte) ([]Param, error) {
	var pairs []Param
	for len(b) > 0 {
		name, rest, ok := pairLength(b)
		if !ok {
			return pairs, fmt.Errorf("%w: a pair is cut in its lengths", ErrMalformed)
		}
		value, rest, ok := pairLength(rest)
		if !ok || name > len(rest) || value > len(rest)-name {
			return pairs, fmt.Errorf("%w: a pair is cut", ErrMalformed)
		}
		pairs = append(pairs, Param{Name: string(rest[:name]), Value: string(rest[name : name+value])})
		b = rest[name+value:]
	}
	return pairs, nil
}

func pairLength(b []byte) (n int, rest []byte, ok bool) {
	switch {
	case len(b) >= 1 && b[0] < 128:
		return int(b[0]), b[1:], true
	case len(b) >= 4:
		return int(binary.BigEndian.Uint32(b) &^ (1 << 31)), b[4:], true
	}
	return 0, nil, false
}

// appendBegin appends BEGIN_REQUEST for a responder, which leaves the connection open after its answer if keep is set.
func appendBegin(b []byte, keep bool) []byte {
	flags := byte(0)
	if keep {
		flags = KeepConn
	}
	return AppendRecord(b, BeginRequest, requestID, []byte{0, responder, flags, 0, 0, 0, 0, 0})
}
