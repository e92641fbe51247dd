package torture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
)

// registers writes and reads single rows. Writes and reads that lock must be linearizable, over all failures (checked by porcupine, each register by itself):
// there is one writer. Plain reads, whichever galley and node answers, must see the newest write that was acknowledged before they began, or a newer one.
type registers struct {
	h    *harness
	next atomic.Int64

	mu  sync.Mutex
	ops []porcupine.Operation
}

// Registers are given up for others after a while, as what a check costs grows with the length of a history and with the writes whose end nobody knows.
const (
	registerCount = 4
	registerLife  = 3 * time.Second
)

func newRegisters(h *harness) *registers { return &registers{h: h} }

func (w *registers) name() string { return "register" }

func (w *registers) prepare(ctx context.Context) error {
	err := makeTables(ctx, w.h, "torture_register", "(k INT PRIMARY KEY, v BIGINT NOT NULL)", "torture_floor", "(node VARCHAR(64) PRIMARY KEY, n BIGINT)")
	if err != nil {
		return err
	}
	return makeRows(ctx, w.h, "torture_register", "0", w.h.keys(registerLife, registerCount))
}

// keys is how many rows are needed if so many are in use at a time, and given up after a while.
func (h *harness) keys(life time.Duration, count int) int {
	return (int((h.opts.Time+5*time.Minute)/life) + 1) * count
}

// makeRows makes all rows beforehand: locking a row that is not there yet would lock gaps, and clients would wait for each other in circles.
func makeRows(ctx context.Context, h *harness, table, value string, n int) error {
	for from := 0; from < n; from += 500 {
		var values []string
		for k := from; k < min(n, from+500); k++ {
			values = append(values, fmt.Sprintf("(%d, %s)", k, value))
		}
		if _, err := h.dbs[0].ExecContext(ctx, "INSERT INTO "+table+" VALUES "+strings.Join(values, ", ")); err != nil {
			return fmt.Errorf("fill %s: %w", table, err)
		}
	}
	return nil
}

// makeTables makes tables anew; they come in pairs of name and definition.
func makeTables(ctx context.Context, h *harness, tables ...string) error {
	for i := 0; i < len(tables); i += 2 {
		for _, statement := range []string{"DROP TABLE IF EXISTS " + tables[i], "CREATE TABLE " + tables[i] + " " + tables[i+1] + " ENGINE=InnoDB"} {
			if _, err := h.dbs[0].ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
	}
	return nil
}

// registerOp is what is done to a register: a value written, or a read.
type registerOp struct {
	key    int
	write  bool
	locked bool // A read that locks.
	value  int64
}

func (w *registers) step(ctx context.Context, s *session, id int) error {
	op := registerOp{key: int(time.Since(w.h.start)/registerLife)*registerCount + s.rand.IntN(registerCount), write: s.rand.IntN(3) == 0, locked: s.rand.IntN(3) == 0}
	if s.rand.IntN(20) == 0 {
		s.elsewhere()
	}
	conn, err := s.get(ctx)
	if err != nil {
		return err
	}
	o := porcupine.Operation{ClientId: id, Call: w.now()}
	var read int64
	if op.write {
		op.value = w.next.Add(1)
		_, err = conn.ExecContext(ctx, "UPDATE torture_register SET v = ? WHERE k = ?", op.value, op.key)
	} else {
		query := "SELECT v FROM torture_register WHERE k = ?"
		if op.locked {
			query += " FOR UPDATE"
		}
		err = conn.QueryRowContext(ctx, query, op.key).Scan(&read)
	}
	o.Return = w.now()
	o.Input, o.Output = op, read
	switch {
	case err == nil:
	case op.write && outcomeOf(err) == Unknown:
		o.Return = int64(1) << 62 // It may take place at any time from here on.
	default:
		return readFailed{err}
	}
	w.mu.Lock()
	w.ops = append(w.ops, o)
	w.mu.Unlock()
	return err //nolint:wrapcheck // judged by the caller
}

func (w *registers) now() int64 { return int64(time.Since(w.h.start)) }

// registerModel is one register, from 0.
func registerModel() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byKey := map[int][]porcupine.Operation{}
			for _, o := range history {
				key := registerOf(o).key
				byKey[key] = append(byKey[key], o)
			}
			parts := make([][]porcupine.Operation, 0, len(byKey))
			for _, part := range byKey {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() any { return int64(0) },
		Step: func(state, input, output any) (bool, any) {
			if op := input.(registerOp); op.write { //nolint:forcetypeassert // all are
				return true, op.value
			}
			return output == state, state
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %v", input, output) },
	}
}

// errUndecided is a check that took too long.
var errUndecided = errors.New("the check was not decided in time")

func (w *registers) check(context.Context) ([]string, error) {
	return checkRegisters(w.ops)
}

// registerOf is what was done to a register.
func registerOf(o porcupine.Operation) registerOp {
	op, _ := o.Input.(registerOp) // All are.
	return op
}

func checkRegisters(ops []porcupine.Operation) ([]string, error) {
	model := registerModel()
	var found []string
	for _, part := range model.Partition(ops) {
		plain := func(o porcupine.Operation) bool { return !registerOf(o).write && !registerOf(o).locked }
		found = append(found, staleReads(part, plain)...)
		part = slices.DeleteFunc(part, plain)
		if len(part) == 0 {
			continue
		}
		switch porcupine.CheckOperationsTimeout(model, part, time.Minute) {
		case porcupine.Illegal:
			found = append(found, fmt.Sprintf("register %d: no order of its %d writes and locking reads explains them", registerOf(part[0]).key, len(part)))
		case porcupine.Unknown:
			return found, errUndecided
		case porcupine.Ok:
		}
	}
	return found, nil
}

// staleReads are the plain reads that saw a value which was surely overwritten by a write that was acknowledged before the read began.
func staleReads(ops []porcupine.Operation, plain func(porcupine.Operation) bool) []string {
	writes := map[int64]porcupine.Operation{}
	for _, o := range ops {
		if op := registerOf(o); op.write {
			writes[op.value] = o
		}
	}
	var found []string
	for _, r := range ops {
		if !plain(r) {
			continue
		}
		value, _ := r.Output.(int64)
		saw, known := writes[value]
		if value != 0 && !known {
			found = append(found, fmt.Sprintf("register %d: %d was read, which nobody wrote", registerOf(r).key, value))
			continue
		}
		for _, w := range writes {
			if w.Return < r.Call && (value == 0 || saw.Return < w.Call) {
				found = append(found, fmt.Sprintf("register %d: %d was read though %d had been acknowledged", registerOf(r).key, value, registerOf(w).value))
				break
			}
		}
	}
	return found
}

func (w *registers) summary() string {
	return fmt.Sprintf("register: %d reads and writes of single rows are linearizable where they lock (porcupine), and never stale", len(w.ops))
}
