package fpm

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"galley/balancer"
	"galley/proxy/web/fcgi"
)

// Do runs a script with the request and returns when the header of its answer
// is there. An error is of type *Error. When the context ends the answer ends
// too; a script that may already run is left to run, unless it may be run
// again.
func (p *Pool) Do(ctx context.Context, r *Request) (*Response, error) {
	since := time.Now()
	moves, repeats := 0, 0
	for {
		w, err := p.acquire(ctx, r, since, moves+repeats > 0)
		if err != nil {
			return nil, p.count(timed(err, Timing{Queue: time.Since(since)}))
		}
		timing := Timing{Queue: time.Since(since), Accept: w.accept}
		p.waited.Observe(timing.Queue.Seconds())
		p.given.Add(1)
		p.waitedFor.Add(int64(timing.Queue))
		resp, err := p.exchange(ctx, w, r)
		if err == nil {
			resp.Timing = timing
			return resp, nil
		}
		reason := err.(*Error).Reason //nolint:errorlint,forcetypeassert // exchange makes it
		if !mayRetry(reason, r.Repeatable, moves, repeats) {
			return nil, p.count(timed(err, timing))
		}
		p.metrics.retries.WithLabelValues(p.name, string(reason)).Inc()
		p.log.Debug("a request goes to another worker", "pool", p.name, "site", r.Site, "error", err)
		if reason == LostAfterCommit {
			repeats++
			since = time.Now()
		} else {
			moves++
		}
	}
}

// timed says how long a request had waited that has failed.
func timed(err error, t Timing) error {
	if e, ok := errors.AsType[*Error](err); ok {
		e.Timing = t
	}
	return err
}

// exchange sends the request to a worker and reads the header of the answer.
func (p *Pool) exchange(ctx context.Context, w *worker, r *Request) (*Response, error) {
	m := w.member
	stop := context.AfterFunc(ctx, w.conn.Interrupt)
	req := &fcgi.Request{Params: r.Params, Timeout: p.settings().ReadTimeout, Stderr: r.Stderr}
	if r.Body != nil {
		req.Body, req.Size = r.Body, r.Body.Size()
	}
	if ctx.Err() != nil {
		stop()
		p.release(w, balancer.Canceled)
		return nil, &Error{Reason: ClientGone, Backend: m.Addr(), Err: context.Cause(ctx)}
	}
	began := time.Now()
	w.requests++
	req.Keep = p.keeps(w)
	status, header, err := w.conn.RoundTrip(req)
	if err == nil {
		m.alive()
		if w.reused() {
			m.stayed()
		}
		if r.Streaming || streams(header) {
			w.conn.SetTimeout(0)
		}
		return &Response{
			Status: status, Header: header, Whole: w.conn.Here(), Backend: m.Addr(), Body: &answer{pool: p, worker: w, request: r, ctx: ctx, stop: stop, began: began},
		}, nil
	}
	stop()
	reason, committed := reasonOf(err, ctx.Err() != nil)
	switch {
	case committed && (reason == ClientGone || reason == Timeout):
		p.abandon(w, r, began)
	case reason == Refused:
		p.release(w, balancer.Refused)
	case w.reused() && (reason == ResetBeforeCommit || reason == LostAfterCommit && !answered(err)):
		p.broke(w)
	case reason == LostAfterCommit, reason == BadAnswer:
		// A worker that its script has killed says nothing about its pool: a pool that is gone shows when it is asked for the next worker.
		m.failed.Add(1)
		m.trigger()
		p.release(w, balancer.Lost)
	default:
		m.trigger()
		p.release(w, balancer.Canceled)
	}
	return nil, &Error{Reason: reason, Backend: m.Addr(), Err: err}
}

// streams says whether an answer is one that comes in pieces with pauses.
func streams(header http.Header) bool {
	return strings.HasPrefix(header.Get("Content-Type"), "text/event-stream") || strings.EqualFold(header.Get("X-Accel-Buffering"), "no")
}

// count counts a request that has failed.
func (p *Pool) count(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		p.metrics.requests.WithLabelValues(p.name, e.Backend, string(e.Reason)).Inc()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.endings[e.Reason]++
		switch e.Reason { //nolint:exhaustive // the others are no refusals
		case QueueFull, QueueTimeout, NoBackend, Drained:
			p.refusedAt = time.Now()
		}
	}
	return err
}

// done counts a request that was answered to its end. free says that nobody will interrupt the connection any more.
func (p *Pool) done(w *worker, began time.Time, free bool) {
	// A mean over about 16 requests; two that end together may lose one.
	old := p.took.Load()
	p.took.Store(old + (int64(time.Since(began))-old)/16)
	w.member.served.Add(1)
	w.member.alive()
	w.member.answered.Inc()
	if !free || !p.hand(w) {
		p.release(w, balancer.Success)
	}
}

// answer is the body of an answer. It has one owner.
type answer struct {
	pool    *Pool
	worker  *worker
	request *Request
	ctx     context.Context //nolint:containedctx // the body is read under the context of its request, as in net/http
	stop    func() bool
	began   time.Time
	err     error
}

// Read reads the body. Only io.EOF is its regular end.
func (a *answer) Read(b []byte) (int, error) {
	if a.err != nil {
		return 0, a.err
	}
	n, err := a.worker.conn.Read(b)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) && a.worker.conn.Ended():
		free := a.stop()
		a.err = io.EOF
		a.pool.done(a.worker, a.began, free)
		return n, io.EOF
	}
	a.end(err)
	return n, a.err
}

// end takes the answer to have failed.
func (a *answer) end(err error) {
	a.stop()
	reason := Truncated
	switch {
	case a.ctx.Err() != nil && errors.Is(err, fcgi.ErrInterrupted):
		reason = ClientGone
	case errors.Is(err, fcgi.ErrTimeout):
		reason = Timeout
	case errors.Is(err, fcgi.ErrBody):
		reason = BadRequest
	}
	a.err = a.pool.count(&Error{Reason: reason, Backend: a.worker.member.Addr(), Err: err})
	switch reason { //nolint:exhaustive // the others are the same
	case ClientGone, Timeout:
		a.pool.abandon(a.worker, a.request, a.began)
	default:
		a.worker.member.failed.Add(1)
		a.worker.member.trigger()
		a.pool.release(a.worker, balancer.Lost)
	}
}

// Close ends the answer; one that was not read to its end counts as left by the client.
func (a *answer) Close() error {
	if a.err == nil {
		a.stop()
		a.err = a.pool.count(&Error{Reason: ClientGone, Backend: a.worker.member.Addr(), Err: errClosed})
		a.pool.abandon(a.worker, a.request, a.began)
	}
	return nil
}

var errClosed = errors.New("the answer was closed before its end")
