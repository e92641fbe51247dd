package torture

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strconv"

	"github.com/go-sql-driver/mysql"
)

// Outcome is how an operation ended, as far as its client can know.
type Outcome uint8

// The outcomes.
const (
	OK      Outcome = iota // It was done.
	Failed                 // It was surely not done.
	Unknown                // It may have been done, or may yet be.
)

// outcomeOf says what an error means for a statement, or for a transaction that is rolled back behind it. A server's error says that a statement was not
// done, but for those that say that nobody knows.
func outcomeOf(err error) Outcome {
	var server *mysql.MySQLError
	switch {
	case err == nil:
		return OK
	case errors.As(err, &server):
		switch server.Number {
		case 1053, 1152, 1158, 1159, 1160, 1161, 1180, 1317, 1927, 2006, 2013:
			return Unknown
		}
		return Failed
	case errors.Is(err, errNotConnected):
		return Failed
	}
	return Unknown
}

// errNotConnected is a session that could not be opened: nothing was sent.
var errNotConnected = errors.New("not connected")

// readFailed is an error of a read: there is nothing that may have been done.
type readFailed struct{ error }

// Unwrap is for errors.Is and errors.As.
func (e readFailed) Unwrap() error { return e.error }

// errWrong ends an operation whose answer cannot be; it is counted where it is found.
var errWrong = errors.New("a wrong answer")

// kindOf names an error in the report.
func kindOf(err error) string {
	var server *mysql.MySQLError
	var netErr net.Error
	switch {
	case errors.Is(err, errWrong):
		return "wrong"
	case errors.As(err, &server):
		return strconv.Itoa(int(server.Number))
	case errors.Is(err, context.DeadlineExceeded):
		return "hang"
	case errors.Is(err, errNotConnected):
		return "connect"
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "cut"
	case errors.As(err, &netErr):
		return "network"
	}
	return "other"
}
