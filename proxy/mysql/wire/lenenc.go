package wire

import (
	"bytes"
	"encoding/binary"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// AppendLenenc appends n as a length-encoded integer (MY, "Integer Types").
func AppendLenenc(b []byte, n uint64) []byte { return mysql.AppendLengthEncodedInteger(b, n) }

// lenenc reads a length-encoded integer. n is 0 where p is too short or starts with a byte that none starts with (0xfb, 0xff).
func lenenc(p []byte) (v uint64, n int) {
	if len(p) == 0 {
		return 0, 0
	}
	switch p[0] {
	case 0xfc:
		if len(p) >= 3 {
			return uint64(binary.LittleEndian.Uint16(p[1:])), 3
		}
	case 0xfd:
		if len(p) >= 4 {
			return uint64(p[1]) | uint64(p[2])<<8 | uint64(p[3])<<16, 4
		}
	case 0xfe:
		if len(p) >= 9 {
			return binary.LittleEndian.Uint64(p[1:]), 9
		}
	case 0xfb, 0xff:
	default:
		return uint64(p[0]), 1
	}
	return 0, 0
}

// reader takes fields off the front of a payload; what is missing sets bad and gives zero values from then on.
type reader struct {
	p   []byte
	bad bool
}

func (r *reader) fail() {
	r.bad = true
	r.p = nil
}

func (r *reader) byte() byte {
	if len(r.p) == 0 {
		r.fail()
		return 0
	}
	b := r.p[0]
	r.p = r.p[1:]
	return b
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.p) {
		r.fail()
		return nil
	}
	b := r.p[:n]
	r.p = r.p[n:]
	return b
}

func (r *reader) uint16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *reader) lenenc() uint64 {
	v, n := lenenc(r.p)
	if n == 0 {
		r.fail()
		return 0
	}
	r.p = r.p[n:]
	return v
}

func (r *reader) lenencString() []byte {
	n := r.lenenc()
	if r.bad || n > uint64(len(r.p)) {
		r.fail()
		return nil
	}
	return r.bytes(int(n))
}

func (r *reader) nulString() string {
	i := bytes.IndexByte(r.p, 0)
	if i < 0 {
		if !r.bad && len(r.p) > 0 { // The last string may come without its NUL (Connector/J, old clients).
			s := string(r.p)
			r.p = nil
			return s
		}
		r.fail()
		return ""
	}
	s := string(r.p[:i])
	r.p = r.p[i+1:]
	return s
}
