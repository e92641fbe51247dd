package mysql

import (
	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// ties are what a session's statements leave on their conn, and mostly never ask for again. They do not keep the session there: what it is, is read when another session takes the
// conn (see rescue). Once a conn is lost with them, a statement that needs one of them gets the lost-connection error and never another value.
type ties byte

// The ties.
const (
	tieVariables ties = 1 << iota // User variables.
	tieInsertID                   // What LAST_INSERT_ID() gives.
	tieLast                       // What FOUND_ROWS() and ROW_COUNT() give, until another statement has run.
	tieMaybe                      // User variables that may have been set out of sight.
	tieUnknown                    // User variables that were set to what only the node knows.
)

// opaque says whether a statement may do anything, whatever its text: begin or end transactions, use user variables.
func opaque(c *classify.Class) bool {
	const anything = kindSet(1<<classify.Other | 1<<classify.Call | 1<<classify.Execute)
	return anything.has(c.Kind) || c.Flags.Has(classify.MultiStatement|classify.UnknownFunction)
}

// tiesOf says which ties a statement makes or may make. A trigger or a function of the cluster's own can set user variables without the server reporting it (SELECT … INTO @x).
func tiesOf(c *classify.Class) (t ties) {
	if opaque(c) || c.Kind == classify.DML || c.Kind == classify.LoadDataLocal {
		t |= tieMaybe
	}
	if c.Flags.Has(classify.AssignsUserVariable|classify.IntoVar|classify.ConstantUserVariable) || c.Kind == classify.Set && c.Flags.Has(classify.UserVariable) {
		t |= tieVariables | tieUnknown
	}
	if c.Flags.Has(classify.SetsLastInsertID) {
		t |= tieInsertID
	}
	return t
}

// tiesNeeded says on which ties a statement's result may depend.
func tiesNeeded(c *classify.Class) (t ties) {
	if c.Flags.Has(classify.FoundRows | classify.RowCount) {
		t |= tieLast
	}
	if opaque(c) {
		return t | tieVariables | tieInsertID
	}
	if c.Flags.Has(classify.UserVariable) && (c.Kind != classify.Set || !c.Flags.Has(classify.ConstantUserVariable)) {
		t |= tieVariables
	}
	if c.Flags.Has(classify.UsesLastInsertID) {
		t |= tieInsertID
	}
	return t
}

// tiesSeen says which ties of others a statement must not find on its conn: more than it names, as a trigger may ask for them.
func tiesSeen(c *classify.Class) (t ties) {
	t = tiesNeeded(c) | tiesOf(c)&tieInsertID
	if tiesOf(c)&(tieVariables|tieMaybe) != 0 {
		t |= tieVariables // Else its own could not be told from theirs.
	}
	if c.Kind == classify.DML || c.Kind == classify.LoadDataLocal {
		t |= tieVariables | tieInsertID
	}
	return t
}

// refuseLost ends the session where x's command needs what was lost. That may turn out as late as when its conn is looked for.
func (s *session) refuseLost(x *exchange) error {
	if s.lostTies&x.needs == 0 {
		return nil
	}
	if err := s.skipCommand(x.cmd); err != nil {
		return err
	}
	_ = s.writeError(lost("Lost connection to server during query (galley: the node that had this session's user variables, last insert id or found rows went away; the statement was not run)"))
	return endSession(closeNodeLost, errLostState)
}

// skipCommand reads what is still to come of a command that is not sent to any node.
func (s *session) skipCommand(cmd *wire.Command) error {
	if cmd.Whole() {
		return nil
	}
	if _, err := s.client.StreamRest(cmd, func([]byte) error { return nil }); err != nil {
		return endSession(closeClientGone, err)
	}
	return nil
}

// endsTransaction says whether a statement commits an open transaction before it does anything else.
func endsTransaction(c *classify.Class) bool {
	const begins = kindSet(1<<classify.Begin | 1<<classify.BeginReadOnly | 1<<classify.LockTables)
	return begins.has(c.Kind) || c.Flags.Has(classify.ImplicitCommit)
}

// leaveReader ends the read-only transaction that is open on a reader where the next statement would end it and may not run there.
func (s *session) leaveReader(c *classify.Class) {
	if s.trx == nil || s.trx != s.reader.conn || !endsTransaction(c) {
		return
	}
	b := s.trx
	s.trx = nil
	if err := b.command(wire.ComQuery, "COMMIT"); err != nil {
		s.drop(b)
		return // It had nothing to lose.
	}
	s.status &^= wire.StatusInTrans | wire.StatusInTransReadOnly
}
