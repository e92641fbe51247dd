package mysql

import (
	"errors"
	"strings"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/proxy/mysql/wire"
)

// The codes of the server's that galley uses or looks for (MariaDB: sql/share/errmsg-utf8.txt).
const (
	codeTooManyConnections = gomysql.ER_CON_COUNT_ERROR
	codeAccessDenied       = gomysql.ER_ACCESS_DENIED_ERROR
	codeUnknownCommand     = gomysql.ER_UNKNOWN_COM_ERROR
	codeServerShutdown     = gomysql.ER_SERVER_SHUTDOWN
	codeLockWaitTimeout    = gomysql.ER_LOCK_WAIT_TIMEOUT
	codeReadOnlyTrx        = 1792
	codeDuringCommit       = gomysql.ER_ERROR_DURING_COMMIT
	codeOptionPrevents     = gomysql.ER_OPTION_PREVENTS_STATEMENT
	codeConnectionKilled   = 1927
	codeKillDenied         = gomysql.ER_KILL_DENIED_ERROR
	codeInterrupted        = gomysql.ER_QUERY_INTERRUPTED
	codeNoSuchQuery        = 1957
	codeStatementTimeout   = 1969
	codeNotSupported       = gomysql.ER_NOT_SUPPORTED_YET
	codeNoSuchThread       = gomysql.ER_NO_SUCH_THREAD
	codeHandshake          = gomysql.ER_HANDSHAKE_ERROR
	codePacketTooLarge     = gomysql.ER_NET_PACKET_TOO_LARGE
	codeMalformed          = gomysql.ER_MALFORMED_PACKET
	codeUnknownStatement   = gomysql.ER_UNKNOWN_STMT_HANDLER
	codeLost               = codeConnectionKilled // See lost.
	codeAccountLocked      = 4151
	codeAccessDeniedNoPass = 1698 // ER_ACCESS_DENIED_NO_PASSWORD_ERROR: the plugin asks for none.
	codePluginNotLoaded    = 1524
	codeOldClient          = gomysql.ER_NOT_SUPPORTED_AUTH_MODE
	codeExpired            = 1862 // ER_MUST_CHANGE_PASSWORD_LOGIN.
	codeUserConnections    = 1226 // ER_USER_LIMIT_REACHED.
	codeAllUserConnections = 1203 // ER_TOO_MANY_USER_CONNECTIONS.
	codeAborted            = 1184
	codeDeadlock           = gomysql.ER_LOCK_DEADLOCK
	codeUnsupportedPS      = gomysql.ER_UNSUPPORTED_PS
	codeRecordChanged      = gomysql.ER_CHECKREAD // With innodb_snapshot_isolation.
	codeNoSuchRoutine      = gomysql.ER_SP_DOES_NOT_EXIST
	codeNoSuchFunction     = gomysql.ER_CANT_FIND_UDF
	codeNoSchema           = gomysql.ER_NO_DB_ERROR
)

// notPrepared is what a node that is not ready says, before it does anything, in place of running a statement (MariaDB: sql/sql_parse.cc, dispatch_command).
const notPrepared = "WSREP has not yet prepared node for application use"

// closeReason is why a session ended: a closed list, the label of the metric.
type closeReason byte

// The reasons for the end of a session.
const (
	closeQuit closeReason = iota
	closeClientGone
	closeBadPacket
	closeHandshake
	closeAccessDenied
	closeTooManyConnections
	closeNoNode
	closeNodeLost
	closeShutdown
	closeKilled
	closeWaitTimeout
	closeSlowClient
	closeReasons
)

// String gives the reason's word.
func (r closeReason) String() string {
	switch r {
	case closeQuit:
		return "quit"
	case closeClientGone:
		return "client_gone"
	case closeBadPacket:
		return "bad_packet"
	case closeHandshake:
		return "handshake"
	case closeAccessDenied:
		return "access_denied"
	case closeTooManyConnections:
		return "too_many_connections"
	case closeNoNode:
		return "no_node"
	case closeNodeLost:
		return "node_lost"
	case closeShutdown:
		return "shutdown"
	case closeWaitTimeout:
		return "wait_timeout"
	case closeSlowClient:
		return "slow_client"
	case closeKilled, closeReasons:
	}
	return "killed"
}

