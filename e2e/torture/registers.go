package torture

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
)

// registers writes and reads single rows. Each read must see the newest write that was acknowledged before it began, or one that was still under way
// (linearizability), whichever galley and node answered. Checked by porcupine, each register by itself.
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
	return makeTables(ctx, w.h, "torture_register", "(k INT PRIMARY KEY, v BIGINT NOT NULL)", "torture_floor", "(node VARCHAR(64) PRIMARY KEY, n BIGINT)")
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
	key   int
	write bool
	value int64
}

func (w *registers) step(ctx context.Context, s *session, id int) error {
	op := registerOp{key: int(time.Since(w.h.start)/registerLife)*registerCount + s.rand.IntN(registerCount), write: s.rand.IntN(3) == 0}
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
		_, err = conn.ExecContext(ctx, "INSERT INTO torture_register VALUES (?, ?) ON DUPLICATE KEY UPDATE v = VALUES(v)", op.key, op.value)
	} else {
		err = conn.QueryRowContext(ctx, "SELECT COALESCE(MAX(v), 0) FROM torture_register WHERE k = ?", op.key).Scan(&read)
	}
	o.Return = w.now()
	o.Input, o.Output = op, read
	switch {
	case err == nil:
	case op.write && outcomeOf(err) == Unknown:
		o.Return = int64(1) << 62 // It may take place at any time from here on.
	default:
		return err //nolint:wrapcheck // judged by the caller
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
				key := o.Input.(registerOp).key //nolint:forcetypeassert // all are
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

func checkRegisters(ops []porcupine.Operation) ([]string, error) {
	model := registerModel()
	var found []string
	for _, part := range model.Partition(ops) {
		switch porcupine.CheckOperationsTimeout(model, part, time.Minute) {
		case porcupine.Illegal:
			found = append(found, fmt.Sprintf("register %d: a read saw an older value than was acknowledged (%d operations)", part[0].Input.(registerOp).key, len(part))) //nolint:forcetypeassert // all are
		case porcupine.Unknown:
			return found, errUndecided
		case porcupine.Ok:
		}
	}
	return found, nil
}

func (w *registers) summary() string {
	return fmt.Sprintf("register: %d reads and writes of single rows are linearizable (porcupine)", len(w.ops))
}
