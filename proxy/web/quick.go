package web

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"galley/proxy/web/cache"
	"galley/proxy/web/head"
	"galley/proxy/web/site"
)

// A simple request for what is in memory is answered here, where its bytes are read and before net/http has seen them, with the same rules, headers, log and
// metrics: one read and one write, in place of two writes, a second goroutine that watches for the client's end, and a context. All else is net/http's.
//
// So it must be known for sure that bytes which were read begin a request. They do on a connection on which nothing was read yet; after a request that was
// answered here; and when net/http has ended a request that was handed to it whole, in one piece, without a body. On a connection on which anything else
// came, net/http reads all that follows.

// quick is where a connection stands. Its phase belongs to whoever reads, which net/http has one of at a time.
type quick struct {
	phase phase
	early byte // Of phases ahead and behind.
	// answering is one of the three below; in the last the connection was closed while it was being answered, and ends with that.
	answering atomic.Int32
	idle      atomic.Int64 // The read deadline that was set here, in nanoseconds; 0 for another one.
	seen      bool         // By net/http, of which it is as the phase.
	listed    atomic.Bool  // It was taken into unseen.
}

// phase says what the next bytes of a connection are.
type phase uint8

const (
	never  phase = iota // Net/http's alone.
	begins              // They begin a request.
	handed              // Net/http has a whole request and has not ended it.
	ahead               // As handed, and it has read the first byte of the next one (it looks whether the client is still there).
	behind              // They are what follows that byte.
)

const (
	unanswered int32 = iota
	underAnswer
	closedUnderAnswer
)

// readQuick reads for net/http, and answers what it can meanwhile.
func (c *conn) readQuick(p []byte) (int, error) {
	q := &c.quick
	for {
		n, err := c.Conn.Read(p)
		if n == 0 {
			return n, err
		}
		switch q.phase {
		case begins:
			switch c.d.s.answerQuick(c, p[:n]) {
			case answered:
				if !c.answeredHere() {
					return 0, io.EOF
				}
				if err = c.rearm(); err != nil {
					return 0, err
				}
				continue
			case broken:
				return 0, io.EOF // Of which net/http has nothing to say to the client.
			case simple:
				q.phase = handed
			case notSimple:
				q.phase = never
				if q.idle.Load() != 0 { // It has as much time for its head as on a new connection.
					err = c.SetReadDeadline(time.Now().Add(c.d.s.settings().conf.HeaderTimeout))
				}
			}
			if !c.hand() {
				return 0, io.EOF
			}
		case handed:
			q.phase = never
			if n == 1 && len(p) == 1 {
				q.phase, q.early = ahead, p[0]
			}
		case behind:
			q.phase = never
			var h head.Head
			if h.Parse(append([]byte{q.early}, p[:n]...)) {
				q.phase = handed
			}
		case never, ahead:
			q.phase = never
		}
		return n, err
	}
}

// idles hears from net/http that it has ended a request.
func idles(nc net.Conn, state http.ConnState) {
	c, ok := nc.(*conn)
	if !ok || state != http.StateIdle {
		return
	}
	switch c.quick.phase {
	case handed:
		c.quick.phase = begins
	case ahead:
		c.quick.phase = behind
	case never, begins, behind:
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
	simple                   // They are a whole request, for net/http.
	answered
	broken // The answer could not be sent as a whole.
)

// quicks are what answers are made with, while none is, and the count of those that are.
type quicks struct {
	idle    sync.Pool
	running atomic.Int64
	leaving atomic.Bool
	answers atomic.Int64 // For metrics.
	unseen  unseen
}

// leave has net/http answer from now on, which tells clients that their connection ends, and closes the connections of which it knows nothing.
func (q *quicks) leave() {
	q.leaving.Store(true)
	q.unseen.leave()
}

// wait returns when no answer is being sent, or when ctx ends.
func (q *quicks) wait(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for q.running.Load() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// exchange is a request and its answer.
type exchange struct {
	head head.Head
	req  http.Request
	out  quickWriter
}

// answerQuick answers the request that p is, if it can.
func (s *Server) answerQuick(c *conn, p []byte) (what outcome) {
	x, ok := s.quicks.idle.Get().(*exchange)
	if !ok {
		x = &exchange{}
	}
	defer func() {
		x.req = http.Request{}
		x.out.forget()
		s.quicks.idle.Put(x)
	}()
	if !x.head.Parse(p) {
		return notSimple
	}
	target, err := url.ParseRequestURI(x.head.Target)
	if err != nil || s.quicks.leaving.Load() {
		return simple
	}
	x.req = http.Request{
		Method: x.head.Method, URL: target, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: x.head.Header, Body: http.NoBody, Host: x.head.Host,
		RequestURI: x.head.Target, RemoteAddr: c.remote(),
	}
	s.quicks.running.Add(1)
	defer s.quicks.running.Add(-1)
	if !c.begin() {
		return broken
	}
	defer c.end()
	defer func() {
		if recover() == nil {
			return
		}
		if what = broken; !x.out.taken { // Net/http finds the same, and it is answered and logged there.
			what = simple
		}
	}()
	x.out.to, x.out.mute = c, x.head.Method == http.MethodHead
	if s.serveQuick(&x.out, &x.req); !x.out.taken {
		return simple
	}
	if x.out.finish() != nil {
		return broken
	}
	return answered
}

// serveQuick answers a request if it is for something in memory. Else it does nothing.
func (s *Server) serveQuick(rw *quickWriter, r *http.Request) {
	use := s.settings()
	v := s.newVisit(r, use)
	if status, _ := s.admit(r, v, use); status != 0 || v.host.conf.RedirectToHTTPS && !v.secure {
		return
	}
	give := s.inMemory(r, v)
	if give == nil {
		return
	}
	rw.taken = true
	s.quicks.answers.Add(1)
	w := &writer{ResponseWriter: rw}
	defer s.finish(w, r, v)
	v.sign(rw.Header())
	give(w)
}

// inMemory gives the answer to a request that was admitted if it is in memory; nil if not.
func (s *Server) inMemory(r *http.Request, v *visit) func(http.ResponseWriter) {
	h := v.host
	cached := h.conf.Cache != 0
	if _, purge := cache.AsPurge(r, h.name); cached && purge {
		return nil
	}
	v.route = h.rules.Route(v.path, h.filesOf())
	switch {
	case v.route.Action == site.Serve:
		if kept, ok := h.root.Kept(v.route.Path); ok {
			return func(w http.ResponseWriter) { kept.Serve(w, r, &h.files) }
		}
	case v.route.Action == site.Run && cached:
		if page, ok := s.pages.Fresh(r, v.cacheSite(r)); ok {
			return func(w http.ResponseWriter) { page.Serve(w, r) }
		}
	}
	return nil
}

// remote is the client's address as text.
func (c *conn) remote() string { return c.RemoteAddr().String() }

// begin takes the connection for an answer. It fails where it is closed.
func (c *conn) begin() bool {
	if !c.quick.answering.CompareAndSwap(unanswered, underAnswer) {
		return false
	}
	if c.closed.Load() {
		c.end()
		return false
	}
	return true
}

// end gives the connection back, and closes it where that was asked for meanwhile.
func (c *conn) end() {
	if !c.quick.answering.CompareAndSwap(underAnswer, unanswered) {
		_ = c.Conn.Close()
	}
}
