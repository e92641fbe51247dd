// Package fcgitest is a scripted FastCGI peer for tests: it answers as it is
// told, down to the byte. It is no PHP, and only tests may import it.
//
// The one thing to know first: a peer has one Script, which is a function from
// a request to the bytes of the answer; Serve gives it each request whole.
package fcgitest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"galley/proxy/web/fcgi"
)

// Request is what a peer was sent.
type Request struct {
	Params map[string]string
	Body   []byte
	// Conn is the number of its connection, Nth its own number there; both from 1.
	Conn, Nth int
}

// Answer is what a peer does about a request.
type Answer struct {
	// Bytes are sent as they are: see Stdout, Stderr, End and Join.
	Bytes []byte
	// Cut, if not 0, sends only so many bytes and closes; -1 sends none.
	Cut int
	// Split, if not 0, sends the first bytes up to it in a write of their own; -1 each byte alone.
	Split int
	// Hold keeps the connection open after the bytes until this is closed.
	Hold <-chan struct{}
	// Early answers at once when the params are there and then reads the body.
	Early bool
	// Leaves closes the connection after the answer although it was to be kept, as a worker at the end of its pm.max_requests does.
	Leaves bool
}

// Peer is a FastCGI server.
type Peer struct {
	// Script makes the answer. It is called by many goroutines.
	Script func(*Request) Answer
	// Old closes after the answer to GET_VALUES, as PHP up to 8.1 does.
	Old bool

	listener net.Listener
	workers  chan struct{}
	mu       sync.Mutex
	requests []*Request
	conns    map[net.Conn]bool
	probes   int
	taken    int // connections
	done     sync.WaitGroup
}

// Options say what a peer is like.
type Options struct {
	// Network is tcp (the default) or unix.
	Network string
	// Address is listened on; empty is a free one.
	Address string
	// Workers is how many connections are served at a time; others wait unread. 0 is no limit.
	Workers int
	// Old is Peer.Old.
	Old bool
}

// Start runs a peer until the test ends.
func Start(tb testing.TB, opts Options, script func(*Request) Answer) *Peer {
	tb.Helper()
	address := opts.Address
	switch {
	case address != "":
	case opts.Network == "unix":
		address = filepath.Join(tb.TempDir(), "fpm.sock")
	default:
		opts.Network, address = "tcp", "127.0.0.1:0"
	}
	listener, err := net.Listen(opts.Network, address) //nolint:noctx // a test's own
	if err != nil {
		tb.Fatal(err)
	}
	p := &Peer{Script: script, Old: opts.Old, listener: listener, conns: map[net.Conn]bool{}}
	if opts.Workers > 0 {
		p.workers = make(chan struct{}, opts.Workers)
	}
	p.done.Go(p.accept)
	tb.Cleanup(p.Stop)
	return p
}

// Addr is where the peer listens, as package config writes it.
func (p *Peer) Addr() string {
	if p.listener.Addr().Network() == "unix" {
		return "unix:" + p.listener.Addr().String()
	}
	return p.listener.Addr().String()
}

// Dial connects to the peer.
func (p *Peer) Dial(tb testing.TB) net.Conn {
	tb.Helper()
	nc, err := net.Dial(p.listener.Addr().Network(), p.listener.Addr().String()) //nolint:noctx // a test's own
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = nc.Close() })
	return nc
}

// Requests are those that were given to the script, in order.
func (p *Peer) Requests() []*Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*Request(nil), p.requests...)
}

// Probes is how many GET_VALUES were answered.
func (p *Peer) Probes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.probes
}

// Stop closes the listener and all connections, as a killed pool does.
func (p *Peer) Stop() {
	_ = p.listener.Close()
	p.mu.Lock()
	for nc := range p.conns {
		_ = nc.Close()
	}
	p.mu.Unlock()
	p.done.Wait()
}

func (p *Peer) accept() {
	for {
		nc, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.conns[nc] = true
		p.mu.Unlock()
		p.done.Go(func() {
			p.work(nc)
			_ = nc.Close()
			p.mu.Lock()
			delete(p.conns, nc)
			p.mu.Unlock()
		})
	}
}

