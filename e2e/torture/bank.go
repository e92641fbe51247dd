package torture

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
)

// bank moves money between accounts. The sum is always the same, for whoever looks, and a transfer that was acknowledged is there once and one that was refused is not.
type bank struct {
	h     *harness
	next  atomic.Int64
	looks atomic.Int64

	mu        sync.Mutex
	transfers map[int64]Outcome
	wrong     []string
}

const (
	accounts = 12
	balance  = 1000
)

func newBank(h *harness) *bank { return &bank{h: h, transfers: map[int64]Outcome{}} }

func (w *bank) name() string { return "bank" }

func (w *bank) prepare(ctx context.Context) error {
	err := makeTables(ctx, w.h, "torture_account", "(id INT PRIMARY KEY, balance BIGINT NOT NULL)",
		"torture_transfer", "(seq BIGINT AUTO_INCREMENT PRIMARY KEY, id BIGINT NOT NULL, src INT, dst INT, amount BIGINT)")
	if err != nil {
		return err
	}
	for i := range accounts {
		if _, err := w.h.dbs[0].ExecContext(ctx, "INSERT INTO torture_account VALUES (?, ?)", i, balance); err != nil {
			return err //nolint:wrapcheck // says what
		}
	}
	return nil
}

func (w *bank) step(ctx context.Context, s *session, _ int) error {
	if s.rand.IntN(3) == 0 {
		return w.look(ctx, s)
	}
	id := w.next.Add(1)
	// Locked in order, so that no two wait for each other.
	src := s.rand.IntN(accounts - 1)
	dst := src + 1 + s.rand.IntN(accounts-src-1)
	amount := s.rand.Int64N(41) - 20
	err := s.inTx(ctx, func(conn *sql.Conn) error {
		var a, b int64
		for _, one := range []struct {
			id   int
			into *int64
		}{{src, &a}, {dst, &b}} {
			if err := conn.QueryRowContext(ctx, "SELECT balance FROM torture_account WHERE id = ? FOR UPDATE", one.id).Scan(one.into); err != nil {
				return err //nolint:wrapcheck // judged by the caller
			}
		}
		if _, err := conn.ExecContext(ctx, "UPDATE torture_account SET balance = ? WHERE id = ?", a-amount, src); err != nil {
			return err //nolint:wrapcheck // judged by the caller
		}
		if _, err := conn.ExecContext(ctx, "UPDATE torture_account SET balance = ? WHERE id = ?", b+amount, dst); err != nil {
			return err //nolint:wrapcheck // judged by the caller
		}
		_, err := conn.ExecContext(ctx, "INSERT INTO torture_transfer (id, src, dst, amount) VALUES (?, ?, ?, ?)", id, src, dst, amount)
		return err //nolint:wrapcheck // judged by the caller
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.transfers[id] = txOutcome(err)
	return err
}

// txOutcome is what an error of inTx means: without COMMIT nothing was done.
func txOutcome(err error) Outcome {
	if _, ok := err.(notCommitted); ok { //nolint:errorlint // never wrapped
		return Failed
	}
	return outcomeOf(err)
}

func (w *bank) look(ctx context.Context, s *session) error {
	conn, err := s.get(ctx)
	if err != nil {
		return err
	}
	var sum int64
	if err := conn.QueryRowContext(ctx, "SELECT SUM(balance) FROM torture_account").Scan(&sum); err != nil {
		return err //nolint:wrapcheck // judged by the caller
	}
	w.looks.Add(1)
	if sum != accounts*balance {
		w.mu.Lock()
		w.wrong = append(w.wrong, fmt.Sprintf("the sum was %d in place of %d", sum, accounts*balance))
		w.mu.Unlock()
		return errWrong
	}
	return nil
}

func (w *bank) check(ctx context.Context) ([]string, error) {
	rows, err := w.h.dbs[0].QueryContext(ctx, "SELECT id, src, dst, amount FROM torture_transfer")
	if err != nil {
		return nil, err //nolint:wrapcheck // says what
	}
	defer rows.Close()
	there := map[int64]int{}
	want := map[int]int64{}
	for rows.Next() {
		var id, amount int64
		var src, dst int
		if err := rows.Scan(&id, &src, &dst, &amount); err != nil {
			return nil, err //nolint:wrapcheck // says what
		}
		there[id]++
		want[src] -= amount
		want[dst] += amount
	}
	if err := rows.Err(); err != nil {
		return nil, err //nolint:wrapcheck // says what
	}
	found := append([]string(nil), w.wrong...)
	found = append(found, compareOnce("transfer", w.transfers, there)...)
	for i := range accounts {
		var have int64
		if err := w.h.dbs[0].QueryRowContext(ctx, "SELECT balance FROM torture_account WHERE id = ?", i).Scan(&have); err != nil {
			return nil, err //nolint:wrapcheck // says what
		}
		if have != balance+want[i] {
			found = append(found, fmt.Sprintf("account %d has %d, by its transfers %d: an update was lost or done twice", i, have, balance+want[i]))
		}
	}
	return found, nil
}

// compareOnce holds what clients were told against how often a thing is there.
func compareOnce(what string, told map[int64]Outcome, there map[int64]int) []string {
	var found []string
	for id, n := range there {
		if n > 1 {
			found = append(found, fmt.Sprintf("%s %d is there %d times", what, id, n))
		}
		if told[id] == Failed {
			found = append(found, fmt.Sprintf("%s %d was refused and is there", what, id))
		}
	}
	for id, outcome := range told {
		if outcome == OK && there[id] == 0 {
			found = append(found, fmt.Sprintf("%s %d was acknowledged and is lost", what, id))
		}
	}
	return found
}

func (w *bank) summary() string {
	kept, unknown := 0, 0
	for _, o := range w.transfers {
		switch o {
		case OK:
			kept++
		case Unknown:
			unknown++
		case Failed:
		}
	}
	return fmt.Sprintf("bank: %d transfers acknowledged, each there once; %d with a lost answer; %d sums", kept, unknown, w.looks.Load())
}
