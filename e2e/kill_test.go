//go:build e2e

package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"galley/cluster/clusterlab"
)

// peer is one session of a client.
type peer struct {
	*sql.Conn
	t   *testing.T
	id  uint64
	ctx context.Context
}

// newPeer opens a session; addr is galley's.
func newPeer(t *testing.T, addr string, account clusterlab.Account, change ...func(*mysql.Config)) *peer {
	t.Helper()
	cfg := galleyConfig()
	cfg.Addr, cfg.User, cfg.Passwd = addr, account.User, account.Password
	for _, f := range change {
		f(cfg)
	}
	conn, err := openDB(t, cfg).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	p := &peer{Conn: conn, t: t, ctx: t.Context()}
	p.scan("SELECT CONNECTION_ID()", &p.id)
	return p
}

func (p *peer) scan(query string, into ...any) {
	p.t.Helper()
	if err := p.QueryRowContext(p.ctx, query).Scan(into...); err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
}

// read runs a query and gives each row to row.
func (p *peer) read(query string, row func(*sql.Rows) error) error {
	rows, err := p.QueryContext(p.ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (p *peer) exec(query string, args ...any) {
	p.t.Helper()
	if _, err := p.ExecContext(p.ctx, query, args...); err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
}

// fails runs a statement that must fail with a code, 0 for a lost connection.
func (p *peer) fails(query string, code uint16) string {
	p.t.Helper()
	_, err := p.ExecContext(p.ctx, query)
	return failsWith(p.t, query, err, code)
}

func failsWith(t *testing.T, what string, err error, code uint16) string {
	t.Helper()
	e, ok := errors.AsType[*mysql.MySQLError](err)
	switch {
	case err == nil, ok != (code != 0), ok && e.Number != code:
		t.Errorf("%s: %v, want error %d", what, err, code)
	case ok:
		return e.Message
	}
	return ""
}

// background runs a statement, and returns when the node that runs it says so.
func (p *peer) background(query string) <-chan error {
	p.t.Helper()
	done := make(chan error, 1)
	go func() { done <- p.read(query, func(*sql.Rows) error { return nil }) }()
	if err := eventually(p.ctx, 40*time.Second, func() error {
		if countOnNodes(p.t, query) == 1 {
			return nil
		}
		return errors.New("it does not run")
	}); err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
	return done
}

// countOnNodes is how many threads of all nodes run a statement.
func countOnNodes(t *testing.T, query string) (n int) {
	t.Helper()
	for _, node := range runningNodes() {
		var here int
		if err := openNode(t, node).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO = ?", query).Scan(&here); err != nil {
			t.Fatal(err)
		}
		n += here
	}
	return n
}

func TestKill(t *testing.T) {
	needGalley(t)
	settle(t)
	app := suite.lab.App()
	at := func() *peer { return newPeer(t, suite.galley.addr, app) }
	killer, n := at(), 0
	if killer.id < 1<<31 {
		t.Errorf("the connection id is %d", killer.id)
	}
	for _, form := range []string{"KILL QUERY %d", "KILL HARD QUERY %d", "KILL SOFT QUERY %d", "KILL QUERY %d + 0", "KILL QUERY @target", "prepared KILL QUERY ?", "prepared KILL QUERY %d", "KILL QUERY USER 'app'@'127.0.0.1'", "KILL QUERY ID"} {
		t.Run(form, func(t *testing.T) {
			target := newPeer(t, suite.galley.addr, app)
			n++
			statement := fmt.Sprintf("SELECT COUNT(*), SLEEP(60), %d FROM fixed", n)
			if n%2 == 0 {
				statement += " FOR UPDATE"
			}
			done := target.background(statement)
			text := strings.ReplaceAll(form, "%d", fmt.Sprint(target.id))
			killer.exec("SET @target = ?", target.id)
			prepared, isPrepared := strings.CutPrefix(text, "prepared ")
			switch {
			case form == "KILL QUERY ID":
				killer.exec(fmt.Sprintf("KILL QUERY ID %d", queryID(t, statement)))
			case isPrepared:
				st, err := killer.PrepareContext(t.Context(), prepared)
				if err != nil {
					t.Fatal(err)
				}
				defer st.Close()
				var args []any
				if strings.Contains(form, "?") {
					args = append(args, target.id)
				}
				if _, err := st.ExecContext(t.Context(), args...); err != nil {
					t.Fatal(err)
				}
			default:
				killer.exec(text)
			}
			if err := <-done; err != nil { // SLEEP() in a row gives 1 to who is killed, or the statement fails.
				failsWith(t, "the killed statement", err, 1317)
			}
			var one int
			target.t = t
			target.scan("SELECT 1", &one)
		})
	}
	t.Run("others", func(t *testing.T) {
		other := newPeer(t, suite.galley.addr, otherAccount(t, runningNodes()[0]))
		if msg := other.fails(fmt.Sprintf("KILL %d", killer.id), 1095); msg != fmt.Sprintf("You are not owner of thread %d", killer.id) {
			t.Errorf("told %q", msg)
		}
		other.fails("KILL USER app", 1095)
		root := newPeer(t, suite.galley.addr, suite.lab.Root())
		root.exec(fmt.Sprintf("KILL %d", other.id))
		other.fails("DO 1", 0)
	})
	t.Run("ends", func(t *testing.T) {
		idle, within, running := at(), at(), at()
		within.exec("BEGIN")
		within.exec("INSERT INTO seen VALUES (0, 0, -77, 'x')")
		done := running.background("SELECT SLEEP(60), 'running'")
		for _, target := range []*peer{idle, within, running} {
			killer.exec(fmt.Sprintf("KILL %d", target.id))
		}
		if err := <-done; err == nil {
			t.Error("the killed session has an answer")
		}
		idle.fails("DO 1", 0)
		within.fails("COMMIT", 0)
		var rows int
		killer.scan("SELECT COUNT(*) FROM seen WHERE seq = -77", &rows)
		if rows != 0 {
			t.Error("the transaction of a killed session was committed")
		}
	})
	t.Run("unknown", func(*testing.T) {
		killer.fails("KILL 2147483648", 1094)
		killer.fails("KILL 1000000", 1094)
		killer.fails("KILL QUERY ID 1000000000", 1957)
		killer.fails("KILL no_such_column", 1054)
		killer.fails("KILL (", 1064)
		if msg := killer.fails(fmt.Sprintf("KILL %d", 1<<31|9<<23|1), 1094); !strings.Contains(msg, "instance_id 9") {
			t.Errorf("told %q", msg)
		}
	})
	killer.fails("KILL QUERY CONNECTION_ID()", 1317)
	killer.fails("KILL CONNECTION_ID()", 1927)
}

// queryID is the number that the one node that runs a statement has given it.
func queryID(t *testing.T, statement string) (id uint64) {
	t.Helper()
	for _, node := range runningNodes() {
		err := openNode(t, node).QueryRowContext(t.Context(), "SELECT QUERY_ID FROM information_schema.PROCESSLIST WHERE INFO = ?", statement).Scan(&id)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			t.Fatal(err)
		}
	}
	return id
}

