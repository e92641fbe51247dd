package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// quicDoor gives HTTP/3 (RFC 9114) the connections of clients, under the same bounds as door. Nothing is taken of a client before its handshake is over (0-RTT),
// as that could be sent again by anybody who saw it.
type quicDoor struct {
	s         *Server
	running   atomic.Int64 // Requests.
	socket    net.PacketConn
	transport *quic.Transport
	*quic.Listener
}

// listenQUIC opens the door for HTTP/3, at the UDP port of the address at which HTTPS is served.
func (s *Server) listenQUIC(ctx context.Context, addr string) (*quicDoor, error) {
	socket, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s by UDP: %w", addr, err)
	}
	c := &s.settings().conf
	d := &quicDoor{s: s, socket: socket}
	// From half of all connections on a client first has to show that its address is its own.
	d.transport = &quic.Transport{
		Conn: socket, ConnContext: d.admit, VerifySourceAddress: func(net.Addr) bool { return s.open.Load() > int64(s.settings().conf.MaxConnections)/2 },
	}
	d.Listener, err = d.transport.Listen(http3.ConfigureTLSConfig(s.certs.Config()), &quic.Config{
		HandshakeIdleTimeout: c.HeaderTimeout, MaxIdleTimeout: c.IdleTimeout, MaxIncomingStreams: streams,
		KeepAlivePeriod: c.IdleTimeout / 3, // A client that waits for a long request is there, though it is silent; quicIdle ends those that do not.
	})
	if err != nil {
		_ = socket.Close()
		return nil, fmt.Errorf("listening on %s for QUIC: %w", addr, err)
	}
	return d, nil
}

// The reasons for which a client is refused; it is told that it is, and comes by TCP.
var (
	errTooMany  = errors.New("too many connections")
	errBalancer = errors.New("a PROXY header is due from this network, and QUIC has none")
)

// admit lets a connection in, or not, by its first packet: it counts from then on until it ends, whether its handshake comes to an end or not.
func (d *quicDoor) admit(ctx context.Context, from *quic.ClientInfo) (context.Context, error) {
	if at, ok := from.RemoteAddr.(*net.UDPAddr); ok && within(at.AddrPort().Addr().Unmap(), d.s.proxyNets) {
		return nil, errBalancer
	}
	if open := d.s.open.Add(1); open > int64(d.s.settings().conf.MaxConnections) {
		d.s.open.Add(-1)
		d.s.metrics.refused.Inc()
		d.s.metrics.turnedAway.Add(1)
		return nil, errTooMany
	}
	context.AfterFunc(ctx, func() { d.s.open.Add(-1) })
	return ctx, nil
}

// part serves the door.
func (d *quicDoor) part() *part {
	c := &d.s.settings().conf
	srv := &http3.Server{Handler: d, MaxHeaderBytes: int(c.MaxHeader), ConnContext: d.watch}
	return &part{
		serve: func() error { return srv.ServeListener(d) },
		shutdown: func(ctx context.Context) error {
			_ = d.Listener.Close() // It lets nobody new in; those who are stay.
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			go d.whenIdle(ctx, cancel)
			err := srv.Shutdown(ctx)
			_ = d.transport.Close()
			_ = d.socket.Close()
			return err
		},
		close: srv.Close,
	}
}

// idleLook is how often it is looked whether requests are under way while galley stops; idleLooks is after how many without any there are taken to be none: one that
// was sent before its client knew of the end is answered, too.
const (
	idleLook  = 100 * time.Millisecond
	idleLooks = 5
)

// whenIdle ends what a client keeps open without a request: it is told of the end and may stay, but not for the whole grace.
func (d *quicDoor) whenIdle(ctx context.Context, end func()) {
	look := time.NewTicker(idleLook)
	defer look.Stop()
	for idle := 0; idle < idleLooks; idle++ {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		if d.running.Load() > 0 {
			idle = -1
		}
	}
	end()
}

// ServeHTTP answers one request of HTTP/3. Its streams have no connection of ours under them, so the bound on a client that reads nothing is kept here.
func (d *quicDoor) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	d.running.Add(1)
	defer d.running.Add(-1)
	idle := quicIdleOf(r)
	idle.begin()
	defer idle.end()
	w := &streamWriter{ResponseWriter: rw, control: http.NewResponseController(rw), timeout: d.s.writeTimeout}
	if r.ContentLength < 0 && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		w.settleBody(r)
	}
	d.s.serve(w, r)
}

// streamWriter gives each piece that is written the whole write timeout.
type streamWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	until   atomic.Int64 // Nanoseconds.
}

// settleBody finds out whether there is a body where no length was said: only the end of the stream tells, which browsers send with the header. A request without one
// is looked up in the page cache, one with a body is not.
func (w *streamWriter) settleBody(r *http.Request) {
	if w.control.SetReadDeadline(time.Now().Add(headStart)) != nil {
		return
	}
	begin := make([]byte, 1)
	n, err := r.Body.Read(begin)
	_ = w.control.SetReadDeadline(time.Time{})
	switch {
	case n > 0:
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(begin), r.Body), r.Body}
	case errors.Is(err, io.EOF):
		r.Body, r.ContentLength = http.NoBody, 0
	}
}

// WriteHeader implements http.ResponseWriter. HTTP/3 has no Connection, and clients take no answer that has one (RFC 9114, section 4.2).
func (w *streamWriter) WriteHeader(status int) {
	delete(w.Header(), "Connection")
	_ = w.extend() // Where that fails the stream has ended, which the next piece shows.
	w.ResponseWriter.WriteHeader(status)
}

// extend moves the write deadline, as conn's does.
func (w *streamWriter) extend() error {
	now := time.Now()
	if w.until.Load()-now.UnixNano() > int64(w.timeout/4*3) {
		return nil
	}
	at := now.Add(w.timeout)
	w.until.Store(at.UnixNano())
	return w.control.SetWriteDeadline(at)
}

// Write implements http.ResponseWriter.
func (w *streamWriter) Write(p []byte) (int, error) {
	n := 0
	for {
		if err := w.extend(); err != nil {
			return n, err
		}
		m, err := w.ResponseWriter.Write(p[n:min(len(p), n+piece)])
		if n += m; err != nil || n == len(p) {
			return n, err
		}
	}
}

// FlushError is for http.ResponseController.
func (w *streamWriter) FlushError() error {
	if err := w.extend(); err != nil {
		return err
	}
	return w.control.Flush()
}

// ReadFrom is io.Copy with a larger buffer than its own.
func (w *streamWriter) ReadFrom(r io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 64<<10))
}

// Unwrap serves http.ResponseController.
func (w *streamWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// altSvcAge is for how long a browser may remember that there is HTTP/3 (RFC 7838, section 3.1).
const altSvcAge = "86400"

// offerHTTP3 tells a browser that came by TLS to galley itself of HTTP/3, at the port by which it came: whoever leads that port to galley leads UDP there too.
func (s *Server) offerHTTP3(h http.Header, r *http.Request, v *visit) {
	if s.quic == nil || r.TLS == nil || r.ProtoMajor == 3 || v.trusted || len(s.proxyNets) > 0 {
		return
	}
	port := v.hport
	if port == "" {
		port = "443"
	}
	h["Alt-Svc"] = []string{`h3=":` + port + `"; ma=` + altSvcAge}
}
