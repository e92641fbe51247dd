package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/go-sql-driver/mysql"
)

func app(key int, value int64) listOp          { return listOp{key: key, append: true, value: value} }
func read(key int, values ...int64) listOp     { return listOp{key: key, read: values} }
func at(began, ended int64, ops ...listOp) txn { return txn{ops: ops, began: began, ended: ended} }

func ended(o Outcome, t txn) txn {
	t.outcome = o
	return t
}

func TestCheckLists(t *testing.T) {
	for _, c := range []struct {
		name  string
		txns  []txn
		final map[int][]int64
		want  string // In the first violation; none if empty.
	}{
		{"well", []txn{at(0, 10, app(1, 1)), at(5, 20, app(1, 2), read(2)), at(30, 40, read(1, 1, 2))}, map[int][]int64{1: {1, 2}}, ""},
		{"lost", []txn{at(0, 10, app(1, 1)), at(20, 30, app(1, 2))}, map[int][]int64{1: {2}}, "acknowledged and is lost"},
		{"twice", []txn{at(0, 10, app(1, 1))}, map[int][]int64{1: {1, 1}}, "there 2 times"},
		{"refused and there", []txn{ended(Failed, at(0, 10, app(1, 1)))}, map[int][]int64{1: {1}}, "refused and is there"},
		{"unknown and there", []txn{ended(Unknown, at(0, 10, app(1, 1))), at(20, 30, read(1, 1))}, map[int][]int64{1: {1}}, ""},
		{"unknown and not there", []txn{ended(Unknown, at(0, 10, app(1, 1)))}, nil, ""},
		{"nobody's", nil, map[int][]int64{1: {5}}, "nobody appended"},
		{"dirty read", []txn{ended(Failed, at(0, 10, app(1, 1))), at(5, 8, read(1, 1))}, nil, "which is [] at the end"},
		{"other order", []txn{at(0, 10, app(1, 1)), at(0, 10, app(1, 2)), at(20, 30, read(1, 2, 1))}, map[int][]int64{1: {1, 2}}, "which is [1 2] at the end"},
		{"stale read", []txn{at(0, 10, app(1, 1)), at(20, 30, read(1))}, map[int][]int64{1: {1}}, "was acknowledged before the begin of"},
		{"read of what is under way", []txn{at(0, 40, app(1, 1)), at(20, 30, read(1))}, map[int][]int64{1: {1}}, ""},
		{
			"half of a transaction",
			[]txn{at(0, 100, app(1, 1), app(2, 2)), at(0, 100, read(1, 1), read(2))},
			map[int][]int64{1: {1}, 2: {2}},
			"a cycle",
		},
		{
			"what is not acknowledged may be seen early",
			[]txn{at(0, 100, app(1, 1)), at(10, 20, read(1, 1)), at(30, 40, read(1))},
			map[int][]int64{1: {1}},
			"",
		},
		{
			"write skew",
			[]txn{at(0, 100, read(1), app(2, 2)), at(0, 100, app(1, 1), read(2))},
			map[int][]int64{1: {1}, 2: {2}},
			"a cycle",
		},
		{
			"long fork",
			[]txn{at(0, 100, app(1, 1)), at(0, 100, app(2, 2)), at(0, 100, read(1, 1), read(2)), at(0, 100, read(1), read(2, 2))},
			map[int][]int64{1: {1}, 2: {2}},
			"a cycle",
		},
		{"unknown takes effect late", []txn{ended(Unknown, at(0, 10, app(1, 1))), at(20, 30, read(1)), at(40, 50, read(1, 1))}, map[int][]int64{1: {1}}, ""},
		{"and stays", []txn{ended(Unknown, at(0, 10, app(1, 1))), at(20, 30, read(1, 1), app(2, 2)), at(40, 50, read(1))}, map[int][]int64{1: {1}, 2: {2}}, "a cycle"},
	} {
		found := checkLists(c.txns, c.final)
		if c.want == "" && len(found) > 0 || c.want != "" && (len(found) == 0 || !strings.Contains(found[0], c.want)) {
			t.Errorf("%s: %q, want %q", c.name, found, c.want)
		}
	}
}