// work serves a connection when there is a worker for it.
func (p *Peer) work(nc net.Conn) {
	if p.workers != nil {
		p.workers <- struct{}{}
		defer func() { <-p.workers }()
	}
	p.mu.Lock()
	p.taken++
	number := p.taken
	p.mu.Unlock()
	req := &Request{Params: map[string]string{}, Conn: number, Nth: 1}
	keep := false
	for {
		h, content, err := readRecord(nc)
		if err != nil {
			return
		}
		switch h.Type { //nolint:exhaustive // a client sends no others
		case fcgi.GetValues:
			p.mu.Lock()
			p.probes++
			p.mu.Unlock()
			pair := append([]byte{15, 1}, "FCGI_MPXS_CONNS0"...)
			if _, err = nc.Write(fcgi.AppendRecord(nil, fcgi.GetValuesResult, 0, pair)); err != nil || p.Old {
				return
			}
		case fcgi.Params:
			if len(content) > 0 {
				pairs, err := fcgi.ParsePairs(content)
				if err != nil {
					return
				}
				for _, pair := range pairs {
					req.Params[pair.Name] = pair.Value
				}
				continue
			}
			if !p.script(nc, req, keep) {
				return
			}
			req = &Request{Params: map[string]string{}, Conn: number, Nth: req.Nth + 1}
		case fcgi.BeginRequest:
			keep = len(content) > 2 && content[2]&fcgi.KeepConn != 0
		case fcgi.Stdin:
			req.Body = append(req.Body, content...)
		}
	}
}

// script answers when all is there, and says whether the connection goes on.
func (p *Peer) script(nc net.Conn, req *Request, keep bool) bool {
	size, _ := strconv.Atoi(req.Params["CONTENT_LENGTH"])
	read := func() bool {
		for len(req.Body) < size {
			h, content, err := readRecord(nc)
			if err != nil || h.Type == fcgi.Stdin && len(content) == 0 {
				return false
			}
			req.Body = append(req.Body, content...)
		}
		return true
	}
	if req.Params["EARLY"] == "" && !read() {
		return false
	}
	p.mu.Lock()
	p.requests = append(p.requests, req)
	p.mu.Unlock()
	a := p.Script(req)
	a.send(nc)
	if a.Early {
		read()
	}
	if a.Hold != nil {
		<-a.Hold
	}
	if keep && a.Cut == 0 && a.Hold == nil && !a.Leaves {
		return true
	}
	if keep {
		return false // Php-fpm closes at once then: what is unread resets the connection.
	}
	drain(nc)
	return false
}

// drain ends the answer and takes what is still sent, as php-fpm does: closing with something unread would reset the connection (main/fastcgi.c, fcgi_close).
func drain(nc net.Conn) {
	half, ok := nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = nc.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.Copy(io.Discard, nc)
}

func (a *Answer) send(nc net.Conn) {
	b := a.Bytes
	if a.Cut != 0 {
		b = b[:max(min(a.Cut, len(b)), 0)]
	}
	step := a.Split
	switch {
	case step < 0:
		step = 1
	case step > 0:
		n := min(step, len(b))
		if _, err := nc.Write(b[:n]); err != nil {
			return
		}
		b, step = b[n:], len(b)
	default:
		step = len(b)
	}
	for len(b) > 0 {
		n := min(step, len(b))
		if _, err := nc.Write(b[:n]); err != nil {
			return
		}
		b = b[n:]
	}
}

func readRecord(r io.Reader) (fcgi.Header, []byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return fcgi.Header{}, nil, err
	}
	h, err := fcgi.ParseHeader(head[:])
	if err != nil {
		return h, nil, err
	}
	content := make([]byte, h.Length+h.Padding)
	if _, err = io.ReadFull(r, content); err != nil {
		return h, nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	return h, content[:h.Length], nil
}

// Join puts records one after the other.
func Join(records ...[]byte) []byte { return bytes.Join(records, nil) }

// Stdout is a text in STDOUT records of at most 60,000 bytes.
func Stdout(text string) []byte { return stream(fcgi.Stdout, text) }

// Stderr is a text in STDERR records.
func Stderr(text string) []byte { return stream(fcgi.Stderr, text) }

func stream(t fcgi.Type, text string) []byte {
	var b []byte
	for len(text) > 0 {
		n := min(len(text), 60_000)
		b = fcgi.AppendRecord(b, t, 1, []byte(text[:n]))
		text = text[n:]
	}
	return b
}

// End is END_REQUEST.
func End(status fcgi.Status) []byte {
	return fcgi.AppendRecord(nil, fcgi.EndRequest, 1, []byte{0, 0, 0, 0, byte(status), 0, 0, 0})
}

// Page is a whole answer of a script.
func Page(body string) []byte {
	return Join(Stdout("Content-Type: text/html\r\n\r\n"+body), fcgi.AppendRecord(nil, fcgi.Stdout, 1, nil), End(fcgi.Complete))
}
