package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"galley/proxy/web/head"
)

// A simple request is answered here, where its bytes are read and before net/http has seen them, by the same handler: what differs is how it is read (head), how its
// answer is written (quickWriter) and how its client's end is seen (clientContext). That spares two writes in place of one, a second goroutine that reads to see the
// client go, and most of what net/http allocates. All else is net/http's.
//
// So it must be known for sure that bytes which were read begin a request. They do on a connection on which nothing was read yet, and after a request that was
// answered here. On a connection on which anything else came, net/http reads all that follows.

// quick is where a connection stands. Its phase belongs to whoever reads, which net/http has one of at a time.
type quick struct {
	phase phase
	// answering is one of the three below; in the last the connection was closed while it was being answered, and ends with that.
	answering atomic.Int32
	idle      atomic.Int64 // The read deadline that was set here, in nanoseconds; 0 for another one.
	listed    atomic.Bool  // It was taken into unseen.
	remote    string       // The client's address.
	watched
}

// phase says what the next bytes of a connection are.
type phase uint8

const (
	never  phase = iota // Net/http's alone.
	begins              // They begin a request.
)

const (
	unanswered int32 = iota
	underAnswer
	closedUnderAnswer
)

// readQuick reads for net/http, and answers what it can meanwhile.
func (c *conn) readQuick(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if n == 0 {
			return n, err
		}
		what := notSimple
		if !c.quick.blind.Load() { // Else nobody would see the client go.
			what = c.d.s.answerQuick(c, p[:n])
		}
		switch what {
		case answered:
			if err = c.rearm(); err != nil {
				return 0, err
			}
		case ended:
			return 0, io.EOF // Of which net/http has nothing to say to the client.
		case notSimple:
			c.quick.phase = never
			if c.quick.idle.Load() != 0 { // It has as much time for its head as on a new connection.
				err = c.SetReadDeadline(time.Now().Add(c.d.s.settings().conf.HeaderTimeout))
			}
			if c.quick.listed.Load() && !c.d.s.quicks.unseen.forget(c) {
				return 0, io.EOF // It was closed.
			}
			return n, err
		}
	}
}

// rearm gives the client the time until its next request, as net/http does. A quarter of it is left to chance to spare the calls.
func (c *conn) rearm() error {
	timeout := c.d.s.settings().conf.IdleTimeout
	if timeout <= 0 {
		return c.Conn.SetReadDeadline(time.Time{})
	}
	now := time.Now()
	if until := c.quick.idle.Load(); until-now.UnixNano() > int64(timeout/4*3) {
		return nil
	}
	at := now.Add(timeout)
	c.quick.idle.Store(at.UnixNano())
	return c.Conn.SetReadDeadline(at)
}

// outcome is what became of bytes.
type outcome int

const (
	notSimple outcome = iota // They are for net/http, and whatever follows.
	answered
	ended // The connection is to be closed: the answer could not be sent as a whole, or is the last one.
)

// quicks are what answers are made with, while none is, and the count of those that are.
type quicks struct {
	idle    sync.Pool
	running atomic.Int64
	leaving atomic.Bool
	answers atomic.Int64 // For metrics.
	unseen  unseen
	watch   *watch // Nil where clients cannot be seen to go: then nothing is answered here.
}

// leave has net/http answer from now on, which tells clients that their connection ends, and closes the connections of which it knows nothing.
func (q *quicks) leave() {
	q.leaving.Store(true)
	q.unseen.leave()
}

// wait returns when no answer is being sent. When ctx ends, what is being sent is cut.
func (q *quicks) wait(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for q.running.Load() > 0 {
		select {
		case <-ctx.Done():
			q.unseen.cut()
			return
		case <-tick.C:
		}
	}
}

// exchange is what a request is read into, and its answer is put together in.
type exchange struct {
	head head.Head
	out  quickWriter
}

// answerQuick answers the request that p is, if it can.
func (s *Server) answerQuick(c *conn, p []byte) outcome {
	x, ok := s.quicks.idle.Get().(*exchange)
	if !ok {
		x = &exchange{}
	}
	defer func() {
		x.out.forget()
		s.quicks.idle.Put(x)
	}()
	if !x.head.Parse(p) {
		return notSimple
	}
	target, err := url.ParseRequestURI(x.head.Target)
	if err != nil || s.quicks.leaving.Load() {
		return notSimple
	}
	s.quicks.running.Add(1)
	defer s.quicks.running.Add(-1)
	switch c.begin() {
	case beginClosed:
		return ended
	case beginLeft:
		return notSimple
	case beginReady:
	}
	defer c.end()
	ctx := &clientContext{c: c}
	defer ctx.end()
	x.out.to, x.out.ctx, x.out.leaving, x.out.mute = c, ctx, &s.quicks.leaving, x.head.Method == http.MethodHead
	r := (&http.Request{
		Method: x.head.Method, URL: target, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: x.head.Header, Body: http.NoBody, Host: x.head.Host,
		RequestURI: x.head.Target, RemoteAddr: c.address(),
	}).WithContext(ctx)
	s.quicks.answers.Add(1)
	if !s.handle(&x.out, r) {
		x.out.breakOff()
		return ended
	}
	if x.out.finish() != nil || x.out.last {
		return ended
	}
	return answered
}

// handle has a request answered, and says whether that came to its end.
func (s *Server) handle(w *quickWriter, r *http.Request) (whole bool) {
	defer func() {
		broken := recover()
		if err, ok := broken.(error); broken != nil && (!ok || !errors.Is(err, http.ErrAbortHandler)) {
			s.log.Error("a request could not be answered", "uri", r.RequestURI, "panic", fmt.Sprint(broken), "stack", string(debug.Stack()))
		}
	}()
	s.serve(w, r)
	return true
}

// address is the client's address as text, made once.
func (c *conn) address() string {
	if c.quick.remote == "" {
		c.quick.remote = c.RemoteAddr().String()
	}
	return c.quick.remote
}

// How an answer can begin.
type beginning int

const (
	beginReady beginning = iota
	beginClosed
	beginLeft // No more are wanted here.
)

// begin takes the connection for an answer.
func (c *conn) begin() beginning {
	if !c.quick.answering.CompareAndSwap(unanswered, underAnswer) {
		return beginClosed
	}
	if c.closed.Load() {
		c.end()
		return beginClosed
	}
	if !c.quick.listed.Load() && !c.d.s.quicks.unseen.list(c) {
		c.end()
		return beginLeft
	}
	return beginReady
}

// end gives the connection back, and closes it where that was asked for meanwhile.
func (c *conn) end() {
	if !c.quick.answering.CompareAndSwap(underAnswer, unanswered) {
		_ = c.Conn.Close()
		c.forget()
	}
}

// forget has nobody look after a connection that is closed.
func (c *conn) forget() {
	if c.quick.listed.Load() {
		c.d.s.quicks.unseen.forget(c)
		c.d.s.quicks.watch.forget(c)
	}
}
