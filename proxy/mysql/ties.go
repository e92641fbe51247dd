package mysql

import (
	"bytes"

	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// ties are what a session has on its conn to the writer, cannot have anywhere else, and mostly never asks for again. They do not keep the session there; but once the conn
// is gone, a statement that needs one of them gets the lost-connection error and never another value.
type ties byte

// The ties.
const (
	tieVariables ties = 1 << iota // User variables.
	tieInsertID                   // What LAST_INSERT_ID() gives.
	tieLast                       // What FOUND_ROWS() and ROW_COUNT() give, until another statement has run.
)

// opaque says whether a statement may do anything, whatever its text: begin or end transactions, use user variables.
func opaque(c *classify.Class) bool {
	const anything = kindSet(1<<classify.Other | 1<<classify.Call | 1<<classify.Execute)
	return anything.has(c.Kind) || c.Flags.Has(classify.MultiStatement|classify.UnknownFunction)
}

// tiesOf says which ties a statement makes by its text. What it does out of sight (in a procedure) the server reports as a change, which pins the session.
func tiesOf(c *classify.Class) (t ties) {
	if c.Flags.Has(classify.AssignsUserVariable|classify.IntoVar|classify.ConstantUserVariable) || c.Kind == classify.Set && c.Flags.Has(classify.UserVariable) {
		t |= tieVariables
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

// refuseLost ends the session where x's command needs what was lost. That may turn out as late as when its conn is looked for.
func (s *session) refuseLost(x *exchange) error {
	if s.lostTies&x.needs == 0 {
		return nil
	}
	if err := s.skipCommand(x.cmd); err != nil {
		return err
	}
	_ = s.writeError(wire.NewError(codeLost, "Lost connection to server during query (galley: the node that had this session's user variables, last insert id or found rows went away; the statement was not run)"))
	return endSession(closeNodeLost, errLostState)
}

// refuseElsewhere answers a statement that asks, among other things, about the statement before it, which ran on another conn. So does the answer to FOUND_ROWS() by itself,
// which is sent there.
func (s *session) refuseElsewhere(x *exchange, c *classify.Class, t target) (refused bool, err error) {
	if !x.asksBack || t != toWriter || s.last == nil || s.last == s.writer || c.Kind == classify.Diagnostics {
		return false, nil
	}
	if err := s.skipCommand(x.cmd); err != nil {
		return true, err
	}
	return true, s.writeError(wire.NewError(codeNotSupported, "galley: FOUND_ROWS() or ROW_COUNT() in this statement is about one that ran on another node: "+
		"select it by itself first, or put the comment /* galley:writer */ into the statement before"))
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
	if s.trx == nil || s.trx != s.reader || !endsTransaction(c) {
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

// waitsByItself says whether a statement is one for which wsrep_sync_wait is sure to wait. Measured on 10.11: SELECT, VALUES, WITH and START TRANSACTION do; DO, HELP and some SHOWs
// do not. Others are preceded by a SELECT that does.
func waitsByItself(sql []byte) bool {
	sql = bytes.TrimLeft(sql, " \t\r\n(")
	return len(sql) > 6 && (bytes.EqualFold(sql[:6], []byte("SELECT")) || bytes.EqualFold(sql[:5], []byte("WITH ")))
}
