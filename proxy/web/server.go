package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"galley/config"
	"galley/proxy"
	"galley/proxy/web/cache"
	"galley/proxy/web/certs"
	"galley/proxy/web/site"
	"galley/proxy/web/spool"
	"galley/proxy/web/static"
)

// Options are what a Server is made of.
type Options struct {
	Config config.Web
	// Pool gives the pool of a name. It is asked when sites are set up.
	Pool func(name string) Pool
	// Trouble says that the database of the scripts can not be written now, or hardly: pages that are a little old are then preferred. Nil if that is not known.
	Trouble    func() bool
	Logger     hclog.Logger
	Registerer prometheus.Registerer // Nil for none.
}

// Server is the front door for browsers. Its methods may be called from any goroutine.
type Server struct {
	log          hclog.Logger
	pool         func(string) Pool
	pages        *cache.Cache
	metrics      *metrics
	access       *accessLog
	files        *static.Cache
	gzips        static.Gzips
	buffers      spool.Buffers
	certs        *certs.Certs
	ids          ids
	writeTimeout time.Duration
	proxyNets    []netip.Prefix

	quicks quicks

	open  atomic.Int64 // Connections.
	use   atomic.Pointer[settings]
	mu    sync.Mutex // Held by who changes the settings.
	doors []*door
	quic  *quicDoor // Nil without HTTP/3.
}

// settings are the server under one configuration. They are never changed.
type settings struct {
	conf  config.Web
	sites site.Hosts[*host]
	all   []*host
}

// New makes a server of which nothing runs yet.
func New(o Options) (*Server, error) {
	c := &o.Config
	s := &Server{log: o.Logger, pool: o.Pool, pages: newPageCache(c, o.Trouble), files: static.NewCache(int64(c.FileCache)), ids: newIDs(), writeTimeout: c.WriteTimeout, proxyNets: c.ProxyNetworks}
	var err error
	if s.certs, err = certs.New(c, o.Logger); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(s, o.Registerer); err != nil {
		return nil, err
	}
	if s.access, err = newAccessLog(c.AccessLog, c.AccessLogFormat); err != nil {
		return nil, fmt.Errorf("web.access_log: %w", err)
	}
	s.use.Store(s.newSettings(c, nil))
	return s, nil
}

func (s *Server) settings() *settings { return s.use.Load() }

// newSettings sets sites up. A site that is as it was before goes on with what is known of its files.
func (s *Server) newSettings(c *config.Web, old *settings) *settings {
	next := &settings{conf: *c}
	for i := range c.Sites {
		h := s.newHost(&c.Sites[i], c, old)
		next.all = append(next.all, h)
		for _, pattern := range h.conf.Hosts {
			next.sites.Add(pattern, h)
		}
	}
	return next
}

// SetConfig applies another configuration to requests that come from now on, but for what needs a restart. Where it cannot be applied nothing changes.
func (s *Server) SetConfig(c config.Web) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.certs.Set(&c); err != nil {
		return err
	}
	old := s.settings()
	next := s.newSettings(&c, old)
	s.use.Store(next)
	for _, h := range old.all {
		if h.root != nil && !uses(next, h.root) {
			s.files.Forget(h.root)
		}
	}
	return nil
}

func uses(s *settings, root *static.Root) bool {
	for _, h := range s.all {
		if h.root == root {
			return true
		}
	}
	return false
}

// Listen opens the doors. Serve closes them.
func (s *Server) Listen(ctx context.Context) error {
	c := &s.settings().conf
	s.watchClients()
	for _, d := range []struct {
		name, addr string
		tls        bool
	}{{"web.listen", c.Listen, false}, {"web.tls.listen", c.TLS.Listen, true}} {
		if d.addr == "" {
			continue
		}
		l, err := proxy.ListenTCP(ctx, d.addr)
		if err != nil {
			s.closeDoors()
			return fmt.Errorf("%s: %w", d.name, err)
		}
		s.doors = append(s.doors, &door{Listener: l, s: s, tls: d.tls, nets: s.proxyNets})
	}
	if _, secure := s.Addrs(); c.HTTP3 && secure != "" {
		var err error
		if s.quic, err = s.listenQUIC(ctx, secure); err != nil {
			s.closeDoors()
			return fmt.Errorf("web.http3: %w", err)
		}
	}
	return nil
}

