package mysql

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"galley/balancer"
	"galley/cluster"
	"galley/config"
	"galley/proxy"
	"galley/proxy/mysql/wire"
)

// Cluster is what the door needs to know of the nodes (a *cluster.Monitor).
type Cluster interface {
	View() *cluster.View
	Changed() <-chan struct{}
	ProbeNow(addr string)
}

// Accounts is where the door finds who may log in (a *cluster.Accounts).
type Accounts interface {
	Snapshot() *cluster.AccountSet
	Refresh(ctx context.Context) error
}

// Variables knows how the values of system variables are written (a *cluster.Variables).
type Variables interface {
	Find(name string) (cluster.Variable, bool)
}

// Engines knows the tables that Galera does not replicate, and what is stored that does more than the texts of its callers say (a *cluster.Engines).
type Engines interface {
	Snapshot() *cluster.EngineSet
	Saw(schemas ...string)
	Stored() *cluster.StoredSet
	Stores(sql []byte)
}

// DialFunc opens a connection to a node.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Options are what a Server is made of.
type Options struct {
	Config    config.MySQL
	Cluster   Cluster
	Accounts  Accounts
	Variables Variables
	Engines   Engines          // Nil where all tables are replicated.
	TLS       *proxy.ServerTLS // Towards clients; nil for none.
	NodeTLS   *proxy.ClientTLS // Towards nodes; nil for none.
	// SendProxyHeader has backend conns begin with a header that tells of the client.
	SendProxyHeader bool
	Logger          hclog.Logger
	Registerer      prometheus.Registerer
	Dial            DialFunc // Nil for an ordinary dialer.
	// AllowPublicKeyRetrieval is cluster.allow_public_key_retrieval.
	AllowPublicKeyRetrieval bool
	// User and Password are the account with which galley itself waits on nodes; it needs no rights.
	User     string
	Password config.Secret
	// Peers says whether other galleys serve the same cluster: then reads must see what those have acknowledged, too. Nil is that there are none.
	Peers func() bool
}

// Server is the MySQL door. Its methods may be called from any goroutine.
type Server struct {
	conf     atomic.Pointer[config.MySQL]
	cluster  Cluster
	accounts Accounts
	vars     Variables
	engines  Engines
	log      hclog.Logger
	dial     DialFunc
	tls      *proxy.ServerTLS
	nodeTLS  *proxy.ClientTLS
	header   bool // Backend conns tell the node of the client, so that it matches accounts against the client's address.
	buffers  *wire.Buffers
	conns    connSets
	schemas  schemaCache
	users    users
	refusals refusals
	takeKeys atomic.Bool // See nodeAuth.
	charsets charsetCache
	accepted acceptedSets
	known    knownAnswers
	metrics  metrics
	causal   causal
	index    readIndex
	peers    func() bool // Whether other galleys write to the cluster.
	untold   time.Duration
	flights  flights
	gate     gate
	line     line
	sleepers sleepers

	mu       sync.Mutex
	sessions map[uint32]*session
	nextID   uint32
	picks    atomic.Uint64 // Counts choices of a reader.
	since106 atomic.Bool   // All nodes are MariaDB 10.6 or later.
	wg       sync.WaitGroup
	late     sync.WaitGroup // The sweeper's kills.

	own     atomic.Pointer[login] // Galley's own account.
	logs    sync.Pool             // Of *trxLog.
	life    context.Context       //nolint:containedctx // ends with Serve
	endLife context.CancelFunc

	stopping  context.Context //nolint:containedctx // ends when it begins to drain
	beginStop context.CancelFunc

	openers sync.WaitGroup // Conns being opened.
	tick    atomic.Int64   // Seconds, as far as the pools are concerned.
}

