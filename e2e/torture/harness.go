package torture

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// harness is what all clients share: the ways to the galleys, and what is noted.
type harness struct {
	opts  Options
	start time.Time
	dbs   []*sql.DB

	mu     sync.Mutex
	during *window
	quiet  *window // Between the faults.
	passed []*window
	ops    map[string]int
	first  map[string]bool
}

func newHarness(opts Options) *harness {
	h := &harness{opts: opts, start: time.Now(), ops: map[string]int{}, first: map[string]bool{}}
	h.quiet = newWindow("between faults", false)
	for _, dsn := range opts.Targets {
		h.dbs = append(h.dbs, open(dsn))
	}
	return h
}

func (h *harness) close() {
	for _, db := range h.dbs {
		_ = db.Close()
	}
}

// open gives a handle that keeps no idle connection: each Conn is a new session. What is wrong with the DSN shows at the first connection.
func open(dsn string) *sql.DB {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		cfg = mysql.NewConfig()
	}
	cfg.Logger = &mysql.NopLogger{}
	cfg.InterpolateParams = true
	cfg.Timeout = 5 * time.Second
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		panic(fmt.Sprintf("a configuration that was parsed: %v", err))
	}
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(-1)
	return db
}

// session is one client's connection to one of the galleys; another is opened when it is gone.
type session struct {
	h    *harness
	conn *sql.Conn
	rand *rand.Rand
	// prefer is the galley that is tried first.
	prefer int
}

func (h *harness) session(id uint64) *session {
	return &session{h: h, rand: rand.New(rand.NewPCG(h.opts.Seed, id+1)), prefer: int(id) % len(h.dbs)}
}

// get gives the connection, opened if need be; where one galley does not take it the next one may.
func (s *session) get(ctx context.Context) (*sql.Conn, error) {
	if s.conn != nil {
		return s.conn, nil
	}
	var err error
	for range s.h.dbs {
		if s.conn, err = s.h.dbs[s.prefer].Conn(ctx); err == nil {
			return s.conn, nil
		}
		s.conn = nil
		s.prefer = (s.prefer + 1) % len(s.h.dbs)
	}
	return nil, fmt.Errorf("%w: %w", errNotConnected, err)
}

func (s *session) close() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}

// elsewhere makes the next connection one to another galley.
func (s *session) elsewhere() {
	s.close()
	s.prefer = (s.prefer + 1) % len(s.h.dbs)
}

// inTx runs f in a transaction. Whatever error comes before COMMIT is sent means that nothing was done.
func (s *session) inTx(ctx context.Context, f func(conn *sql.Conn) error) error {
	conn, err := s.get(ctx)
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		s.close()
		return beforeCommit(err)
	}
	if err := f(conn); err != nil {
		if _, rolled := conn.ExecContext(ctx, "ROLLBACK"); rolled != nil {
			s.close()
		}
		return beforeCommit(err)
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	if err != nil {
		s.close()
	}
	return err //nolint:wrapcheck // judged by the caller
}

// notCommitted is an error of a transaction whose COMMIT was never sent.
type notCommitted struct{ error }

// Unwrap is for errors.Is and errors.As.
func (e notCommitted) Unwrap() error { return e.error }

func beforeCommit(err error) error { return notCommitted{err} }
