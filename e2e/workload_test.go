//go:build e2e

package e2e

import (
	"context"
	"crypto/md5"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	// opLimit is when an operation counts as hung; longer than galley's wait_for_node and Galera's eviction together.
	opLimit = 45 * time.Second
	// opPause lies between two operations of a client.
	opPause = 10 * time.Millisecond
	// floorClient is the client that writes to a surviving node directly.
	floorClient = 99
)

// manner is how a client works.
type manner struct {
	name     string
	kept     bool // One session for all operations, else one each.
	prepared bool // Prepared statements, else text.
	writes   bool
	inTx     bool
}

var manners = []manner{
	{name: "write-kept", kept: true, writes: true},
	{name: "write-kept-prepared", kept: true, prepared: true, writes: true},
	{name: "write-kept-transaction", kept: true, writes: true, inTx: true},
	{name: "write-connect", writes: true},
	{name: "read-kept", kept: true},
	{name: "read-kept-too", kept: true},
	{name: "read-kept-prepared", kept: true, prepared: true},
	{name: "read-connect"},
	{name: "read-connect-too"},
}

// read is one answered read.
type read struct {
	began time.Time
	node  string
	epoch int
}

// wrote is one acknowledged write.
type wrote struct {
	at   time.Time
	node string // Not known of transactions.
}

// key is one row that a client wrote.
type key struct{ client, seq int }

// load is a set of clients at work on galley, and what they saw.
type load struct {
	run    int
	db     map[bool]*sql.DB // By prepared.
	stop   chan struct{}
	ending sync.WaitGroup

	mu      sync.Mutex
	out     outcome
	kept    map[key]wrote  // Acknowledged: the row has to be there.
	unknown map[key]bool   // The connection was lost: it may be.
	refused map[key]string // An error said that it did not happen: it must not be.
	reads   []read
	wrong   []string
}

// startLoad starts all manners of clients; run tells its rows from others'.
func startLoad(t *testing.T, event string, run int) *load {
	t.Helper()
	l := &load{
		run: run, stop: make(chan struct{}), out: outcome{event: event, errors: map[string]int{}},
		kept: map[key]wrote{}, unknown: map[key]bool{}, refused: map[key]string{},
	}
	prepared := galleyConfig()
	prepared.InterpolateParams = false
	l.db = map[bool]*sql.DB{false: openDB(t, galleyConfig()), true: openDB(t, prepared)}
	for i, m := range manners {
		l.ending.Go(func() { l.work(i, m) })
	}
	t.Cleanup(l.end)
	return l
}

// addFloor adds a client directly on a node that survives, for comparison.
func (l *load) addFloor(db *sql.DB) {
	l.ending.Go(func() {
		last := time.Now()
		for seq := 0; !l.stopped(); seq++ {
			ctx, cancel := context.WithTimeout(context.Background(), opLimit)
			_, err := db.ExecContext(ctx, "INSERT INTO seen VALUES (?, ?, ?, @@wsrep_node_name)", l.run, floorClient, seq)
			cancel()
			if err == nil {
				l.mu.Lock()
				l.out.floor = max(l.out.floor, time.Since(last))
				l.mu.Unlock()
				last = time.Now()
			}
			time.Sleep(opPause)
		}
	})
}

// addReadFloor adds a client that reads directly on the struck node.
func (l *load) addReadFloor(db *sql.DB) {
	l.ending.Go(func() {
		last := time.Now()
		for seq := 0; !l.stopped(); seq++ {
			ctx, cancel := context.WithTimeout(context.Background(), opLimit)
			var n int
			err := db.QueryRowContext(ctx, "SELECT n FROM epoch WHERE id = 1").Scan(&n)
			cancel()
			if err == nil {
				l.mu.Lock()
				l.out.floorRead = max(l.out.floorRead, time.Since(last))
				l.mu.Unlock()
				last = time.Now()
			}
			time.Sleep(opPause)
		}
	})
}

func (l *load) stopped() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// end lets each client finish what it does, and may be called again.
func (l *load) end() {
	l.mu.Lock()
	if !l.stopped() {
		close(l.stop)
	}
	l.mu.Unlock()
	l.ending.Wait()
}

// work is the life of one client.
func (l *load) work(id int, m manner) {
	var conn *sql.Conn
	drop := func() {
		if conn != nil {
			_ = conn.Close()
			conn = nil
		}
	}
	defer drop()
	last := time.Now()
	for seq := 0; !l.stopped(); seq++ {
		ctx, cancel := context.WithTimeout(context.Background(), opLimit)
		var err error
		if conn == nil {
			if conn, err = l.db[m.prepared].Conn(ctx); err != nil {
				conn = nil
				l.failed("connect:"+kindOf(err), m, seq, err)
			}
		}
		if err == nil {
			if err = l.operate(ctx, conn, m, key{id, seq}); err == nil {
				l.succeeded(m, time.Since(last))
				last = time.Now()
			} else {
				l.failed(kindOf(err), m, seq, err)
			}
		}
		cancel()
		if !m.kept || err != nil && !isServerError(err) {
			drop()
		}
		time.Sleep(opPause)
	}
}

func (l *load) operate(ctx context.Context, conn *sql.Conn, m manner, k key) error {
	if !m.writes {
		return l.read(ctx, conn, k.seq)
	}
	node, err := l.write(ctx, conn, m, k)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch kind := kindOf(err); {
	case err == nil:
		l.kept[k] = wrote{at: time.Now(), node: node}
	case isLost(kind) || kind == "hang":
		l.unknown[k] = true
	default:
		l.refused[k] = kind
	}
	return err
}