// errSession ends a session; the client has been told what it can be told.
type errSession struct {
	reason closeReason
	err    error
}

func (e *errSession) Error() string {
	if e.err == nil {
		return e.reason.String()
	}
	return e.reason.String() + ": " + e.err.Error()
}
func (e *errSession) Unwrap() error { return e.err }

func endSession(reason closeReason, err error) error { return &errSession{reason: reason, err: err} }

// noNodeError says that no node could be had.
func noNodeError(role, why string, waited time.Duration) *wire.ServerError {
	return wire.NewError(codeUnknownCommand, "galley: no node can take this %s now (%s); waited %s for one. See the status page or 'galley check'", role, why, waited.Round(time.Millisecond))
}

// errStopping tells who waits for a node when galley stops: nothing of it was run.
func errStopping() *wire.ServerError {
	return wire.NewError(codeServerShutdown, "Server shutdown in progress")
}

// lost makes the lost-connection error. Its code must be one of a server's: the client library's own (2013) in an ERR packet is a malformed packet (2027) to libmariadb. The SQLSTATE is
// that of a broken connection, by which connection pools of JDBC and others know one; mysqlnd and go-sql-driver pass both on as they are.
func lost(format string, args ...any) *wire.ServerError {
	e := wire.NewError(codeLost, format, args...)
	e.SQLState = "08S01"
	return e
}

// lostError says that the connection to a node broke while a command was under way.
func lostError(addr string) *wire.ServerError {
	return lost("Lost connection to server during query (galley: node %s went away; the statement may or may not have been run)", addr)
}

// nodeTrouble says whether an ERR packet of a node smells of trouble with the node, so that it is to be probed at once.
func nodeTrouble(e *wire.ServerError) bool {
	switch e.Code {
	case codeUnknownCommand, codeServerShutdown, codeConnectionKilled, codeDuringCommit:
		return true
	case codeOptionPrevents:
		return strings.Contains(e.Message, "read-only") || strings.Contains(e.Message, "read_only")
	case codeLockWaitTimeout:
		return true
	}
	return false
}

// unknownFate says whether an ERR packet leaves open whether the statement's transaction has been committed: the node left the primary component while it was
// (MariaDB: wsrep_override_error; facts: trap 5).
func unknownFate(e *wire.ServerError) bool {
	return e.Code == codeDuringCommit && strings.Contains(e.Message, "Primary Component")
}

// errUnknownFate stands for such an answer.
var errUnknownFate = errors.New("the node left the primary component while it committed")

// errMoved says that a read was taken off its node while it ran there.
var errMoved = errors.New("the read is moved to another node")

// neverRan says whether an ERR packet in place of an answer proves that the statement was refused before it did anything.
func neverRan(e *wire.ServerError) bool {
	return e.Code == codeUnknownCommand && strings.Contains(e.Message, notPrepared) ||
		e.Code == codeOptionPrevents && (strings.Contains(e.Message, "--read-only") || strings.Contains(e.Message, "--read_only"))
}

var (
	errShuttingDown = errors.New("galley is shutting down")
	errKilled       = errors.New("killed by KILL")
	errExpired      = errors.New("the password has expired, and the nodes let nobody in with one")
	errLostState    = errors.New("what the session had set up was lost with its node")
)

// isRefusal says whether a node answered, with an ERR packet, and did not break off.
func isRefusal(err error) bool {
	var refused *wire.ServerError
	return errors.As(err, &refused)
}

// clientError gives what a client may be told of an error: the server's own words, or a plain sentence without addresses inside.
func clientError(err error, fallback string) *wire.ServerError {
	if refused, ok := errors.AsType[*wire.ServerError](err); ok {
		return refused
	}
	if isOurs(err) {
		return wire.NewError(codeAccessDenied, "galley: %v", err)
	}
	return lost("galley: %s", fallback)
}
