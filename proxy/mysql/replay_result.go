package mysql

import (
	"errors"

	"galley/proxy/mysql/wire"
)

// Why a transaction was run again or not is counted by a reason of one of two closed lists, and of each that was not the log tells: a hindrance is found before it is tried, a
// replayResult is how it went.

// replayResult is how a replay has ended: a closed list, the label of the metric.
type replayResult byte

// The results of replays.
const (
	replayDone     replayResult = iota
	replayDiverged              // An answer was not the same again: others have changed what it had read.
	replayIDs                   // It would get other ids than its client has seen.
	replayRefused               // The node has refused one of its statements with an error that it had not got before.
	replayConflict              // It was rolled back again, as often as deadlock_retries allows.
	replayLost                  // Its new conn was lost too, and nothing came of further attempts.
	replayNoNode                // No writer came in time.
	replayResults
)

// String gives the result's word.
func (r replayResult) String() string {
	switch r {
	case replayDiverged:
		return "diverged"
	case replayIDs:
		return "other_ids"
	case replayRefused:
		return "refused"
	case replayConflict:
		return "conflict"
	case replayLost:
		return "lost_again"
	case replayNoNode:
		return "no_node"
	case replayDone, replayResults:
	}
	return "done"
}

// resultOf says how a replay with an error has ended; over is false where it may be tried on another conn.
func resultOf(err error) (over bool, r replayResult) {
	refused, isRefused := errors.AsType[*wire.ServerError](err)
	switch {
	case errors.Is(err, errDiverged):
		return true, replayDiverged
	case errors.Is(err, errOtherIDs):
		return true, replayIDs
	case isRefused && isConflict(refused.Code):
		return true, replayConflict
	case isRefusal(err) && !leaves(err):
		return true, replayRefused
	}
	return false, replayLost
}

// replayed counts the end of a replay on b, and tells why where the client gets an error for it. b is nil where there was none at last.
func (s *session) replayed(b *backendConn, r replayResult, err error) {
	s.srv.metrics.replays[r].Add(1)
	if r == replayDone {
		return
	}
	addr := ""
	if b != nil {
		addr = b.node.Addr
	}
	s.srv.log.Info("a transaction could not be run again: its client is told of a deadlock", "session", s.id, "node", addr, "statements", len(s.log.steps), "reason", r, "error", err)
}

// mayReplay says whether why is no hindrance to running the transaction on b again. Else it counts it, and tells.
func (s *session) mayReplay(b *backendConn, why hindrance) bool {
	if why == hinderedNot {
		return true
	}
	s.srv.metrics.refused[why].Add(1)
	s.srv.log.Info("a transaction cannot be run again", "session", s.id, "node", b.node.Addr, "reason", why)
	return false
}