// New makes a Server; it does not listen yet.
func New(o Options) (*Server, error) {
	s := &Server{
		cluster: o.Cluster, accounts: o.Accounts, vars: o.Variables, log: o.Logger, dial: o.Dial, tls: o.TLS, nodeTLS: o.NodeTLS, header: o.SendProxyHeader, buffers: wire.NewBuffers(), sessions: map[uint32]*session{},
		conns: connSets{sets: map[*balancer.Backend]*connSet{}}, schemas: schemaCache{until: map[schemaKey]time.Time{}},
	}
	if s.engines = o.Engines; s.engines == nil {
		s.engines = noEngines{set: &cluster.EngineSet{}, stored: &cluster.StoredSet{}}
	}
	if s.dial == nil {
		s.dial = (&net.Dialer{}).DialContext
	}
	s.logs.New = newTrxLog
	s.takeKeys.Store(o.AllowPublicKeyRetrieval)
	s.metrics.bounds = latencyBounds()
	s.conns.srv, s.index.srv, s.untold = s, s, untoldPatience
	if s.peers = o.Peers; s.peers == nil {
		s.peers = func() bool { return false }
	}
	s.SetMonitor(o.User, o.Password)
	s.life, s.endLife = context.WithCancel(context.Background())
	s.stopping, s.beginStop = context.WithCancel(context.Background())
	s.causal.start()
	s.SetConfig(o.Config)
	if err := o.Registerer.Register(newCollector(s)); err != nil {
		return nil, fmt.Errorf("registering the metrics of the MySQL door: %w", err)
	}
	return s, nil
}

// SetConfig applies another configuration to what comes from now on.
func (s *Server) SetConfig(c config.MySQL) {
	s.conf.Store(&c)
	s.flights.set(&c)
}

// SetMonitor applies another user of galley's own: conns that are open stay.
func (s *Server) SetMonitor(user string, password config.Secret) {
	s.own.Store(&login{user: user, secret: passwordCredential(password.Reveal()), charset: utf8Charset, caps: ownCaps})
}

// SetPublicKeyRetrieval applies another cluster.allow_public_key_retrieval.
func (s *Server) SetPublicKeyRetrieval(allow bool) { s.takeKeys.Store(allow) }

func (s *Server) config() *config.MySQL { return s.conf.Load() }

// Serve accepts clients on the listeners until ctx ends; then it lets statements and transactions end within the grace time, or until cut ends, closes the
// rest and returns.
func (s *Server) Serve(ctx, cut context.Context, listeners ...net.Listener) error {
	base, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(errShuttingDown)
	front, closeFront := context.WithCancel(ctx)
	defer closeFront()
	stop := context.AfterFunc(front, func() {
		s.beginStop()
		for _, l := range listeners {
			_ = l.Close()
		}
	})
	defer stop()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		var sweeper sync.WaitGroup
		sweeper.Go(func() { s.sweep(base) })
		s.watch(base)
		sweeper.Wait()
	}()
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		s.sweepPools(base)
	}()
	defer func() {
		<-swept
		s.endLife()
		s.conns.end() // What is asked of a node that hangs is not waited for.
		s.openers.Wait()
		s.conns.end() // What was opened meanwhile.
	}()
	ended, free := make(chan error, len(listeners)), &spares{srv: s, clients: make(chan net.Conn)}
	for _, l := range listeners {
		go func() { ended <- s.accept(base, front, l, free) }()
	}
	err := <-ended
	failed := ctx.Err() == nil
	closeFront() // Where one listener has failed the others are of no use: galley ends.
	for range len(listeners) - 1 {
		if other := <-ended; !errors.Is(other, net.ErrClosed) {
			err = errors.Join(err, other)
		}
	}
	close(free.clients)
	if failed {
		cancel(err)
		<-watched
		return err
	}
	s.drain(cut, cancel)
	<-watched
	return nil
}

// accept takes clients in until the listener is closed. Their sessions end with ctx; who they are is found out only until front ends.
func (s *Server) accept(ctx, front context.Context, l net.Listener, free *spares) error {
	pause := time.Duration(0)
	for {
		nc, err := l.Accept()
		if err != nil {
			if s.stopping.Err() != nil || errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("accepting clients on %s: %w", l.Addr(), err)
			}
			// Out of file descriptors, or a client that was gone before it was accepted: go on.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.log.Warn("cannot accept a client", "error", err, "again_in", pause)
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
			continue
		}
		pause = 0
		s.metrics.sessions.Add(1)
		s.wg.Add(1)
		free.serve(ctx, front, nc)
	}
}

