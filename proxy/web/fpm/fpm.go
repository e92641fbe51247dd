// Package fpm gives requests to a pool of php-fpm backends: it knows which of
// them live and how busy each is, lets requests wait in order when all workers
// are taken, and sends a request elsewhere when a backend is lost, as far as
// that cannot run it twice.
//
// It knows nothing of sites, files and HTTP clients: package web makes the
// params and passes the answer on. It keeps no connection without a request: an
// idle one would hold a worker.
//
// The one thing to know first: a request is given to a backend only when a
// worker there has taken the connection, which the worker itself says in
// answer to GET_VALUES. Until then the request waits here, can be cancelled,
// and can go to any other backend; what waits in php-fpm's own backlog can do
// neither.
package fpm

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"galley/proxy/web/fcgi"
)

// Body is the body of a request, in hand before a worker is taken.
type Body interface {
	io.ReaderAt
	Size() int64
}

// Request is what a script is to be run with.
type Request struct {
	// Site is whose request it is: sites wait in turn.
	Site string
	// Params are all params, CONTENT_LENGTH as Body has it.
	Params []fcgi.Param
	// Body may be nil for none. It is read until Do has failed or the Body of the answer is closed.
	Body Body
	// Repeatable says that the request may run twice: a safe method without side effects.
	Repeatable bool
	// Streaming lets the script be silent for as long as it likes once its header is there. It is also so for text/event-stream and X-Accel-Buffering: no.
	Streaming bool
	// Stderr hears what PHP logs. It must neither keep the slice nor block; it may be called after Do has returned, from another goroutine, while a
	// script whose client has gone runs to its end. It may be nil.
	Stderr func([]byte)
}

// Response is the answer of a script.
type Response struct {
	Status int
	Header http.Header
	// Body must be closed. A Read that fails gives an *Error; io.EOF means that all of the answer was there.
	Body io.ReadCloser
	// Whole says that all of the body has come, and is short: reading it waits for nothing.
	Whole bool
	// Backend is the address of the one that answered.
	Backend string
	Timing  Timing
}

// Timing says where the time before the answer went.
type Timing struct {
	// Queue is the time until a worker was there, Accept the part of it that its backend took to give one.
	Queue, Accept time.Duration
}

// Reason is why there is no answer, from a closed list.
type Reason string

// The reasons.
const (
	QueueFull         Reason = "queue_full"          // too many wait already
	QueueTimeout      Reason = "queue_timeout"       // no worker became free in time
	NoBackend         Reason = "no_backend"          // no backend lives
	Drained           Reason = "drained"             // all backends were taken out by an operator
	Refused           Reason = "refused"             // backends answered that they do not take it, each time
	ResetBeforeCommit Reason = "reset_before_commit" // connections broke before the request was sent, each time
	LostAfterCommit   Reason = "lost_after_commit"   // the connection broke before an answer: the script may have run
	Truncated         Reason = "truncated"           // the answer broke off
	Timeout           Reason = "timeout"             // the script was silent for too long: it may still run
	ClientGone        Reason = "client_gone"         // the context ended
	BadAnswer         Reason = "bad_answer"          // what the script sent is no answer
	BadRequest        Reason = "bad_request"         // the request cannot be sent: a param too long, a body that cannot be read
)

// Reasons are all of them.
func Reasons() []Reason {
	return []Reason{
		QueueFull, QueueTimeout, NoBackend, Drained, Refused, ResetBeforeCommit, LostAfterCommit, Truncated, Timeout, ClientGone, BadAnswer, BadRequest,
	}
}

// Error is how a request failed.
type Error struct {
	Reason Reason
	// Backend is where, empty for nowhere.
	Backend string
	// RetryAfter is when it is worth trying again; 0 where nobody knows.
	RetryAfter time.Duration
	// Timing is how long the request had waited for a worker.
	Timing Timing
	Err    error
}

// Error says what happened.
func (e *Error) Error() string {
	text := "fpm: " + string(e.Reason)
	if e.Backend != "" {
		text += " on " + e.Backend
	}
	if e.Err != nil {
		text = fmt.Sprintf("%s: %v", text, e.Err)
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// HTTPStatus is the status that the client gets where no answer has begun: 503 where nothing was run, 502 where a script may have, 504 after silence.
func (e *Error) HTTPStatus() int {
	switch e.Reason {
	case QueueFull, QueueTimeout, NoBackend, Drained, Refused, ResetBeforeCommit:
		return http.StatusServiceUnavailable
	case Timeout:
		return http.StatusGatewayTimeout
	case BadRequest:
		return http.StatusBadRequest
	case LostAfterCommit, Truncated, BadAnswer, ClientGone:
	}
	return http.StatusBadGateway
}
