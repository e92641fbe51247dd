package mysql

import (
	"galley/proxy/mysql/classify"
)

// effects is what a statement may leave on its conn, and what it may ask for of what was left there before, as far as its class tells. Nothing else decides that.
type effects struct {
	opaque   bool  // It may do anything, whatever its text: begin or end transactions, use user variables, set variables without the server reporting it.
	binds    bool  // It may leave on its conn what a reset would end, beside what pins (see pinChanges).
	assigns  bool  // It names a user variable to be set.
	sequence bool  // It uses a sequence.
	leaves   ties  // What it leaves, or may leave.
	needs    ties  // What its result may depend on.
	sees     ties  // What of others it must not find there: more than it names, as a trigger may ask for it.
	asks     parts // What it asks for of the statement before.
	found    fate  // What becomes of FOUND_ROWS().
	rows     fate  // What becomes of ROW_COUNT().
	lists    bool  // It shows warnings and leaves them as they are.
}

// effectsOf gives the effects of a statement. Its text is looked at for the first words, where the class says no more than that it shows something or does not matter.
func effectsOf(c *classify.Class, sql []byte) effects {
	const questions = classify.FoundRows | classify.RowCount | classify.Warnings
	if c.Kind == classify.DDL && c.Flags.Has(questions) && !fillsTable(sql) {
		named := *c // It keeps them for later, or has a table of that name.
		named.Flags &^= questions
		c = &named
	}
	e := effects{opaque: opaque(c), sequence: c.Flags.Has(classify.Sequence)}
	e.assigns = c.Flags.Has(classify.AssignsUserVariable|classify.IntoVar|classify.ConstantUserVariable) || c.Kind == classify.Set && c.Flags.Has(classify.UserVariable)
	// COMMIT and ROLLBACK begin a transaction where completion_type says so.
	const binders = kindSet(1<<classify.Commit | 1<<classify.Rollback | 1<<classify.Set | 1<<classify.SetGlobal | 1<<classify.XA | 1<<classify.Handler | 1<<classify.TempTable | 1<<classify.Prepare)
	e.binds = e.sequence || binders.has(c.Kind) || endsTransaction(c) || c.Flags.Has(classify.Chain)
	writes := c.Kind == classify.DML || c.Kind == classify.LoadDataLocal
	// A trigger or a function of the cluster's own can set user variables without the server reporting it (SELECT … INTO @x).
	if e.opaque || writes {
		e.leaves |= tieMaybe
	}
	if e.assigns {
		e.leaves |= tieVariables | tieUnknown
	}
	if c.Flags.Has(classify.SetsLastInsertID) {
		e.leaves |= tieInsertID
	}
	if e.opaque && !selectsPlainly(c) {
		e.leaves |= tieMaybeID // A procedure may insert.
	}
	if c.Flags.Has(classify.FoundRows | classify.RowCount) {
		e.needs |= tieLast
	}
	if e.opaque || c.Flags.Has(classify.UserVariable) && (c.Kind != classify.Set || !c.Flags.Has(classify.ConstantUserVariable)) || c.Flags.Has(classify.ServerLocal) && mentions(sql, "user_variables") {
		e.needs |= tieVariables
	}
	if e.opaque || c.Flags.Has(classify.UsesLastInsertID) {
		e.needs |= tieInsertID
	}
	e.sees = e.needs | e.leaves&tieInsertID
	if e.leaves&(tieVariables|tieMaybe) != 0 {
		e.sees |= tieVariables // Else its own could not be told from theirs.
	}
	if writes {
		e.sees |= tieVariables | tieInsertID
	}
	e.asks, e.lists = asksOf(c, sql)
	e.found, e.rows = foundFate(c, sql), fateTold
	switch {
	case e.opaque && !selectsPlainly(c):
		e.rows = fateUnknown
	case e.lists && startsWith(sql, "get"):
		e.rows = fateKept
	}
	return e
}

// fillsTable says whether a definition may be CREATE TABLE … SELECT, which runs at once.
func fillsTable(sql []byte) bool {
	return mentions(sql, "select") && (startsWith(sql, "create", "table") || startsWith(sql, "create", "or", "replace", "table"))
}

// opaque says whether a statement may do anything, whatever its text.
func opaque(c *classify.Class) bool {
	const anything = kindSet(1<<classify.Other | 1<<classify.Call | 1<<classify.Execute)
	return anything.has(c.Kind) || c.Flags.Has(classify.MultiStatement|classify.UnknownFunction)
}

// selectsPlainly says whether a statement is one SELECT, whatever it calls.
func selectsPlainly(c *classify.Class) bool {
	return (c.Kind == classify.Read || c.Kind == classify.ReadWriter) && !c.Flags.Has(classify.MultiStatement)
}

// asksOf says what of the statement before a statement asks for; lists that it does nothing else.
func asksOf(c *classify.Class, sql []byte) (asks parts, lists bool) {
	if c.Flags.Has(classify.FoundRows) {
		asks |= partFound
	}
	if c.Flags.Has(classify.RowCount) {
		asks |= partRows
	}
	if c.Flags.Has(classify.Warnings) {
		asks |= partWarnings
	}
	if c.Kind == classify.Diagnostics && !startsWith(sql, "select") {
		asks |= partWarnings
		if lists = true; startsWith(sql, "get") {
			asks |= partRows
		}
	}
	return asks, lists
}

// foundFate says what becomes of FOUND_ROWS() by a statement that succeeds (measured on 10.11.19): what selects rows gives their number, most else keeps it.
func foundFate(c *classify.Class, sql []byte) fate {
	const (
		selects = kindSet(1<<classify.Read | 1<<classify.ReadWriter)
		silent  = kindSet(1<<classify.Use | 1<<classify.Begin | 1<<classify.BeginReadOnly | 1<<classify.Commit | 1<<classify.Rollback | 1<<classify.Savepoint | 1<<classify.Kill |
			1<<classify.LockTables | 1<<classify.UnlockTables | 1<<classify.Prepare | 1<<classify.Deallocate | 1<<classify.Flush | 1<<classify.LoadDataLocal | 1<<classify.Empty)
		inner   = kindSet(1<<classify.Set | 1<<classify.SetGlobal | 1<<classify.DML | 1<<classify.DDL | 1<<classify.TempTable)
		unclear = classify.CalcFoundRows | classify.SetOperation | classify.MultiStatement | classify.IntoVar | classify.IntoOutfile | classify.UnknownFunction
	)
	switch {
	case c.Flags.Has(classify.MultiStatement | classify.CalcFoundRows):
	case silent.has(c.Kind):
		return fateKept
	case c.Flags.Has(unclear):
	case selects.has(c.Kind):
		if startsWith(sql, "select") {
			return fateTold
		}
		if startsWith(sql, "values") || startsWith(sql, "do") && !mentions(sql, "select") || startsWith(sql, "show") && !showsRows(sql) {
			return fateKept
		}
		if !startsWith(sql, "do") {
			return fateTold
		}
	case c.Kind == classify.Diagnostics, c.Kind == classify.Show:
		if startsWith(sql, "select") || showsRows(sql) {
			return fateTold
		}
		return fateKept
	case inner.has(c.Kind) || c.Kind == classify.Other && (startsWith(sql, "do") || startsWith(sql, "signal") || startsWith(sql, "check") || startsWith(sql, "analyze")):
		if !mentions(sql, "select") && (c.Kind != classify.DML || !mentions(sql, "join")) { // A DELETE from several tables selects them.
			return fateKept
		}
	}
	return fateUnknown
}
