package mysql

import (
	"errors"
	"sync/atomic"
	"time"

	"galley/cluster"
	"galley/proxy/mysql/wire"
)

// trackEverything makes the server report all changes of session state in its OK packets (facts measured on 10.11; MariaDB KB "Session Tracking").
// It is sent at login and after each reset. State changes of a transaction are asked for with their characteristics.
const trackEverything = "SET SESSION session_track_system_variables='*', session_track_schema=ON, session_track_state_change=ON, session_track_transaction_info='CHARACTERISTICS'"

// onlyReads makes a conn to a reader refuse what would write: a view that calls a stored function with side effects is a read by its text. The writer runs it then.
// Under a global autocommit=0 of that node a read would open a transaction there: only a session with autocommit reads on readers, or one that begins a transaction itself.
const onlyReads = ", tx_read_only=ON, autocommit=1"

// backendConn is a connection of one session to one node, logged in as the session's user. The session's goroutine owns it; others may close it.
type backendConn struct {
	*wire.Conn
	node     *cluster.Node
	threadID uint32
	takeKeys bool   // See nodeAuth.
	setup    string // The statement that sets what galley needs on it.
	caps     wire.Capability
	synced   uint64 // The version of the session's state that it has.
	schema   string // Its current schema.
	isWriter bool   // It was opened to the writer.
	raised   bool   // Its statements wait until the node has applied what the cluster has committed.
	retrack  bool   // The client has changed the session tracking that galley needs.
	stmts    map[uint32]*backendStmt
	cursors  int       // Open cursors of prepared statements.
	usedAt   time.Time // When the last answer ended.
	lost     atomic.Bool
	run      atomic.Uint32 // A runState.
	reads    atomic.Bool   // What runs on it only reads.
	killers  atomic.Int32  // Who is about to kill what runs here: a conn with killers is not given to another session.
	scramble [wire.ScrambleLen]byte
	out      []byte // Scratch for what galley itself sends.
	set      *connSet
}

// command runs a command of galley's own whose answer has one result at most, and drops the answer.
func (b *backendConn) command(com byte, argument string) error {
	b.out = wire.AppendCommand(b.out[:0], com, argument)
	if err := b.Write(b.out); err != nil {
		return err
	}
	kind := wire.AnswerQuery
	if com == wire.ComInitDB || com == wire.ComResetConnection {
		kind = wire.AnswerSingle
	}
	return b.swallow(kind)
}

// swallow reads an answer to its end and drops it. An ERR packet is returned as *wire.ServerError.
func (b *backendConn) swallow(kind wire.AnswerKind) error {
	var a wire.Answer
	a.Start(kind, b.caps)
	for !a.Done {
		n, ev, err := a.Walk(b.Window())
		if err != nil {
			return err
		}
		if ev == wire.EventInFile {
			return errors.New("the node asks for a file")
		}
		if ev == wire.EventError {
			refused := wire.ParseErr(b.Window()[a.LastStart+wire.HeaderLen : n])
			b.Discard(n)
			return refused
		}
		b.Discard(n)
		if ev == wire.EventMore && !a.Done {
			if err := b.Fill(); err != nil {
				return err
			}
		}
	}
	return nil
}
