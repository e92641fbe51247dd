package classify

// Class is the verdict on one statement. It is a plain value; offsets point
// into the statement that was classified.
type Class struct {
	Reason string // static: why this Kind, a Reason constant or a flag's name
	Flags  Flags
	KillID uint64 // Kill: the id, where it is a plain number

	HintStart, HintEnd int32 // HintNode: the address in /* galley:node=ADDR */
	UseStart, UseEnd   int32 // Use: the schema's name, without its quotes

	Kind        Kind
	Hint        Hint
	Consistency Consistency
	KillTarget  KillTarget
	KillSoft    bool
	UseQuoted   bool // a quote in the name is doubled
}

// Kind says what a statement is, which mostly decides where it goes. Only Read
// may run on any synced node.
type Kind uint8

// The kinds of statement.
const (
	// Other goes to the writer: not understood, or of no kind below.
	Other Kind = iota
	// Read may run on any synced node (see Flags for what it leaves behind).
	Read
	// ReadWriter is a read by its form that must run on the writer's backend
	// conn: it needs session or node state, locks rows, or calls a function
	// that may do anything.
	ReadWriter
	// Begin is START TRANSACTION or BEGIN that may write.
	Begin
	// BeginReadOnly is START TRANSACTION READ ONLY.
	BeginReadOnly
	// Commit is COMMIT in each of its forms.
	Commit
	// Rollback is ROLLBACK of the whole transaction.
	Rollback
	// Savepoint is SAVEPOINT, RELEASE SAVEPOINT and ROLLBACK TO.
	Savepoint
	// Set changes session state only.
	Set
	// SetGlobal changes a node's global variables, perhaps among others.
	SetGlobal
	// Use changes the default schema.
	Use
	// Kill is KILL; KillTarget and KillID say whom.
	Kill
	// LockTables is LOCK TABLES.
	LockTables
	// UnlockTables is UNLOCK TABLES.
	UnlockTables
	// TempTable creates or drops a temporary table or sequence.
	TempTable
	// Prepare is PREPARE name FROM.
	Prepare
	// Execute is EXECUTE name or EXECUTE IMMEDIATE.
	Execute
	// Deallocate is DEALLOCATE or DROP PREPARE.
	Deallocate
	// Call is CALL.
	Call
	// DDL changes definitions, accounts or table maintenance state.
	DDL
	// DML changes rows.
	DML
	// LoadDataLocal asks the client for a file.
	LoadDataLocal
	// Handler is HANDLER OPEN, READ, CLOSE.
	Handler
	// Flush is FLUSH.
	Flush
	// Show is a SHOW whose answer is the node's own.
	Show
	// Diagnostics asks about the statement before it: SHOW WARNINGS, GET
	// DIAGNOSTICS, ROW_COUNT(), FOUND_ROWS(), @@warning_count.
	Diagnostics
	// XA is a statement of an XA transaction.
	XA
	// Binlog is BINLOG 'events'.
	Binlog
	// Empty has no statement in it: blanks and comments.
	Empty
	kinds
)

var kindNames = [kinds]string{ //nolint:gochecknoglobals // read-only table
	"other", "read", "read_writer", "begin", "begin_read_only", "commit", "rollback", "savepoint",
	"set", "set_global", "use", "kill", "lock_tables", "unlock_tables", "temp_table",
	"prepare", "execute", "deallocate", "call", "ddl", "dml", "load_data_local", "handler",
	"flush", "show", "diagnostics", "xa", "binlog", "empty",
}

// String gives the kind's name, fit for a metric label.
func (k Kind) String() string {
	if k >= kinds {
		return "other"
	}
	return kindNames[k]
}

// Hint is what a comment in the statement asks for; the first one counts.
type Hint uint8

// The hints, written as ordinary comments.
const (
	// NoHint: the statement has none.
	NoHint Hint = iota
	// HintWriter is /* galley:writer */.
	HintWriter
	// HintReader is /* galley:reader */.
	HintReader
	// HintNode is /* galley:node=ADDR */; HintStart and HintEnd hold ADDR.
	HintNode
)

// String gives the word used in the comment.
func (h Hint) String() string {
	switch h {
	case HintWriter:
		return "writer"
	case HintReader:
		return "reader"
	case HintNode:
		return "node"
	case NoHint:
	}
	return "none"
}

// Consistency is how much a statement wants to see, by a comment like
// /* galley: consistency=eventual */; the first one counts.
type Consistency uint8

// The consistencies.
const (
	// NoConsistency: the statement does not say.
	NoConsistency Consistency = iota
	// EventualConsistency is what a node has.
	EventualConsistency
	// SessionConsistency is the session's own writes.
	SessionConsistency
	// ClusterConsistency is all that was acknowledged.
	ClusterConsistency
	// StrictConsistency is all that the cluster has committed.
	StrictConsistency
)

// String gives the word used in the comment.
func (c Consistency) String() string {
	switch c {
	case EventualConsistency:
		return "eventual"
	case SessionConsistency:
		return "session"
	case ClusterConsistency:
		return "cluster"
	case StrictConsistency:
		return "strict"
	case NoConsistency:
	}
	return "none"
}

// KillTarget says what KILL is to end.
type KillTarget uint8

// What KILL may name.
const (
	// KillUnknown: the id is not a plain number, or the form is not known.
	KillUnknown KillTarget = iota
	// KillConnection is KILL n and KILL CONNECTION n.
	KillConnection
	// KillQuery is KILL QUERY n.
	KillQuery
	// KillQueryID is KILL QUERY ID n: n counts statements, not connections.
	KillQueryID
	// KillUser is KILL [CONNECTION|QUERY] USER name.
	KillUser
)
