package torture

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// fresh works as PHP does: each request is a connection of its own. What one has written the next one must see, also through another galley.
type fresh struct {
	h     *harness
	next  atomic.Int64
	pairs atomic.Int64

	mu    sync.Mutex
	rows  map[int64]Outcome
	stale []string
}

func newFresh(h *harness) *fresh { return &fresh{h: h, rows: map[int64]Outcome{}} }

func (w *fresh) name() string { return "fresh" }

func (w *fresh) prepare(ctx context.Context) error {
	return makeTables(ctx, w.h, "torture_fresh", "(seq BIGINT AUTO_INCREMENT PRIMARY KEY, id BIGINT NOT NULL, v BIGINT NOT NULL, KEY (id))")
}

func (w *fresh) step(ctx context.Context, s *session, _ int) error {
	id := w.next.Add(1)
	s.elsewhere()
	conn, err := s.get(ctx)
	if err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "INSERT INTO torture_fresh (id, v) VALUES (?, 7)", id)
	w.mu.Lock()
	w.rows[id] = outcomeOf(err)
	w.mu.Unlock()
	if err != nil {
		return err //nolint:wrapcheck // judged by the caller
	}
	s.elsewhere()
	if conn, err = s.get(ctx); err != nil {
		return err
	}
	defer s.close()
	var n int
	if err := conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM torture_fresh WHERE id = ? AND v = 7", id).Scan(&n); err != nil {
		return readFailed{err}
	}
	w.pairs.Add(1)
	if n != 1 {
		w.mu.Lock()
		w.stale = append(w.stale, fmt.Sprintf("row %d was acknowledged, and read %d times behind it", id, n))
		w.mu.Unlock()
		return errWrong
	}
	return nil
}

func (w *fresh) check(ctx context.Context) ([]string, error) {
	rows, err := w.h.dbs[0].QueryContext(ctx, "SELECT id FROM torture_fresh")
	if err != nil {
		return nil, err //nolint:wrapcheck // says what
	}
	defer rows.Close()
	there := map[int64]int{}
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err //nolint:wrapcheck // says what
		}
		there[id]++
	}
	if err := rows.Err(); err != nil {
		return nil, err //nolint:wrapcheck // says what
	}
	return append(append([]string(nil), w.stale...), compareOnce("row", w.rows, there)...), nil
}

func (w *fresh) summary() string {
	return fmt.Sprintf("fresh: %d rows written over one connection and read over another", w.pairs.Load())
}