// TestCheckListsOfAServer lets a server that is right run random transactions one at a time within longer intervals, and then one that is wrong in each way.
func TestCheckListsOfAServer(t *testing.T) {
	make_ := func(seed uint64, stale bool) ([]txn, map[int][]int64) {
		r := rand.New(rand.NewPCG(seed, 0))
		final := map[int][]int64{}
		var txns []txn
		next := int64(0)
		for i := range 400 {
			tx := txn{began: int64(i*10) - r.Int64N(50), ended: int64(i*10) + 1 + r.Int64N(50)}
			for k := range 3 {
				switch r.IntN(3) {
				case 0:
					next++
					tx.ops = append(tx.ops, app(k, next))
					final[k] = append(final[k], next)
				case 1:
					seen := final[k]
					if stale && i == 300 && len(seen) > 20 {
						seen = seen[:len(seen)-20]
					}
					tx.ops = append(tx.ops, read(k, append([]int64(nil), seen...)...))
				}
			}
			txns = append(txns, tx)
		}
		return txns, final
	}
	stale := 0
	for seed := range uint64(20) {
		if found := checkLists(make_(seed, false)); len(found) > 0 {
			t.Errorf("seed %d: %v", seed, found)
		}
		if found := checkLists(make_(seed, true)); len(found) > 0 {
			stale++
		}
	}
	if stale < 10 {
		t.Errorf("stale reads were found in %d of 20 histories", stale)
	}
}

func TestCheckRegisters(t *testing.T) {
	op := func(client int, call, ret int64, in registerOp, out int64) porcupine.Operation {
		return porcupine.Operation{ClientId: client, Call: call, Return: ret, Input: in, Output: out}
	}
	w := func(v int64) registerOp { return registerOp{key: 1, write: true, value: v} }
	r, plain := registerOp{key: 1, locked: true}, registerOp{key: 1}
	for _, c := range []struct {
		name string
		ops  []porcupine.Operation
		bad  bool
	}{
		{"well", []porcupine.Operation{op(1, 0, 10, w(1), 0), op(2, 5, 15, r, 0), op(2, 20, 30, r, 1)}, false},
		{"stale", []porcupine.Operation{op(1, 0, 10, w(1), 0), op(2, 20, 30, r, 0)}, true},
		{"back", []porcupine.Operation{op(1, 0, 100, w(1), 0), op(2, 20, 30, r, 1), op(2, 40, 50, r, 0)}, true},
		{"unknown, late", []porcupine.Operation{op(1, 0, 1<<62, w(1), 0), op(2, 20, 30, r, 0), op(2, 40, 50, r, 1)}, false},
		{"plain, well", []porcupine.Operation{op(1, 0, 10, w(1), 0), op(2, 5, 15, plain, 0), op(2, 20, 30, plain, 1)}, false},
		{"plain, stale", []porcupine.Operation{op(1, 0, 10, w(1), 0), op(2, 20, 30, plain, 0)}, true},
		{"plain, of an older write", []porcupine.Operation{op(1, 0, 10, w(1), 0), op(1, 20, 30, w(2), 0), op(2, 40, 50, plain, 1)}, true},
		{"plain, of one of two at once", []porcupine.Operation{op(1, 0, 30, w(1), 0), op(2, 20, 40, w(2), 0), op(2, 50, 60, plain, 1)}, false},
		{"plain, forth and back while it is written", []porcupine.Operation{op(1, 0, 100, w(1), 0), op(2, 20, 30, plain, 1), op(2, 40, 50, plain, 0)}, false},
		{"plain, from nowhere", []porcupine.Operation{op(2, 20, 30, plain, 7)}, true},
		{"from nowhere", []porcupine.Operation{op(2, 20, 30, r, 7)}, true},
	} {
		found, err := checkRegisters(c.ops)
		if err != nil || (len(found) > 0) != c.bad {
			t.Errorf("%s: %v, %v", c.name, found, err)
		}
	}
}

func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Outcome
	}{
		{nil, OK},
		{&mysql.MySQLError{Number: 1213}, Failed},
		{&mysql.MySQLError{Number: 1047}, Failed},
		{&mysql.MySQLError{Number: 2013}, Unknown},
		{fmt.Errorf("x: %w", &mysql.MySQLError{Number: 1927}), Unknown},
		{mysql.ErrInvalidConn, Unknown},
		{fmt.Errorf("%w: refused", errNotConnected), Failed},
		{errors.New("anything"), Unknown},
	} {
		if got := outcomeOf(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
		if got := txOutcome(beforeCommit(c.err)); got != Failed {
			t.Errorf("%v before COMMIT: %d", c.err, got)
		}
	}
	if found := compareOnce("row", map[int64]Outcome{1: OK, 2: Unknown, 3: Failed, 4: Unknown}, map[int64]int{1: 1, 2: 1}); len(found) > 0 {
		t.Error(found)
	}
}
