package demo

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

// codeLost says that a session, or the answer to its statement, is gone (ER_CONNECTION_KILLED).
const codeLost = 1927

// kindOf names an error for people.
func kindOf(err error) string {
	var answer *mysql.MySQLError
	var op *net.OpError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &answer):
		return fmt.Sprintf("error %d (%s)", answer.Number, meaning(answer.Number))
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in " + opLimit.String()
	case errors.As(err, &op) && op.Op == "dial":
		return "connection refused"
	case errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection lost"
	}
	return err.Error()
}

// meaning is a code in words, for the codes that a failover may show.
func meaning(code uint16) string {
	switch code {
	case 1040:
		return "too many connections"
	case 1047:
		return "no node for it"
	case 1053:
		return "server shutdown"
	case 1180, 1213:
		return "rolled back by another write"
	case 1205:
		return "lock wait timeout"
	case 1290:
		return "read only"
	case codeLost:
		return "lost connection: may have run or not"
	}
	return "see the server's manual"
}

// goesOn says whether the connection is still good after this: no error, or one that the server answered with.
func goesOn(err error) bool {
	if err == nil {
		return true
	}
	var answer *mysql.MySQLError
	return errors.As(err, &answer) && answer.Number != codeLost && answer.Number != 1053
}

// uncertain says whether a write that ended so may have been done all the same: its answer was lost, or its COMMIT met a node that left the group
// (1047, 1180).
func uncertain(err error) bool {
	var answer *mysql.MySQLError
	return !goesOn(err) || errors.As(err, &answer) && (answer.Number == 1047 || answer.Number == 1180)
}
