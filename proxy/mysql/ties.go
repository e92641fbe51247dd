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
	tieMaybeID                    // What LAST_INSERT_ID() gives may have been changed out of sight.
)

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