// client serves one client from its first byte to its last.
func (s *Server) client(ctx, front context.Context, nc net.Conn) {
	defer s.wg.Done()
	c := s.newSession(ctx, front, nc)
	if c == nil {
		return
	}
	stop := context.AfterFunc(c.ctx, c.cut)
	if s.register(c) {
		s.attend(c)
	} else {
		s.turnAway(c)
	}
	stop()
	c.cancel(nil)
}

// newSession makes the session of a client; nil where it is not found out who that is.
//
//go:noinline // Like all that is done once, it has its frame for itself.
func (s *Server) newSession(ctx, front context.Context, nc net.Conn) *session {
	c := &session{srv: s, halt: make(chan struct{}, 1), client: wire.NewConn(nc, s.buffers)}
	if !c.meet(front) {
		return nil
	}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	c.shown.since, c.shown.addr = time.Now(), c.peer.String()
	return c
}

// attend serves a client that has a place. What it needs on its stack is part of each idle session's: so it is short.
func (s *Server) attend(c *session) {
	err := c.handshake()
	if err == nil {
		err = c.serve()
	}
	s.ended(c, err)
	c.client.SayClosing()
	c.close()
	s.unregister(c)
}

// turnAway tells a client that there are too many.
func (s *Server) turnAway(c *session) {
	_ = c.client.SetDeadline(time.Now().Add(time.Second))
	_ = c.writeError(wire.NewError(codeTooManyConnections, "Too many connections"))
	_ = c.client.Close()
	s.metrics.closed[closeTooManyConnections].Add(1)
}

// ended counts and logs the end of a session, for which err is why.
func (s *Server) ended(c *session, err error) {
	reason := closeClientGone
	if over, ok := errors.AsType[*errSession](err); ok {
		reason = over.reason
	}
	if c.ctx.Err() != nil && (reason == closeClientGone || reason == closeNodeLost) {
		reason = c.stopReason() // It was cut.
	}
	s.metrics.closed[reason].Add(1)
	s.log.Debug("session ended", "session", c.id, "user", c.userName(), "client", c.shown.addr, "reason", reason, "error", err)
}

// register gives the session its connection id, which no other has; it is refused where there are as many as there may be.
func (s *Server) register(c *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit := s.config().MaxConnections; limit > 0 && len(s.sessions) >= limit {
		return false
	}
	base := uint32(firstConnectionID) | uint32(s.config().InstanceID)<<instanceShift
	for {
		s.nextID = (s.nextID + 1) & (1<<instanceShift - 1)
		if s.sessions[base|s.nextID] == nil {
			break
		}
	}
	c.id = base | s.nextID
	s.sessions[c.id] = c
	s.sleepers.add(c)
	return true
}

func (s *Server) unregister(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c.id)
	s.sleepers.leave(c)
}

func (s *Server) session(id uint64) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id > 0xffffffff {
		return nil
	}
	return s.sessions[uint32(id)]
}

func (s *Server) sessionCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// version is the server version of the greeting.
func (s *Server) version(f *cluster.ServerFacts) string {
	if v := s.config().ServerVersion; v != "" {
		return v
	}
	return f.Greeting
}

// numeric says whether a variable is set without quotes.
func (s *Server) numeric(name, value string) bool {
	if v, ok := s.vars.Find(name); ok {
		return v.Kind == cluster.NumberVariable && looksNumeric(value)
	}
	return looksNumeric(value)
}

// accountsChanged makes what was remembered of users and schemas be asked anew.
func (s *Server) accountsChanged() { s.schemas.clear() }

// trouble has a node probed at once.
func (s *Server) trouble(node *cluster.Node) { s.cluster.ProbeNow(node.Addr) }

// lost notes that a backend conn broke.
func (s *Server) lost(b *backendConn, err error) {
	s.metrics.lostConns.Add(1)
	s.log.Debug("backend conn lost", "node", b.node.Addr, "thread", b.threadID, "error", err)
	s.trouble(b.node)
}
