package wire

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// OK is what an OK packet says (MY, "OK_Packet"; MariaDB: net_send_ok() in sql/protocol.cc). Slices point into the packet.
type OK struct {
	AffectedRows uint64
	InsertID     uint64
	Status       uint16
	Warnings     uint16
	Info         []byte
	State        []byte // Session-state entries, see Trackers.
}

// ParseOK reads an OK packet's payload, with header 0x00 or 0xfe, of a connection with or without ClientSessionTrack.
func ParseOK(p []byte, sessionTrack bool) (OK, error) {
	r := reader{p: p}
	r.byte()
	ok := OK{AffectedRows: r.lenenc(), InsertID: r.lenenc(), Status: r.uint16(), Warnings: r.uint16()}
	if len(r.p) > 0 {
		// The documents have the text run to the packet's end without ClientSessionTrack; servers give its length always, and mysqlnd asks for it.
		ok.Info = r.lenencString()
		if sessionTrack && ok.Status&StatusStateChanged != 0 {
			ok.State = r.lenencString()
		}
	}
	if r.bad {
		return ok, fmt.Errorf("%w: OK packet that ends too early", ErrMalformed)
	}
	return ok, nil
}

// Append appends the payload to b, with the given first byte (0x00, or 0xfe at the end of a result), for a connection with or without ClientSessionTrack.
func (o *OK) Append(b []byte, head byte, sessionTrack bool) []byte {
	b = append(b, head)
	b = AppendLenenc(b, o.AffectedRows)
	b = AppendLenenc(b, o.InsertID)
	status := o.Status &^ StatusStateChanged
	if sessionTrack && len(o.State) > 0 {
		status |= StatusStateChanged
	}
	b = binary.LittleEndian.AppendUint16(b, status)
	b = binary.LittleEndian.AppendUint16(b, o.Warnings)
	if len(o.Info) > 0 || sessionTrack && len(o.State) > 0 {
		b = AppendLenenc(b, uint64(len(o.Info)))
		b = append(b, o.Info...)
	}
	if sessionTrack && len(o.State) > 0 {
		b = AppendLenenc(b, uint64(len(o.State)))
		b = append(b, o.State...)
	}
	return b
}

// AppendEOF appends an EOF packet's payload (MY, "EOF_Packet").
func AppendEOF(b []byte, warnings, status uint16) []byte {
	b = append(b, headEOF)
	b = binary.LittleEndian.AppendUint16(b, warnings)
	return binary.LittleEndian.AppendUint16(b, status)
}

// ServerError is an ERR packet (MY, "ERR_Packet").
type ServerError struct {
	Code     uint16
	SQLState string // Five characters.
	Message  string
}

// Error gives it as the mariadb CLI does.
func (e *ServerError) Error() string {
	return "ERROR " + strconv.Itoa(int(e.Code)) + " (" + e.SQLState + "): " + e.Message
}

// NewError makes an error of the server's list, with the SQLSTATE that belongs to its code.
func NewError(code uint16, format string, args ...any) *ServerError {
	state, ok := mysql.MySQLState[code]
	if !ok {
		state = mysql.DEFAULT_MYSQL_STATE
	}
	return &ServerError{Code: code, SQLState: state, Message: fmt.Sprintf(format, args...)}
}

// ParseErr reads an ERR packet's payload; one that has another shape becomes an error too.
func ParseErr(p []byte) *ServerError {
	r := reader{p: p}
	r.byte()
	e := &ServerError{Code: r.uint16(), SQLState: mysql.DEFAULT_MYSQL_STATE}
	if len(r.p) >= 6 && r.p[0] == '#' {
		e.SQLState = string(r.p[1:6])
		r.p = r.p[6:]
	}
	e.Message = string(r.p)
	return e
}

// Append appends the payload to b.
func (e *ServerError) Append(b []byte) []byte {
	b = append(b, headErr)
	b = binary.LittleEndian.AppendUint16(b, e.Code)
	b = append(b, '#')
	b = append(b, e.SQLState...)
	return append(b, e.Message...)
}
