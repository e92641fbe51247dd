package mysql

import (
	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// target says on which of a session's backend conns a command is to run.
type target byte

const (
	toWriter      target = iota // The node that takes the writes.
	toReader                    // Any node that is good for reads.
	toTransaction               // Where the open transaction is.
	toLast                      // Where the last command ran: the question is about that command.
	toNode                      // The node that a hint names.
	toConn                      // The one conn that the exchange names.
)

// routeReason is why a command goes where it goes: a closed list, the label of the metric.
type routeReason byte

// The reasons of routing.
const (
	routeRead routeReason = iota
	routeReadOnlyTransaction
	routeWrite
	routeTransaction
	routePinned
	routeNoAutocommit
	routeHint
	routeDiagnostics
	routeCommand // A command other than a statement.
	routeSession // Answered by galley: it changes nothing but what the session has set.
	routeReasons
)

// String gives the reason's word.
func (r routeReason) String() string {
	switch r {
	case routeRead:
		return "read"
	case routeReadOnlyTransaction:
		return "read_only_transaction"
	case routeWrite:
		return "write"
	case routeTransaction:
		return "transaction"
	case routePinned:
		return "pinned"
	case routeNoAutocommit:
		return "no_autocommit"
	case routeHint:
		return "hint"
	case routeDiagnostics:
		return "diagnostics"
	case routeSession:
		return "session"
	case routeCommand, routeReasons:
	}
	return "command"
}

// situation is what a routing decision depends on besides the statement.
type situation struct {
	inTransaction   bool
	status          uint16
	pins            pins
	stay            bool // Names or NULL mean something on the writer's conn only.
	tied            bool // The session has state on its conn to the writer that a read-only transaction may ask for.
	readOnlyReaders bool // START TRANSACTION READ ONLY may go to a reader.
}

// route decides where a statement runs. What is not surely a read that may run on any node goes to the writer.
func route(c *classify.Class, s situation) (target, routeReason) {
	switch {
	case s.inTransaction:
		return toTransaction, routeTransaction
	case s.pins != 0:
		return toWriter, routePinned
	case c.Kind == classify.Diagnostics:
		return toLast, routeDiagnostics
	case s.status&wire.StatusAutocommit == 0:
		return toWriter, routeNoAutocommit
	case c.Hint == classify.HintWriter:
		return toWriter, routeHint
	case c.Kind == classify.Read && s.stay:
		return toWriter, routePinned
	case c.Kind == classify.Read:
		if c.Hint == classify.HintNode {
			return toNode, routeHint
		}
		return toReader, routeRead
	case c.Kind == classify.BeginReadOnly && s.readOnlyReaders && !s.tied && !c.Flags.Has(classify.MultiStatement):
		return toReader, routeReadOnlyTransaction
	case c.Kind == classify.ReadWriter && c.Hint == classify.HintReader && hintable(c.Flags):
		return toReader, routeHint
	case c.Kind == classify.Use:
		return toWriter, routeCommand // A reader may not have seen a new schema yet.
	default:
		return toWriter, routeWrite
	}
}

// hintable says whether a read that is kept on the writer may go to a reader because a hint says so: it is so only where the one doubt is a function that is not known.
func hintable(f classify.Flags) bool {
	const harmless = classify.UnknownFunction | classify.NonDeterministic | classify.SystemVariable | classify.ServerLocal | classify.CalcFoundRows | classify.VersionComment
	return f&^harmless == 0
}

// kindSet is a set of kinds of statements, a bit each.
type kindSet uint64

func (s kindSet) has(k classify.Kind) bool { return s&(1<<k) != 0 }

const (
	// namedKinds change session state only in ways that the server names, or that stay on the writer's backend conn with all that refers to them.
	namedKinds = kindSet(1<<classify.Set | 1<<classify.Prepare | 1<<classify.Deallocate | 1<<classify.Use | 1<<classify.LockTables | 1<<classify.UnlockTables |
		1<<classify.Begin | 1<<classify.BeginReadOnly | 1<<classify.Commit | 1<<classify.Rollback | 1<<classify.Read | 1<<classify.Diagnostics | 1<<classify.Empty)
	// temporaryKinds change no session state by themselves.
	temporaryKinds = kindSet(1<<classify.Read | 1<<classify.ReadWriter | 1<<classify.DML | 1<<classify.DDL)
	// blindKinds neither see data nor change any that another session could see.
	blindKinds = kindSet(1<<classify.Set | 1<<classify.SetGlobal | 1<<classify.Use | 1<<classify.Savepoint | 1<<classify.Kill | 1<<classify.UnlockTables |
		1<<classify.Deallocate | 1<<classify.Diagnostics | 1<<classify.Empty)
	// quietKinds change no data.
	quietKinds = blindKinds | kindSet(1<<classify.Read|1<<classify.ReadWriter|1<<classify.Begin|1<<classify.BeginReadOnly|1<<classify.Show|1<<classify.Prepare|1<<classify.LockTables)
	// readKinds are for nobody when their client is gone.
	readKinds = kindSet(1<<classify.Read | 1<<classify.ReadWriter | 1<<classify.Show | 1<<classify.Diagnostics)
	// repeatableKinds change nothing, or nothing but the conn that is gone.
	repeatableKinds = kindSet(1<<classify.Read | 1<<classify.Begin | 1<<classify.BeginReadOnly | 1<<classify.Use | 1<<classify.Empty)
	// atomicKinds have done nothing at all when the node refuses them.
	atomicKinds = repeatableKinds | kindSet(1<<classify.ReadWriter|1<<classify.DML|1<<classify.DDL|1<<classify.Set|1<<classify.Show|1<<classify.Diagnostics|1<<classify.LoadDataLocal)
)

// repeatable says whether a statement may run a second time on another node after its first run was cut off with nothing of its answer forwarded: a surely pure read, and
// what changes nothing but the conn that is gone.
func repeatable(c *classify.Class) bool {
	return repeatableKinds.has(c.Kind) && !c.Flags.Has(classify.MultiStatement)
}

// lockingRead says whether a statement is a read that is pure but for its locks.
func lockingRead(c *classify.Class) bool {
	const harmless = classify.ForUpdate | classify.NonDeterministic | classify.SystemVariable | classify.ServerLocal | classify.VersionComment
	return c.Kind == classify.ReadWriter && c.Flags.Has(classify.ForUpdate) && c.Flags&^harmless == 0
}

// atomicKind says whether a statement that the node refuses (read only, not prepared) has done nothing at all.
func atomicKind(c *classify.Class) bool {
	return atomicKinds.has(c.Kind) && !c.Flags.Has(classify.MultiStatement|classify.UnknownFunction)
}

// mayWrite says whether a statement may have changed data when it has been answered.
func mayWrite(c *classify.Class) bool {
	return !quietKinds.has(c.Kind) || c.Flags.Has(classify.MultiStatement|classify.UnknownFunction|classify.Sequence)
}

// seesData says whether a statement may see data: then it must not see older data than was acknowledged before it.
func seesData(c *classify.Class) bool {
	const hidden = classify.MultiStatement | classify.UnknownFunction | classify.UserVariable
	return !blindKinds.has(c.Kind) && c.Kind != classify.Commit && c.Kind != classify.Rollback || c.Flags.Has(hidden)
}
