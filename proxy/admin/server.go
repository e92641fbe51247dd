package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Bounds of one connection. Requests are small and answers are made in memory, so anything slower is broken or hostile;
// live pages and actions set their own deadlines.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = time.Minute
	maxHeaderBytes    = 16 << 10
	shutdownTimeout   = 3 * time.Second
	maxConns          = 256
)

// Server is the admin door. Make it by New, then Run it once; the other methods may be used from any goroutine.
type Server struct {
	opts    Options
	log     hclog.Logger
	pages   *pages
	board   *board
	live    *live
	hosts   hostGuard
	guesses *guesses
	logins  *logins

	mu   sync.Mutex
	tcp  net.Listener
	unix *unixSocket
}

// New checks the options. It opens nothing.
func New(opts Options) (*Server, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	pages, err := newPages()
	if err != nil {
		return nil, err
	}
	s := &Server{
		opts: opts, log: opts.Logger, pages: pages, board: newBoard(opts.Source, newButtons(&opts)), live: newLive(),
		hosts: newHostGuard(opts.Listen, opts.AllowedHosts), guesses: newGuesses(), logins: newLogins(),
	}
	if opts.Token != "" && len(opts.Token) < shortToken {
		s.log.Warn("the admin token is short: make it 16 characters or more", "length", len(opts.Token))
	}
	return s, nil
}

// Listen opens the listeners. Run does it when it was not done before.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.Listen != "" && s.tcp == nil {
		l, err := net.Listen("tcp", s.opts.Listen)
		if err != nil {
			return fmt.Errorf("admin: %w", err)
		}
		s.tcp = newCappedListener(l, maxConns)
	}
	if s.opts.Socket != "" && s.unix == nil {
		u, err := listenUnix(s.opts.Socket)
		if err != nil {
			if s.tcp != nil {
				_ = s.tcp.Close()
				s.tcp = nil
			}
			return err
		}
		s.unix = u
	}
	return nil
}

// Addr is where the TCP listener listens; before that, or without one, what was asked for.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tcp == nil {
		return s.opts.Listen
	}
	return s.tcp.Addr().String()
}

func (s *Server) port() string {
	_, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		return "0"
	}
	return port
}

// Run serves until ctx ends, then lets answers that have begun end, within a bound, and returns when all goroutines
// have. It returns nil when ctx ended it.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	var running sync.WaitGroup
	running.Go(func() { s.runSampler(ctx) })
	ended := make(chan error, 2)
	var servers []*http.Server
	serve := func(l net.Listener, handler http.Handler) {
		hs := s.newHTTPServer(handler)
		servers = append(servers, hs)
		running.Go(func() { ended <- hs.Serve(l) })
	}
	if s.tcp != nil {
		s.log.Info("admin page", "address", s.Addr(), "token", s.opts.Token != "")
		serve(s.tcp, s.handler(false))
	}
	if s.unix != nil {
		s.log.Info("admin socket", "path", s.opts.Socket)
		serve(newCappedListener(s.unix, maxConns), s.handler(true))
	}

	var err error
	select {
	case <-ctx.Done():
	case err = <-ended:
		err = fmt.Errorf("admin: serving: %w", err)
	}
	cancel()
	s.live.close()
	stop(servers)
	running.Wait()
	return err
}

func (s *Server) newHTTPServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          s.log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}
}

// stop shuts the servers down together, and cuts what does not end in time.
func stop(servers []*http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, hs := range servers {
		all.Go(func() {
			if err := hs.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
				_ = hs.Close()
			}
		})
	}
	all.Wait()
}
