package torture

import (
	"context"
	"fmt"
	"sync/atomic"
)

// turns writes one row again and again and has the row itself count how often the node that writes it has changed. Certification puts all its writes in one order, whatever nodes they
// are made on: were there two writers, the row would go to and fro between them. It may change hands as often as the galleys have agreed that it does.
type turns struct {
	h      *harness
	writes atomic.Int64
	before int64
	found  string
}

func newTurns(h *harness) *turns { return &turns{h: h} }

func (w *turns) name() string { return "turns" }

func (w *turns) prepare(ctx context.Context) error {
	if err := makeTables(ctx, w.h, "torture_turn", "(k INT PRIMARY KEY, node VARCHAR(64) NOT NULL, n BIGINT NOT NULL, changes BIGINT NOT NULL)"); err != nil {
		return err
	}
	if _, err := w.h.dbs[0].ExecContext(ctx, "INSERT INTO torture_turn VALUES (1, @@wsrep_node_name, 0, 0)"); err != nil {
		return err //nolint:wrapcheck // says what
	}
	if w.h.opts.Moves == nil {
		return nil
	}
	var err error
	w.before, err = w.h.opts.Moves(ctx)
	return err
}

func (w *turns) step(ctx context.Context, s *session, _ int) error {
	conn, err := s.get(ctx)
	if err != nil {
		return err
	}
	if _, err = conn.ExecContext(ctx, "UPDATE torture_turn SET n = n + 1, changes = changes + (node <> @@wsrep_node_name), node = @@wsrep_node_name WHERE k = 1"); err == nil {
		w.writes.Add(1)
	}
	return err //nolint:wrapcheck // judged by the caller
}

func (w *turns) check(ctx context.Context) ([]string, error) {
	var n, changes int64
	if err := w.h.dbs[0].QueryRowContext(ctx, "SELECT n, changes FROM torture_turn WHERE k = 1").Scan(&n, &changes); err != nil {
		return nil, err //nolint:wrapcheck // says what
	}
	var found []string
	if told := w.writes.Load(); n < told {
		found = append(found, fmt.Sprintf("%d writes were acknowledged, %d are there", told, n))
	}
	w.found = fmt.Sprintf("turns: the writer changed %d times among %d writes of one row", changes, n)
	if w.h.opts.Moves == nil {
		return found, nil
	}
	after, err := w.h.opts.Moves(ctx)
	if err != nil {
		return nil, err
	}
	w.found += fmt.Sprintf(", the galleys agreed on %d moves", after-w.before)
	if changes > after-w.before {
		found = append(found, fmt.Sprintf("the node that is written changed %d times, and the galleys have agreed on %d moves: there were two writers", changes, after-w.before))
	}
	return found, nil
}

func (w *turns) summary() string { return w.found }
