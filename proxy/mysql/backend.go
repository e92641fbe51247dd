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

// backendConn is a connection to one node, logged in as a user, of which one session at a time makes use. Whose it is, and the fields of the pool, are guarded by the mutex of
// its connSet; everything else belongs to the goroutine of the session that has it. Others may close it.
type backendConn struct {
	*wire.Conn
	node     *cluster.Node
	threadID uint32
	takeKeys bool   // See nodeAuth.
	setup    string // The statement that sets what galley needs on it.
	caps     wire.Capability
	charset  uint8 // Of its login.
	readOnly bool  // It refuses writes.
	dirty    bool  // It reads outside of a primary component.
	opened   int64 // In ticks of the server's.

	// The state of the session in the node.
	schema  string     // The current schema.
	vars    []variable // What has been set, as against what the node's own settings are.
	retrack bool       // The client has changed the session tracking that galley needs.
	foreign ties       // What other sessions have left.
	dirt    ties       // What the present one has left.
	own     ties       // The part of it that galley does not know.
	synced  uint64     // The version of its session's state that it has; 0 for another session's.
	left    uint64     // The version of its session's left-overs that it has.
	unsure  bool       // A routine may have set variables without the server reporting it (SET @@x): no other session takes them for known.
	stmts   map[stmtKey]*backendStmt
	uses    uint64    // Counts uses of stmts.
	cursors int       // Open cursors of prepared statements.
	longs   int       // Statements with long data for their next execution.
	usedAt  time.Time // When an answer that was timed ended.

	links[backendConn]

	set       *connSet
	pool      *connPool
	owner     *session // Who has it, or had it last.
	epoch     uint32   // Its owner's, when it got it.
	in        *connList
	idleSince int64   // In ticks of the server's.
	lentIn    uint32  // The turn of the width in which its session got it; 0 while it is idle.
	rescue    *rescue // What its owner must read before it does anything else.
	retire    bool    // It is closed when given back.

	lost     atomic.Bool
	run      atomic.Uint32 // A runState.
	reads    atomic.Bool   // What runs on it only reads.
	killers  atomic.Int32  // Who is about to kill what runs here: a conn with killers is not given to another session.
	scramble [wire.ScrambleLen]byte
	out      []byte // Scratch for what galley itself sends.
}

// closeQuietly says good-bye to the node and closes.
func (b *backendConn) closeQuietly() {
	if !b.lost.Load() {
		_ = b.SetDeadline(time.Now().Add(time.Second))
		_ = b.Write([]byte{1, 0, 0, 0, wire.ComQuit})
	}
	_ = b.Close()
	b.Discard(len(b.Window()))
	b.Release()
}

// endRescue gives up on what was to be read from a conn that is not used any more.
func (b *backendConn) endRescue() {
	if b.rescue != nil {
		b.rescue.fail()
		b.rescue = nil
	}
}

// command runs a command of galley's own whose answer has one result at most, and drops the answer.
func (b *backendConn) command(com byte, argument string) error {
	b.out = wire.AppendCommand(b.out[:0], com, argument)
	if err := b.Write(b.out); err != nil {
		return err
	}
	kind := wire.AnswerQuery
	if com == wire.ComInitDB || com == wire.ComResetConnection || com == wire.ComSetOption {
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
