package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	// opLimit ends an operation that hangs; longer than galley lets a statement wait for a node, and than Galera takes to evict one.
	opLimit = 40 * time.Second
	// pages is how many rows there are to read.
	pages = 500
)

// manner is how a client works.
type manner struct {
	name   string
	kept   bool // One connection for all operations; else one each, as PHP does.
	writes bool
	work   func(ctx context.Context, conn *sql.Conn, c *client) error
	pause  time.Duration // Between two operations.
}

func manners() []manner {
	return []manner{
		{name: "reads, a connection each", work: readPage, pause: 20 * time.Millisecond},
		{name: "reads, a connection each", work: readPage, pause: 20 * time.Millisecond},
		{name: "reads, a connection each", work: readPage, pause: 35 * time.Millisecond},
		{name: "reads, one connection", kept: true, work: readList, pause: 15 * time.Millisecond},
		{name: "reads, one connection", kept: true, work: readPage, pause: 15 * time.Millisecond},
		{name: "writes, a connection each", writes: true, work: count, pause: 40 * time.Millisecond},
		{name: "writes, one connection", kept: true, writes: true, work: count, pause: 30 * time.Millisecond},
		{name: "transactions, a connection each", writes: true, work: transact, pause: 50 * time.Millisecond},
		{name: "transactions, one connection", kept: true, writes: true, work: transact, pause: 40 * time.Millisecond},
	}
}

// Workload is a set of clients. Run owns them; the other methods may be called at any time from any goroutine.
type Workload struct {
	db      *sql.DB
	tally   *tally
	clients []*client
}

// client is one client and what it was told. Only its own goroutine writes to it.
type client struct {
	manner
	id           int
	mu           sync.Mutex
	seq          int
	acknowledged int // Writes that were answered with OK.
	unknown      int // Writes whose answer was lost.
}

// New makes a workload for an address, an account and its schema; it does no I/O.
func New(addr, user, password, schema string) (*Workload, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = user, password, "tcp", addr, schema
	cfg.Timeout, cfg.InterpolateParams, cfg.Logger = 10*time.Second, true, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("workload: %w", err)
	}
	w := &Workload{db: sql.OpenDB(connector), tally: newTally()}
	w.db.SetMaxIdleConns(-1) // A connection each means a new one.
	for i, m := range manners() {
		w.clients = append(w.clients, &client{manner: m, id: i + 1})
	}
	return w, nil
}

// Clients is how many clients there are.
func (w *Workload) Clients() int { return len(w.clients) }

// Prepare makes the tables, through galley as everything else.
func (w *Workload) Prepare(ctx context.Context) error {
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("prepare the workload: %w", err)
	}
	defer func() { _ = conn.Close() }()
	for _, statement := range []string{
		"CREATE OR REPLACE TABLE page (id INT PRIMARY KEY, title VARCHAR(100) NOT NULL, body TEXT NOT NULL) ENGINE=InnoDB",
		"CREATE OR REPLACE TABLE counter (client INT PRIMARY KEY, n INT NOT NULL DEFAULT 0, spent INT NOT NULL DEFAULT 0) ENGINE=InnoDB",
		fmt.Sprintf("INSERT INTO page SELECT seq, CONCAT('Page ', seq), REPEAT('lorem ipsum ', 1 + seq MOD 40) FROM seq_1_to_%d", pages),
		fmt.Sprintf("INSERT INTO counter (client) SELECT seq FROM seq_1_to_%d", len(w.clients)),
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("prepare the workload: %w", err)
		}
	}
	return nil
}

// Run lets the clients work until the context ends; each finishes what it does. It returns when all have.
func (w *Workload) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, c := range w.clients {
		w.tally.begin(c.id, c.writes)
		wg.Go(func() { w.live(ctx, c) })
	}
	wg.Wait()
}

// Close gives the connections back.
func (w *Workload) Close() { _ = w.db.Close() }

// All is what the clients noticed since the start.
func (w *Workload) All() Noticed { return w.tally.all() }

// live is the life of a client.
func (w *Workload) live(ctx context.Context, c *client) {
	var conn *sql.Conn
	drop := func() {
		if conn != nil {
			_ = conn.Close()
			conn = nil
		}
	}
	defer drop()
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-rest.C:
		}
		c.seq++
		var err error
		conn, err = w.operate(ctx, c, conn)
		if !c.kept || !goesOn(err) {
			drop()
		}
		rest.Reset(c.pause)
	}
}

