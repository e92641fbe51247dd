package torture

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// turns writes one row again and again and has the row itself count how often the node that writes it has changed. Certification puts all its writes in one order, whatever nodes they
// are made on: were there two writers, the row would go to and fro between them. It may change hands as often as the galleys have agreed that it does, and there and back for each write
// that was under way for long, or whose answer was lost: the network may deliver it to a node that is the writer no more, which still executes it.
type turns struct {
	h      *harness
	writes atomic.Int64
	late   atomic.Int64
	before int64
	found  string
}

// lateWrite is how long a write lasts that may have been under way while the writer moved.
const lateWrite = 500 * time.Millisecond

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
	began := time.Now()
	if _, err = conn.ExecContext(ctx, "UPDATE torture_turn SET n = n + 1, changes = changes + (node <> @@wsrep_node_name), node = @@wsrep_node_name WHERE k = 1"); err == nil {
		w.writes.Add(1)
	}
	if time.Since(began) > lateWrite || outcomeOf(err) == Unknown {
		w.late.Add(1)
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
	moves, late := after-w.before, w.late.Load()
	w.found += fmt.Sprintf(", the galleys agreed on %d moves; %d writes were under way for long", moves, late)
	if changes > moves+2*late {
		found = append(found, fmt.Sprintf("the node that is written changed %d times, and the galleys have agreed on %d moves, with %d writes under way for long: there were two writers", changes, moves, late))
	}
	return found, nil
}

func (w *turns) summary() string { return w.found }
