package classify

import (
	"math/bits"
	"strings"
)

// Flags are facts about a statement that matter beyond its kind: what it reads
// from the session or the node, and what it leaves behind there. They are
// collected over the whole text, multi-statements included.
type Flags uint64

// The flags. Each has a fixed name that serves as metric label and pin reason.
const (
	// UserVariable: reads or names a user variable (@x).
	UserVariable Flags = 1 << iota
	// AssignsUserVariable: gives a user variable a value.
	AssignsUserVariable
	// ConstantUserVariable: a SET in which each user variable gets a literal.
	ConstantUserVariable
	// UserLock: GET_LOCK().
	UserLock
	// ReleasesUserLock: RELEASE_LOCK(), RELEASE_ALL_LOCKS().
	ReleasesUserLock
	// UsesLastInsertID: LAST_INSERT_ID(), @@last_insert_id, @@identity.
	UsesLastInsertID
	// SetsLastInsertID: LAST_INSERT_ID(expr), SET last_insert_id.
	SetsLastInsertID
	// FoundRows: FOUND_ROWS().
	FoundRows
	// CalcFoundRows: SQL_CALC_FOUND_ROWS, so FOUND_ROWS() will follow.
	CalcFoundRows
	// RowCount: ROW_COUNT().
	RowCount
	// Warnings: reads the diagnostics area of the statement before.
	Warnings
	// Sequence: NEXTVAL, LASTVAL, SETVAL, NEXT VALUE FOR and the like.
	Sequence
	// ForUpdate: FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE.
	ForUpdate
	// IntoOutfile: INTO OUTFILE, INTO DUMPFILE.
	IntoOutfile
	// IntoVar: SELECT INTO variables.
	IntoVar
	// UnknownFunction: calls what is no built-in surely known to be pure.
	UnknownFunction
	// TemporaryTable: creates or drops a temporary table.
	TemporaryTable
	// Locks: takes locks that outlive a transaction (LOCK TABLES, FLUSH
	// TABLES WITH READ LOCK, BACKUP STAGE).
	Locks
	// MultiStatement: something follows a semicolon.
	MultiStatement
	// TransactionChars: SET TRANSACTION for the next transaction only.
	TransactionChars
	// SetPassword: SET PASSWORD.
	SetPassword
	// SetRole: SET ROLE.
	SetRole
	// ImplicitCommit: ends an open transaction.
	ImplicitCommit
	// NonDeterministic: NOW(), RAND(), UUID() and the like.
	NonDeterministic
	// ServerLocal: the answer is the node's own.
	ServerLocal
	// SystemVariable: reads a system variable (@@x).
	SystemVariable
	// ConnectionID: CONNECTION_ID(), @@pseudo_thread_id.
	ConnectionID
	// ConsistentSnapshot: START TRANSACTION WITH CONSISTENT SNAPSHOT.
	ConsistentSnapshot
	// Chain: COMMIT or ROLLBACK AND CHAIN.
	Chain
	// Release: COMMIT or ROLLBACK RELEASE, which closes the connection.
	Release
	// VersionComment: has a comment that only some versions execute.
	VersionComment
	// TemporarySettings: SET STATEMENT … FOR.
	TemporarySettings
	// SetOperation: UNION, EXCEPT, INTERSECT.
	SetOperation
	// UnscopedVariable: SET @@x without SESSION, which the server does not report.
	UnscopedVariable
	flagsEnd
)

const flagCount = 34

var flagNames = [flagCount]string{ //nolint:gochecknoglobals // read-only table
	"user_variable", "assigns_user_variable", "constant_user_variable", "user_lock",
	"releases_user_lock", "uses_last_insert_id", "sets_last_insert_id", "found_rows",
	"calc_found_rows", "row_count", "warnings", "sequence", "for_update", "into_outfile",
	"into_var", "unknown_function", "temporary_table", "locks", "multi_statement",
	"transaction_chars", "set_password", "set_role", "implicit_commit", "non_deterministic",
	"server_local", "system_variable", "connection_id", "consistent_snapshot", "chain",
	"release", "version_comment", "temporary_settings", "set_operation", "unscoped_variable",
}

// Has tells whether any of the flags in set is there.
func (f Flags) Has(set Flags) bool { return f&set != 0 }

// Name gives the name of the lowest flag in f, or "" for none.
func (f Flags) Name() string {
	i := bits.TrailingZeros64(uint64(f))
	if i >= flagCount {
		return ""
	}
	return flagNames[i]
}

// String lists the names, for logs and tests.
func (f Flags) String() string {
	var b strings.Builder
	for ; f != 0 && f.Name() != ""; f &= f - 1 {
		if b.Len() > 0 {
			b.WriteByte('|')
		}
		b.WriteString(f.Name())
	}
	return b.String()
}