func TestProcessList(t *testing.T) {
	needGalley(t)
	settle(t)
	a, b := newPeer(t, suite.galley.addr, suite.lab.App()), newPeer(t, suite.galley.addr, suite.lab.App())
	done := b.background("SELECT SLEEP(300), 'the list has it'")
	for _, asks := range []*peer{a, newPeer(t, suite.galley.addr, suite.lab.Root())} {
		found := map[uint64]string{}
		if err := asks.read("SHOW FULL PROCESSLIST", func(rows *sql.Rows) error {
			var id uint64
			var user, host, command, state, progress string
			var schema, text sql.NullString
			var took int
			if err := rows.Scan(&id, &user, &host, &schema, &command, &took, &state, &text, &progress); err != nil {
				return err
			}
			if ip, _, err := net.SplitHostPort(host); id >= 1<<31 && (err != nil || ip != "127.0.0.1") {
				t.Errorf("the client of %d is at %q", id, host)
			}
			found[id] = fmt.Sprintf("%s %s %s %s", user, schema.String, command, text.String)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		want := map[uint64]string{a.id: "app app Sleep ", b.id: "app app Query SELECT SLEEP(300), 'the list has it'"}
		if asks == a {
			want[a.id] = "app app Query SHOW FULL PROCESSLIST"
		}
		for id, row := range want {
			if found[id] != row {
				t.Errorf("session %d is %q, want %q", id, found[id], row)
			}
		}
		system := false
		for id, row := range found {
			system = system || id < 1<<31 && strings.HasPrefix(row, "system user")
			if id < 1<<31 && strings.HasPrefix(row, "app ") {
				t.Errorf("a backend conn is shown: %d %q", id, row)
			}
		}
		if system != (asks != a) {
			t.Errorf("threads of the system: %v; rows %v", system, found)
		}
	}
	a.exec(fmt.Sprintf("KILL QUERY %d", b.id))
	<-done
}

func TestLimits(t *testing.T) {
	needGalley(t)
	settle(t)
	other := otherAccount(t, runningNodes()[0])
	g, err := startGalley(t.Context(), t.TempDir(), `  instance_id: 9
  max_execution_time: 2s
  client_write_timeout: 1s
  pool: {wait_for_connection: 3s}
  limits:
    - {user: other, max_connections: 2, max_in_flight: 1, max_execution_time: 90s}
`, "")
	if err != nil {
		t.Fatal(err)
	}
	defer g.stop()
	app := suite.lab.App()
	p := newPeer(t, g.addr, app)
	if p.id>>23&0xff != 9 {
		t.Errorf("connection id %d", p.id)
	}
	t.Run("max_execution_time", func(t *testing.T) {
		for _, statement := range []string{"SELECT COUNT(*) FROM seq_1_to_200000 a, seq_1_to_200000 b WHERE a.seq + b.seq = 3", "SELECT COUNT(*) FROM seq_1_to_200000 a, seq_1_to_200000 b, fixed WHERE a.seq + b.seq = 3 FOR UPDATE"} {
			began := time.Now()
			err := p.read(statement, func(*sql.Rows) error { return nil })
			if msg := failsWith(t, statement, err, 1969); msg != "Query execution was interrupted (max_statement_time exceeded)" {
				t.Errorf("told %q", msg)
			}
			if took := time.Since(began); took < 2*time.Second {
				t.Errorf("%s: killed after %s", statement, took)
			}
		}
		p.exec("INSERT INTO seen SELECT 0, 0, -78, SLEEP(3)") // A write goes on.
		p.exec("DELETE FROM seen WHERE seq = -78")
	})
	t.Run("wait_timeout", func(t *testing.T) {
		for _, sets := range [][]string{{"SET wait_timeout = 1"}, {"BEGIN", "INSERT INTO seen VALUES (0, 0, -79, 'x')", "SET wait_timeout = 1"}} {
			idle := newPeer(t, g.addr, app)
			for _, s := range sets {
				idle.exec(s)
			}
			if err := eventually(t.Context(), 40*time.Second, func() error {
				var n int
				p.t = t
				row := p.QueryRowContext(t.Context(), "SELECT 1")
				if err := row.Scan(&n); err != nil {
					return err
				}
				if listed(t, p, idle.id) {
					return errors.New("the session is still there")
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
			idle.fails("DO 1", 0)
		}
	})
	t.Run("users", func(t *testing.T) {
		first, second := newPeer(t, g.addr, other), newPeer(t, g.addr, other)
		cfg := galleyConfig()
		cfg.Addr, cfg.User, cfg.Passwd = g.addr, other.User, other.Password
		_, err := openDB(t, cfg).Conn(t.Context())
		failsWith(t, "the third connection", err, 1203)
		done := first.background("SELECT SLEEP(60), 'in flight'")
		second.fails("DO 1", 1226)
		second.t = t
		second.exec(fmt.Sprintf("KILL QUERY %d", first.id))
		<-done
		second.exec("DO 1")
	})
	t.Run("gone clients", func(t *testing.T) {
		for statement, left := range map[string]int{"SELECT SLEEP(50), 'gone'": 0, "INSERT INTO seen SELECT 0, 0, -80, SLEEP(50)": 1} {
			var socket net.Conn
			client := newPeer(t, suite.galley.addr, app, func(c *mysql.Config) {
				c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
					nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
					socket = nc
					return nc, err
				}
			})
			done := client.background(statement)
			_ = socket.Close()
			<-done
			if left == 0 {
				if err := eventually(t.Context(), 40*time.Second, func() error {
					if n := countOnNodes(t, statement); n != 0 {
						return fmt.Errorf("it runs on %d nodes", n)
					}
					return nil
				}); err != nil {
					t.Errorf("%s: %v", statement, err)
				}
				continue
			}
			time.Sleep(2 * time.Second)
			if n := countOnNodes(t, statement); n != left {
				t.Errorf("%s runs %d times", statement, n)
			}
			killer := newPeer(t, suite.galley.addr, suite.lab.Root())
			killer.exec(fmt.Sprintf("KILL QUERY ID %d", queryID(t, statement)))
		}
	})
	t.Run("slow client", func(t *testing.T) {
		slow := newPeer(t, g.addr, app)
		closed := errors.New("closed")
		err := slow.read("SELECT REPEAT('x', 100000) FROM seq_1_to_2000", func(*sql.Rows) error {
			return errors.Join(closed, eventually(t.Context(), 40*time.Second, func() error {
				if listed(t, p, slow.id) {
					return errors.New("the session is still there")
				}
				return nil
			}))
		})
		if err == nil || err.Error() != closed.Error() {
			t.Error(err)
		}
	})
	metrics, err := g.get(t.Context(), "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`galley_mysql_kills_total{reason="max_execution_time"} 2`, `galley_mysql_sessions_closed_total{reason="wait_timeout"} 2`,
		`galley_mysql_sessions_closed_total{reason="slow_client"} 1`, `galley_mysql_statements_refused_total 1`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics have no %s", line)
		}
	}
}

// listed says whether p sees a session in the process list.
func listed(t *testing.T, p *peer, id uint64) bool {
	t.Helper()
	found := false
	if err := p.read("SHOW PROCESSLIST", func(rows *sql.Rows) error {
		var got uint64
		var rest [8]sql.RawBytes
		err := rows.Scan(&got, &rest[0], &rest[1], &rest[2], &rest[3], &rest[4], &rest[5], &rest[6], &rest[7])
		found = found || got == id
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found
}
