package fpm

import (
	"errors"

	"galley/proxy/web/fcgi"
)

// maxMoves is how often a request that was not yet sent goes to another worker; its time in the queue bounds it besides.
const maxMoves = 8

// reasonOf says how a round trip failed, and whether the script may have run.
// gone says that the client has gone.
func reasonOf(err error, gone bool) (reason Reason, committed bool) {
	failed, ok := errors.AsType[*fcgi.Error](err)
	committed = !ok || failed.Committed
	switch {
	case gone && (errors.Is(err, fcgi.ErrInterrupted) || !committed):
		return ClientGone, committed
	case errors.Is(err, fcgi.ErrParamTooLong), errors.Is(err, fcgi.ErrBody):
		return BadRequest, committed
	case errors.Is(err, fcgi.ErrRejected) && !committed:
		return Refused, false
	case errors.Is(err, fcgi.ErrTimeout) && committed:
		return Timeout, true
	case errors.Is(err, fcgi.ErrBadHeader), errors.Is(err, fcgi.ErrMalformed):
		return BadAnswer, committed
	case !committed:
		return ResetBeforeCommit, false
	}
	return LostAfterCommit, true
}

// answered says whether anything of an answer had come.
func answered(err error) bool {
	failed, ok := errors.AsType[*fcgi.Error](err)
	return ok && failed.Answered
}

// mayRetry is the table of what may run again. Before the commit point every
// request may go elsewhere. After it only what may run twice, once, and only
// when its worker was lost: an answer, even a bad one, is an answer, and after
// a timeout the script still runs. No byte has gone to the client yet.
func mayRetry(reason Reason, repeatable bool, moves, repeats int) bool {
	switch reason {
	case Refused, ResetBeforeCommit:
		return moves < maxMoves
	case LostAfterCommit:
		return repeatable && repeats == 0
	case QueueFull, QueueTimeout, NoBackend, Drained, Truncated, Timeout, ClientGone, BadAnswer, BadRequest:
	}
	return false
}
