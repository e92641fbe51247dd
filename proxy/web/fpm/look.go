package fpm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"galley/balancer"
	"galley/config"
	"galley/proxy/web/fcgi"
)

const (
	// lookTime bounds one look at a backend, lookBackoff what it grows to while nobody answers.
	lookTime    = 2 * time.Second
	lookBackoff = 8 * time.Second
	// silentLooks is how many looks in a row nobody answers before a backend counts as down.
	silentLooks = 3
)

// finding is what one look at a backend showed.
type finding struct {
	err    error
	status *status // nil where none was asked for or it could not be read
	asked  int     // 1 where a worker of the pool gave the status
	alive  bool    // a worker of the pool answered
}

// look looks at a backend once and draws the conclusions.
func (p *Pool) look(ctx context.Context, m *member) error {
	f := p.find(ctx, m, p.settings())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.members[m.Backend] != m || ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return f.err
	}
	if f.status != nil {
		p.heed(m, f.status, f.asked)
	}
	if f.err != nil && f.status == nil {
		p.doubt(m, f.err)
		p.rescore()
		p.topUp()
		return f.err
	}
	m.lastError = ""
	if f.alive {
		m.alive()
	}
	p.works(m)
	m.reason = reasonOK
	if m.status != nil && time.Since(m.statusAt) < statusAge && m.status.busy()-f.asked >= m.workers() {
		m.reason = reasonFull
	}
	p.rescore()
	p.topUp()
	return nil
}

// find asks a backend: for its status, else by ping, else for a worker.
func (p *Pool) find(ctx context.Context, m *member, settings *config.FPMPool) (f finding) {
	p.mu.Lock()
	statusDial := m.statusDial
	p.mu.Unlock()
	if mode(m.mode.Load()) != modeAsks {
		// One that was taken for old is asked again: it may only have been unlucky.
		conn, err := p.connect(ctx, m, modeUnknown)
		if err != nil && !errors.Is(err, errClosesAfterProbe) {
			f.err = err
			if statusDial == "" {
				return f
			}
		} else if err == nil {
			_ = conn.Close()
		}
		f.alive = f.err == nil
	}
	switch {
	case settings.StatusPath != "":
		address := statusDial
		if address == "" {
			address, f.asked = m.Addr(), 1
		}
		body, err := p.get(ctx, address, settings.StatusPath, "json&full")
		f.alive = f.alive || err == nil && f.asked == 1
		if err == nil {
			if f.status, err = parseStatus(body); err != nil {
				p.noStatus(m, err)
				err = nil
			}
		}
		f.err = err
	case settings.PingPath != "":
		_, f.err = p.get(ctx, m.Addr(), settings.PingPath, "")
		f.alive = f.err == nil
	case !f.alive:
		conn, err := p.connect(ctx, m, modeAsks)
		if err == nil {
			_ = conn.Close()
		}
		f.err, f.alive = err, err == nil
	}
	return f
}

// noStatus tells, once, that a backend lives and gives no status.
func (p *Pool) noStatus(m *member, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if text := err.Error(); m.lastError != text {
		p.log.Warn("fpm backend gives no status", "pool", p.name, "backend", m.Addr(), "error", err)
		m.lastError = text
	}
}

// get asks a backend for one of its own pages.
func (p *Pool) get(ctx context.Context, address, path, query string) ([]byte, error) {
	network, dial := split(address)
	nc, err := p.dial(ctx, network, dial)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDial, err)
	}
	conn := fcgi.NewConn(nc, &p.buffers)
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, conn.Interrupt)()
	code, _, err := conn.RoundTrip(&fcgi.Request{Params: []fcgi.Param{
		{Name: "SCRIPT_NAME", Value: path},
		{Name: "SCRIPT_FILENAME", Value: path},
		{Name: "REQUEST_URI", Value: path + "?" + query},
		{Name: "QUERY_STRING", Value: query},
		{Name: "REQUEST_METHOD", Value: "GET"},
		{Name: "SERVER_PROTOCOL", Value: "HTTP/1.1"},
		{Name: "GATEWAY_INTERFACE", Value: "CGI/1.1"},
		{Name: "REMOTE_ADDR", Value: "127.0.0.1"},
	}, Timeout: lookBackoff})
	if errors.Is(err, fcgi.ErrBadHeader) {
		return nil, nil // an answer all the same
	}
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(conn, maxStatus))
	if err == nil && code != 200 {
		body = nil
	}
	return body, err
}

// heed takes a status in. The caller holds mu.
func (p *Pool) heed(m *member, s *status, asked int) {
	if m.status != nil && !s.Started.Equal(m.status.Started) {
		p.log.Info("fpm backend was restarted", "pool", p.name, "backend", m.Addr())
		m.started = time.Now()
		m.learned = 0
		m.mode.Store(int32(modeUnknown)) // it may be another PHP
	}
	m.status, m.statusAt, m.asked = s, time.Now(), asked
	m.learned = max(m.learned, s.Total)
	m.others = othersBusy(s, int(m.running.Load()), asked)
}

// doubt draws the conclusions of a look that nobody answered. Busy is not
// dead: a backend that takes connections and whose workers are known to be at
// work, or were a moment ago, is full. The caller holds mu.
func (p *Pool) doubt(m *member, err error) {
	m.lastError = err.Error()
	switch {
	case errors.Is(err, errDial), errors.Is(err, fcgi.ErrTruncated), errors.Is(err, fcgi.ErrMalformed), errors.Is(err, io.EOF):
		p.failed(m, err)
		return
	case isTimeout(err):
	default:
		p.failed(m, err)
		return
	}
	quiet := time.Since(time.Unix(0, m.life.Load()))
	busy := m.workers() > 0 && int(m.running.Load()) >= m.workers()
	switch m.silent++; {
	case busy || quiet < silentLooks*p.settings().CheckInterval:
		m.silent = 0
		if m.State() == balancer.Up {
			m.reason = reasonFull
		}
	case m.silent >= silentLooks:
		p.down(m, reasonSilent)
	}
}

// isTimeout says whether nothing at all came.
func isTimeout(err error) bool {
	return errors.Is(err, fcgi.ErrTimeout) || errors.Is(err, fcgi.ErrInterrupted) || errors.Is(err, context.DeadlineExceeded)
}

// statusAddress is where a backend's status is to be had: its own setting, or
// the pool's port on its host. Empty is the backend itself.
func statusAddress(backend, own, pool string) string {
	address := own
	if address == "" {
		address = pool
	}
	if port, ok := strings.CutPrefix(address, ":"); ok {
		host, _, err := net.SplitHostPort(backend)
		if err != nil || strings.HasPrefix(backend, "unix:") {
			host = "127.0.0.1"
		}
		return net.JoinHostPort(host, port)
	}
	return address
}
