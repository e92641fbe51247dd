package cluster

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// DialFunc opens a connection to a node.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// errUnknownVariable is what a server without Galera answers to SET
// wsrep_sync_wait (ER_UNKNOWN_SYSTEM_VARIABLE).
const errUnknownVariable = 1193

// probeQuery is one round trip, and SHOW only: a node outside of a primary
// component answers everything but SHOW and SET with error 1047.
const probeQuery = "SHOW GLOBAL STATUS WHERE Variable_name IN (" + statusNames + ");" +
	"SHOW GLOBAL VARIABLES WHERE Variable_name IN (" + variableNames + ")"

// link is the monitor's way to one node: a database/sql handle that holds one
// connection, and what was learnt when it was made.
type link struct {
	db *sql.DB

	mu     sync.Mutex
	greet  greeting
	seenAs netip.Addr
	remote netip.AddrPort
}

// credentials are what the monitor logs in with.
type credentials struct{ user, password string }

// linkOptions say how a link is made.
type linkOptions struct {
	addr string
	credentials
	dialTimeout time.Duration
	dial        DialFunc
	tls         NodeTLS           // may be nil
	set         map[string]string // further variables of its sessions
}

// newLink makes a link; it connects when it is first used.
func newLink(o linkOptions) *link {
	l := &link{}
	c := mysql.NewConfig()
	c.User, c.Passwd = o.user, o.password
	c.MultiStatements = true
	c.Logger = silent{}
	c.ConnectionAttributes = "program_name:galley"
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, o.dialTimeout)
		defer cancel()
		conn, err := o.dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		l.connected(conn)
		return &greetedConn{Conn: conn, heard: l.greeted}, nil
	}
	l.db = sql.OpenDB(&connector{conf: c, addr: o.addr, tls: o.tls, set: o.set})
	l.db.SetMaxOpenConns(1)
	l.db.SetMaxIdleConns(1)
	return l
}

// close closes the link's connection.
func (l *link) close() { _ = l.db.Close() }

// connected notes the two ends of a new connection.
func (l *link) connected(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a, err := netip.ParseAddrPort(conn.LocalAddr().String()); err == nil {
		l.seenAs = a.Addr().Unmap()
	}
	if a, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
		l.remote = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
}

// greeted notes a new connection's greeting.
func (l *link) greeted(g greeting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.greet = g
}

// ask sends one probe and reads the answer. A connection that turns out to be
// dead is no news of the node: somebody may have killed it, and a second one
// tells.
func (l *link) ask(ctx context.Context) (Status, error) {
	status, variables, err := l.query(ctx)
	if err != nil && ctx.Err() == nil && isLost(err) {
		status, variables, err = l.query(ctx)
	}
	if err != nil {
		return Status{}, err
	}
	s, err := ParseStatus(status, variables)
	if err != nil {
		return Status{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Server.Greeting, s.Server.Capabilities = l.greet.version, l.greet.capabilities
	s.Server.ExtendedCaps, s.Server.Collation = l.greet.extended, l.greet.collation
	return s, nil
}

// query reads the two result sets of a probe.
func (l *link) query(ctx context.Context) (status, variables map[string]string, err error) {
	rows, err := l.db.QueryContext(ctx, probeQuery)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = rows.Close() }()
	if status, err = pairs(rows); err != nil {
		return nil, nil, err
	}
	if !rows.NextResultSet() {
		if err = rows.Err(); err == nil {
			err = errors.New("the probe's second answer is missing")
		}
		return nil, nil, err
	}
	if variables, err = pairs(rows); err != nil {
		return nil, nil, err
	}
	return status, variables, rows.Err()
}

// pairs reads the rows of a SHOW, names in lower case.
func pairs(rows *sql.Rows) (map[string]string, error) {
	out := map[string]string{}
	for rows.Next() {
		var name string
		var value sql.NullString
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		out[strings.ToLower(name)] = value.String
	}
	return out, rows.Err()
}

// connector makes the link's connections with wsrep_sync_wait off, where there
// is such a thing: a global value of it would make SHOW wait. How TLS is to be
// used it asks anew for each connection, as certificates change.
type connector struct {
	conf *mysql.Config
	addr string
	tls  NodeTLS
	set  map[string]string
}

// Connect makes a connection.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	params := map[string]string{"wsrep_sync_wait": "0"}
	maps.Copy(params, c.set)
	conn, err := c.connect(ctx, params)
	if e := (*mysql.MySQLError)(nil); errors.As(err, &e) && e.Number == errUnknownVariable {
		return c.connect(ctx, c.set)
	}
	return conn, err
}

func (c *connector) connect(ctx context.Context, params map[string]string) (driver.Conn, error) {
	conf := c.conf.Clone()
	conf.Params = params
	Dialled(conf, c.addr, c.tls)
	one, err := mysql.NewConnector(conf)
	if err != nil {
		return nil, err
	}
	return one.Connect(ctx)
}

// Driver is needed by database/sql.
func (c *connector) Driver() driver.Driver { return mysql.MySQLDriver{} }

// silent drops the driver's own log lines: each error comes back to the caller
// as well.
type silent struct{}

// Print drops the line.
func (silent) Print(...any) {}

// isLost says whether an error is that of a connection, not of a server's
// answer.
func isLost(err error) bool {
	return errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// fault names the reason for a probe's error. OK means that there was merely
// no answer in time; refused, that nothing listens there.
func fault(err error) (r Reason, refused bool) {
	var answer *mysql.MySQLError
	var timeout net.Error
	switch {
	case errors.As(err, &answer):
		return faultOfAnswer(answer.Number), false
	case errors.Is(err, syscall.ECONNREFUSED):
		return Unreachable, true
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return OK, false
	case errors.As(err, &timeout) && timeout.Timeout():
		return OK, false
	case isTLS(err):
		return TLSFailed, false
	case isLost(err):
		return Unreachable, false
	case errors.Is(err, mysql.ErrOldPassword), errors.Is(err, mysql.ErrNativePassword),
		errors.Is(err, mysql.ErrCleartextPassword), errors.Is(err, mysql.ErrUnknownPlugin):
		return AuthFailed, false
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return Unreachable, false
	}
	return ProbeFailed, false
}

// faultOfAnswer names the reason for an error that the server itself sent (the
// numbers are of MariaDB's sql/share/errmsg-utf8.txt).
func faultOfAnswer(number uint16) Reason {
	switch number {
	case 3159: // require_secure_transport
		return TLSFailed
	case 1044, 1045, 1129, 1130, 1142, 1227, 1251, 1275, 1698, 1820, 1862, 4151:
		return AuthFailed
	case 1040, 1203, 1226:
		return TooManyConnections
	case 1053, 1927:
		return ShuttingDown
	case 1047:
		return NotReady
	}
	return ProbeFailed
}