// watchClients has clients watched that wait for what is answered past net/http.
func (s *Server) watchClients() {
	var err error
	if s.quicks.watch, err = newWatch(); err != nil {
		s.quicks.watch = nil
		s.log.Warn("all requests go the longer way: it cannot be seen otherwise when a client goes", "error", err)
	}
}

func (s *Server) closeDoors() {
	s.quicks.watch.close()
	for _, open := range s.doors {
		_ = open.Listener.Close()
	}
}

// Addrs are where browsers connect by HTTP and by HTTPS, empty where they do not.
func (s *Server) Addrs() (plain, secure string) {
	for _, d := range s.doors {
		if d.tls {
			secure = d.Addr().String()
		} else {
			plain = d.Addr().String()
		}
	}
	return plain, secure
}

// Serve serves the doors until ctx ends, lets running requests come to their end for the grace of the configuration, and cuts what is left, or everything at once when
// cut ends.
func (s *Server) Serve(ctx, cut context.Context) error {
	defer s.pages.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	parts := s.parts()
	ended := make(chan error, len(parts))
	for _, p := range parts {
		go p.run(ended)
	}
	var aside sync.WaitGroup
	defer aside.Wait()
	flush, stopFlush := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFlush()
	aside.Go(func() { s.access.run(flush) })
	plain, secure := s.Addrs()
	aside.Go(func() { s.certs.Run(ctx, plain, secure) })
	aside.Go(s.quicks.watch.run)
	defer s.quicks.watch.close()
	var err error
	select {
	case <-ctx.Done():
	case failed := <-ended:
		ended <- failed // For the count below.
		stop()
	}
	grace, cancel := context.WithTimeout(cut, s.settings().conf.Grace)
	defer cancel()
	s.quicks.leave()
	var wg sync.WaitGroup
	for _, p := range parts {
		wg.Go(func() {
			if p.shutdown(grace) != nil {
				_ = p.close()
			}
		})
	}
	wg.Wait()
	s.quicks.wait(grace)
	for range parts {
		err = errors.Join(err, <-ended)
	}
	return err
}

// part serves one door.
type part struct {
	serve    func() error
	shutdown func(context.Context) error // Lets requests come to their end.
	close    func() error
}

func (p *part) run(ended chan<- error) {
	err := p.serve()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	ended <- err
}

// parts are what serves the open doors.
func (s *Server) parts() []*part {
	var parts []*part
	for _, d := range s.doors {
		srv := s.newHTTP()
		var l net.Listener = d
		if d.tls {
			l = tls.NewListener(d, s.certs.Config())
		}
		parts = append(parts, &part{serve: func() error { return srv.Serve(l) }, shutdown: srv.Shutdown, close: srv.Close})
	}
	if s.quic != nil {
		parts = append(parts, s.quic.part())
	}
	return parts
}

// newHTTP is net/http with bounds on everything that a client does.
func (s *Server) newHTTP() *http.Server {
	c := &s.settings().conf
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true) // Over TLS only: h2c is off.
	return &http.Server{
		Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: c.HeaderTimeout, IdleTimeout: c.IdleTimeout, MaxHeaderBytes: int(c.MaxHeader), Protocols: &protocols,
		ErrorLog: s.log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: streams, WriteByteTimeout: c.WriteTimeout, MaxReadFrameSize: frame},
	}
}

// streams is how many requests a client may have at a time in one HTTP/2 connection: what browsers use, and nginx' default.
const streams = 128

// frame is the largest frame of HTTP/2 that is taken: what every client starts with (RFC 9113, section 6.5.2), in place of net/http's megabyte.
const frame = 16 << 10
