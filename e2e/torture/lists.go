package torture

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// lists appends to lists and reads them, in transactions over several. As a list keeps all that was ever appended, and in which order, the order of the
// transactions can be found again from what was read (the idea is Elle's: Kingsbury and Alvaro, 2020). It must have no cycle, and what was acknowledged
// before another transaction began must come before it.
type lists struct {
	h    *harness
	next atomic.Int64

	mu   sync.Mutex
	txns []txn
}

// As registers, lists are given up for others after a while.
const (
	listCount = 5
	listLife  = 4 * time.Second
)

func newLists(h *harness) *lists { return &lists{h: h} }

func (w *lists) name() string { return "lists" }

func (w *lists) prepare(ctx context.Context) error {
	if err := makeTables(ctx, w.h, "torture_list", "(k INT PRIMARY KEY, v MEDIUMTEXT NOT NULL)"); err != nil {
		return err
	}
	return makeRows(ctx, w.h, "torture_list", "''", w.h.keys(listLife, listCount))
}

// txn is a transaction: what it did to each of its lists, in order of their keys.
type txn struct {
	ops     []listOp
	outcome Outcome
	// began and ended are nanoseconds; for an outcome that is Unknown ended means nothing.
	began, ended int64
}

// listOp is what was done to a list: a value appended, or all of it read.
type listOp struct {
	key    int
	append bool
	value  int64
	read   []int64
}

func (w *lists) step(ctx context.Context, s *session, _ int) error {
	if s.rand.IntN(30) == 0 {
		s.elsewhere()
	}
	base := int(time.Since(w.h.start)/listLife) * listCount
	keys := s.rand.Perm(listCount)[:1+s.rand.IntN(3)]
	slices.Sort(keys)
	t := txn{}
	changes := s.rand.IntN(2) == 0
	for i, k := range keys {
		op := listOp{key: base + k, append: changes && (i == len(keys)-1 || s.rand.IntN(2) == 0)}
		if op.append {
			op.value = w.next.Add(1)
		}
		t.ops = append(t.ops, op)
	}
	t.began = int64(time.Since(w.h.start))
	var err error
	switch {
	case changes:
		err = s.inTx(ctx, func(conn *sql.Conn) error { return t.run(ctx, conn, " FOR UPDATE") })
	case s.rand.IntN(2) == 0:
		err = s.inTx(ctx, func(conn *sql.Conn) error { return t.run(ctx, conn, "") })
	default:
		err = t.readAtOnce(ctx, s)
	}
	t.ended = int64(time.Since(w.h.start))
	t.outcome = txOutcome(err)
	if err != nil && !changes {
		return err
	}
	w.mu.Lock()
	w.txns = append(w.txns, t)
	w.mu.Unlock()
	return err
}

func (t *txn) run(ctx context.Context, conn *sql.Conn, lock string) error {
	for i := range t.ops {
		op := &t.ops[i]
		if op.append {
			if _, err := conn.ExecContext(ctx, "UPDATE torture_list SET v = CONCAT(v, ?) WHERE k = ?", strconv.FormatInt(op.value, 10)+",", op.key); err != nil {
				return err //nolint:wrapcheck // judged by the caller
			}
			continue
		}
		var text string
		if err := conn.QueryRowContext(ctx, "SELECT v FROM torture_list WHERE k = ?"+lock, op.key).Scan(&text); err != nil {
			return err //nolint:wrapcheck // judged by the caller
		}
		op.read = parseList(text)
	}
	return nil
}

// readAtOnce reads all lists by one statement, which galley may send to any node.
func (t *txn) readAtOnce(ctx context.Context, s *session) error {
	conn, err := s.get(ctx)
	if err != nil {
		return err
	}
	keys := make([]string, len(t.ops))
	for i, op := range t.ops {
		keys[i] = strconv.Itoa(op.key)
	}
	rows, err := conn.QueryContext(ctx, "SELECT v FROM torture_list WHERE k IN ("+strings.Join(keys, ", ")+") ORDER BY k")
	if err != nil {
		return err //nolint:wrapcheck // judged by the caller
	}
	defer rows.Close()
	for i := range t.ops {
		var text string
		if !rows.Next() {
			if err := rows.Err(); err != nil {
				return err //nolint:wrapcheck // judged by the caller
			}
			return errWrong
		}
		if err := rows.Scan(&text); err != nil {
			return err //nolint:wrapcheck // judged by the caller
		}
		t.ops[i].read = parseList(text)
	}
	return rows.Close() //nolint:wrapcheck // judged by the caller
}

// parseList reads a list; what is no number is -1, which nobody appends.
func parseList(text string) []int64 {
	var all []int64
	for one := range strings.SplitSeq(strings.TrimSuffix(text, ","), ",") {
		if one == "" {
			continue
		}
		v, err := strconv.ParseInt(one, 10, 64)
		if err != nil {
			v = -1
		}
		all = append(all, v)
	}
	return all
}

func (w *lists) check(ctx context.Context) ([]string, error) {
	rows, err := w.h.dbs[0].QueryContext(ctx, "SELECT k, v FROM torture_list WHERE v <> ''")
	if err != nil {
		return nil, err //nolint:wrapcheck // says what
	}
	defer rows.Close()
	final := map[int][]int64{}
	for rows.Next() {
		var k int
		var text string
		if err := rows.Scan(&k, &text); err != nil {
			return nil, err //nolint:wrapcheck // says what
		}
		final[k] = parseList(text)
	}
	if err := rows.Err(); err != nil {
		return nil, err //nolint:wrapcheck // says what
	}
	return checkLists(w.txns, final), nil
}

func (w *lists) summary() string {
	unknown := 0
	for _, t := range w.txns {
		if t.outcome == Unknown {
			unknown++
		}
	}
	return fmt.Sprintf("lists: %d transactions over lists are serializable, and none missed what was acknowledged before it; %d with a lost answer", len(w.txns), unknown)
}
