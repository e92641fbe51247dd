package mysql

import (
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/proxy/mysql/wire"
)

// keptAnswer is an answer of one result that galley reads itself instead of forwarding it.
type keptAnswer struct {
	buf []byte
	// Whole packets, with their headers: the column count and the definitions with their EOF; the rows; and what ends the answer, which is all of it where it is no result set.
	head, rows [][]byte
	end        []byte
}

// split finds the packets. deprecateEOF is the connection's capability. False is an answer that is not understood.
func (k *keptAnswer) split(deprecateEOF bool) bool {
	k.head, k.rows, k.end = nil, nil, nil
	definitions := -1 // Not yet known.
	for rest := k.buf; len(rest) > 0; {
		if len(rest) < wire.HeaderLen {
			return false
		}
		n := wire.HeaderLen + wire.PayloadLen(rest)
		if n > len(rest) || n == wire.HeaderLen || n-wire.HeaderLen == wire.MaxPayload {
			return false
		}
		p, payload := rest[:n], rest[wire.HeaderLen:n]
		rest = rest[n:]
		switch {
		case definitions < 0:
			if payload[0] == gomysql.ERR_HEADER || payload[0] == gomysql.OK_HEADER {
				k.end = p
				return len(rest) == 0
			}
			count, _, m := gomysql.LengthEncodedInt(payload)
			if m == 0 || count == 0 || count > 0xffff {
				return false
			}
			definitions = int(count)
			if !deprecateEOF {
				definitions++
			}
			k.head = append(k.head, p)
		case definitions > 0:
			definitions--
			k.head = append(k.head, p)
		case payload[0] == gomysql.ERR_HEADER, payload[0] == gomysql.EOF_HEADER && (deprecateEOF || len(payload) < 9):
			k.end = p
			return len(rest) == 0
		default:
			k.rows = append(k.rows, p)
		}
	}
	return false
}

// isRows says whether the answer is a result set that has come to its end.
func (k *keptAnswer) isRows() bool {
	return k.end != nil && len(k.head) > 0 && k.end[wire.HeaderLen] != gomysql.ERR_HEADER
}

// refused gives the ERR packet that the answer is or ends with, or nil.
func (k *keptAnswer) refused() *wire.ServerError {
	if k.end == nil || k.end[wire.HeaderLen] != gomysql.ERR_HEADER {
		return nil
	}
	return wire.ParseErr(k.end[wire.HeaderLen:])
}

// value is one value of a row of text.
type value struct {
	text string
	null bool
}

// values reads a row packet of the text protocol.
func values(packet []byte) ([]value, bool) {
	var all []value
	for p := packet[wire.HeaderLen:]; len(p) > 0; {
		v, null, n, err := gomysql.LengthEncodedString(p)
		if err != nil || n <= 0 {
			return nil, false
		}
		all = append(all, value{string(v), null})
		p = p[n:]
	}
	return all, true
}

// runKept runs a statement of galley's own as the session's: where its state is, its answer kept. False means that the client has been told of an error already.
func (s *session) runKept(text string) (*keptAnswer, bool, error) {
	packet := wire.AppendCommand(nil, wire.ComQuery, text)
	cmd := wire.Command{Packet: packet, Body: packet[wire.HeaderLen:]}
	return s.keepOn(s.homeTarget(toWriter), &exchange{cmd: &cmd, packet: packet, kind: wire.AnswerQuery, noData: true})
}

// keepOn is execute, but keeps the answer.
func (s *session) keepOn(t target, x *exchange) (*keptAnswer, bool, error) {
	x.keep = &keptAnswer{}
	err := s.execute(t, x)
	if err != nil || !s.answer.Done || len(x.keep.buf) == 0 || !x.keep.split(s.caps.Has(wire.ClientDeprecateEOF)) {
		return nil, false, err
	}
	return x.keep, true, nil
}