// write inserts one row that says which node wrote it; in a transaction it does not, as that can be run again on another node only where its answers are the same there. A session found closed inside a transaction was lost with it.
func (l *load) write(ctx context.Context, conn *sql.Conn, m manner, k key) (node string, err error) {
	const insert = "INSERT INTO seen VALUES (?, ?, ?, @@wsrep_node_name) RETURNING node"
	if !m.inTx {
		err = conn.QueryRowContext(ctx, insert, l.run, k.client, k.seq).Scan(&node)
		return node, err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return "", err
	}
	defer func() {
		_ = tx.Rollback()
		if kindOf(err) == "cut" {
			err = mysql.ErrInvalidConn
		}
	}()
	if _, err := tx.ExecContext(ctx, "INSERT INTO seen VALUES (?, ?, ?, '')", l.run, k.client, k.seq); err != nil {
		return "", err
	}
	var n int
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM seen WHERE run = ? AND client = ? AND seq = ?", l.run, k.client, k.seq).Scan(&n); err != nil {
		return "", err
	}
	if n != 1 {
		l.isWrong("client %d does not see its own row %d in its transaction", k.client, k.seq)
	}
	return "", tx.Commit()
}

// read reads a row that never changes and the epoch.
func (l *load) read(ctx context.Context, conn *sql.Conn, seq int) error {
	k := seq%200 + 1
	r := read{began: time.Now()}
	var v string
	err := conn.QueryRowContext(ctx, "SELECT f.v, e.n, w.node FROM fixed f, epoch e, whoami w WHERE f.k = ? AND e.id = 1", k).Scan(&v, &r.epoch, &r.node)
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("%x", md5.Sum([]byte(strconv.Itoa(k)))); v != want {
		l.isWrong("row %d reads %q on %s, want %q", k, v, r.node, want)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads = append(l.reads, r)
	return nil
}

func (l *load) isWrong(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
}

func (l *load) succeeded(m manner, pause time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out.ops++
	if m.writes {
		l.out.longest = max(l.out.longest, pause)
	} else {
		l.out.longestRead = max(l.out.longestRead, pause)
	}
}

func (l *load) failed(kind string, m manner, seq int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out.ops++
	if !m.writes {
		kind = "read:" + kind
	}
	if l.out.errors[kind] == 0 {
		// The first of a kind is worth its text.
		text := fmt.Sprintf("%s %s seq %d: %s: %v", time.Now().Format("15:04:05.000"), m.name, seq, kind, err)
		l.out.first = append(l.out.first, text)
		fmt.Fprintln(os.Stdout, l.out.event, text)
	}
	l.out.errors[kind]++
}

// readsFrom counts the reads that began in an interval, by node.
func (l *load) readsFrom(from, to time.Time) map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := map[string]int{}
	for _, r := range l.reads {
		if !r.began.Before(from) && r.began.Before(to) {
			counts[r.node]++
		}
	}
	return counts
}

// writersUntil are the nodes that clients wrote on through galley up to a moment.
func (l *load) writersUntil(end time.Time) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	names := map[string]bool{}
	for _, w := range l.kept {
		if w.node != "" && w.at.Before(end) {
			names[w.node] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// verify compares the rows on every running node with what the clients were told.
func (l *load) verify(t *testing.T) {
	t.Helper()
	for _, n := range runningNodes() {
		have := map[key]bool{}
		rows, err := openNode(t, n).QueryContext(suite.ctx, "SET STATEMENT wsrep_sync_wait = 1 FOR SELECT client, seq FROM seen WHERE run = ? AND client <> ?", l.run, floorClient)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var k key
			if err := rows.Scan(&k.client, &k.seq); err != nil {
				t.Fatal(err)
			}
			have[k] = true
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		for k := range l.kept {
			if !have[k] {
				t.Errorf("%s: row %d of %s was acknowledged and is not there", n.Name(), k.seq, manners[k.client].name)
			}
		}
		for k := range have {
			if kind := l.refused[k]; kind != "" {
				t.Errorf("%s: row %d of %s is there although its client was told %s", n.Name(), k.seq, manners[k.client].name, kind)
			}
		}
	}
	for _, line := range l.wrong {
		t.Error("wrong data: " + line)
	}
}

// kindOf sorts an error: the server's number, or lost (a command was sent and no answer came), cut (the session was found
// closed before anything was sent), refused (no TCP connection), hang.
func kindOf(err error) string {
	var server *mysql.MySQLError
	var op *net.OpError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &server):
		return strconv.Itoa(int(server.Number))
	case errors.Is(err, context.DeadlineExceeded):
		return "hang"
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone):
		return "cut"
	case errors.As(err, &op) && op.Op == "dial":
		return "refused"
	case errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "lost"
	default:
		return "other"
	}
}

// isLost says whether a kind of error is the lost-connection error, as a closed connection or in words
// (ER_CONNECTION_KILLED).
func isLost(kind string) bool { return kind == "lost" || kind == "1927" }

// isUndone says whether a kind of error is what a transaction gets whose node was lost and that could not be run again, as no other came in time.
func isUndone(kind string) bool { return kind == "1213" }

// isServerError is true when the session goes on after the error.
func isServerError(err error) bool {
	var server *mysql.MySQLError
	return errors.As(err, &server) && !isLost(kindOf(err))
}