// operate does one operation and counts it. It is finished also when ctx ends, within opLimit.
func (w *Workload) operate(ctx context.Context, c *client, conn *sql.Conn) (*sql.Conn, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), opLimit)
	defer cancel()
	if conn == nil {
		fresh, err := w.db.Conn(ctx)
		if err != nil {
			w.tally.failed(c.id, "connect: "+kindOf(err))
			return nil, err
		}
		conn = fresh
	}
	err := c.work(ctx, conn, c)
	kind := kindOf(err)
	if c.writes {
		c.mu.Lock()
		switch {
		case err == nil:
			c.acknowledged++
		case uncertain(err):
			c.unknown++
		}
		c.mu.Unlock()
	}
	if err != nil {
		w.tally.failed(c.id, kind)
	} else {
		w.tally.succeeded(c.id)
	}
	return conn, err
}

// readPage reads one page by its key.
func readPage(ctx context.Context, conn *sql.Conn, c *client) error {
	want := (c.seq*7+c.id)%pages + 1
	var id int
	var title string
	if err := conn.QueryRowContext(ctx, "SELECT id, title FROM page WHERE id = ?", want).Scan(&id, &title); err != nil {
		return err
	}
	if id != want {
		return fmt.Errorf("asked for page %d and got %d", want, id)
	}
	return nil
}

// readList reads a few rows in order.
func readList(ctx context.Context, conn *sql.Conn, c *client) error {
	rows, err := conn.QueryContext(ctx, "SELECT id, title, LENGTH(body) FROM page WHERE id > ? ORDER BY id LIMIT 20", c.seq%(pages-20))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	found := 0
	for rows.Next() {
		found++
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if found != 20 {
		return fmt.Errorf("asked for 20 pages and got %d", found)
	}
	return nil
}

// count writes one row, as a statement of its own.
func count(ctx context.Context, conn *sql.Conn, c *client) error {
	_, err := conn.ExecContext(ctx, "UPDATE counter SET n = n + 1 WHERE client = ?", c.id)
	return err
}

// transact reads and writes in a transaction.
func transact(ctx context.Context, conn *sql.Conn, c *client) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // After Commit it does nothing.
	var n int
	if err := tx.QueryRowContext(ctx, "SELECT n FROM counter WHERE client = ? FOR UPDATE", c.id).Scan(&n); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE counter SET n = ? WHERE client = ?", n+1, c.id); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE counter SET spent = spent + 1 WHERE client = ?", c.id); err != nil {
		return err
	}
	return tx.Commit()
}

// Verdict compares what is in the tables with what the clients were told.
type Verdict struct {
	Acknowledged int // Writes that clients were told of as done.
	Unknown      int // Writes whose answer was lost: they may be there or not.
	Found        int // Writes that are there.
	Wrong        []string
}

// Verify compares; it is to be called after Run has returned.
func (w *Workload) Verify(ctx context.Context) (*Verdict, error) {
	// On the writer, which has every write.
	rows, err := w.db.QueryContext(ctx, "SELECT client, n, spent FROM counter ORDER BY client FOR UPDATE")
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	defer func() { _ = rows.Close() }()
	v := &Verdict{}
	for rows.Next() {
		var id, n, spent int
		if err := rows.Scan(&id, &n, &spent); err != nil {
			return nil, fmt.Errorf("verify: %w", err)
		}
		if id < 1 || id > len(w.clients) {
			return nil, errors.New("verify: a row of nobody's")
		}
		w.clients[id-1].judge(v, n, spent)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	return v, nil
}

// judge compares a client's row with what it was told.
func (c *client) judge(v *Verdict, n, spent int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v.Acknowledged, v.Unknown, v.Found = v.Acknowledged+c.acknowledged, v.Unknown+c.unknown, v.Found+n
	switch {
	case n < c.acknowledged:
		v.Wrong = append(v.Wrong, fmt.Sprintf("client %d (%s): %d acknowledged writes are lost", c.id, c.name, c.acknowledged-n))
	case n > c.acknowledged+c.unknown:
		v.Wrong = append(v.Wrong, fmt.Sprintf("client %d (%s): %d writes too many: run twice, or run and refused", c.id, c.name, n-c.acknowledged-c.unknown))
	}
	if spent != 0 && spent != n {
		v.Wrong = append(v.Wrong, fmt.Sprintf("client %d (%s): half of a transaction (%d and %d)", c.id, c.name, n, spent))
	}
}
