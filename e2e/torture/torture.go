// Package torture loads a cluster through one or several galleys, breaks things on purpose, and checks from the clients' histories that nothing was lost, doubled,
// seen too early or seen too late.
//
// It is not a benchmark: every operation is recorded, and the clients are slow on purpose. It breaks nothing by itself: the faults are given to it (package
// lab breaks a cluster of its own; on a real one it only watches).
//
// The one thing to know first: an operation ends in one of three ways (Outcome), and everything depends on telling them apart: it was done, it was surely
// not done, or the client cannot know. Only the first must be seen by others, and only the second must not.
package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Options say whom to torture, and how.
type Options struct {
	// Targets are the galleys, each a DSN of go-sql-driver/mysql with a schema in which tables may be made.
	Targets []string
	// Floors are nodes themselves, by name: what a client sees there tells what Galera itself needs. May be empty.
	Floors map[string]string
	// Moves tells how often the galleys have agreed on another writer so far; nil where nobody knows.
	Moves func(ctx context.Context) (int64, error)
	// Clients is how many there are of each workload.
	Clients int
	// Time is for how long the clients work.
	Time time.Duration
	// Seed decides all that is random but the scheduling.
	Seed uint64
	// Faults happen one at a time, with time between them in which everything must work; in random order, again and again, unless Once.
	Faults []Fault
	Once   bool
	// Rest is the time between two faults.
	Rest time.Duration
	// Say is told what happens, a line at a time. It may be nil.
	Say func(format string, args ...any)
}

// Fault is something that happens and passes. Act and Heal return when it is done; Heal runs also when the time is over.
type Fault struct {
	Name string
	Act  func(ctx context.Context, r *rand.Rand) error
	Heal func(ctx context.Context) error
	// Hold is the time between them.
	Hold time.Duration
	// Cuts says that the fault takes a galley away: the connections of its clients end, and that is no galley's mistake.
	Cuts bool
}

// Run tortures until the time is over or ctx ends, and checks what was recorded. The error is of the harness; what the cluster did wrong is in the report.
func Run(ctx context.Context, opts Options) (*Report, error) {
	if len(opts.Targets) == 0 || opts.Clients < 1 {
		return nil, errors.New("torture: no targets or no clients")
	}
	if opts.Say == nil {
		opts.Say = func(string, ...any) {}
	}
	h := newHarness(opts)
	defer h.close()
	loads := []workload{newRegisters(h), newLists(h), newBank(h), newFresh(h), newTurns(h)}
	for _, w := range loads {
		if err := w.prepare(ctx); err != nil {
			return nil, fmt.Errorf("prepare the tables of %s: %w", w.name(), err)
		}
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	var busy sync.WaitGroup
	for _, w := range loads {
		for i := range opts.Clients {
			busy.Go(func() { h.client(working, w, i) })
		}
	}
	h.watchFloors(working, &busy)
	err := h.breakThings(ctx)
	stop()
	busy.Wait()
	if err != nil {
		return nil, err
	}
	report := h.report()
	for _, w := range loads {
		found, err := w.check(ctx)
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", w.name(), err)
		}
		for _, v := range found {
			report.Violations = append(report.Violations, w.name()+": "+v)
		}
		report.Checked = append(report.Checked, w.summary())
	}
	return report, nil
}

// workload is one kind of work with its own tables, and the check of its own history.
type workload interface {
	name() string
	prepare(ctx context.Context) error
	// step does one operation of client id and records it; the error is what the client got.
	step(ctx context.Context, s *session, id int) error
	// check compares what was recorded, and what is there at the end, with what is allowed.
	check(ctx context.Context) ([]string, error)
	summary() string
}

// pause lies between two operations of a client.
const pause = 5 * time.Millisecond

// client is the life of one: it works until ctx ends, and finishes what it has begun.
func (h *harness) client(ctx context.Context, w workload, id int) {
	s := h.session(uint64(id))
	defer s.close()
	for ctx.Err() == nil {
		began := time.Now()
		opCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), opLimit)
		err := w.step(opCtx, s, id)
		cancel()
		h.note(w.name(), began, time.Now(), err)
		if err != nil && outcomeOf(err) != Failed {
			s.close()
		}
		wait(ctx, pause)
	}
}

// opLimit is when an operation counts as hung.
const opLimit = 60 * time.Second

// breakThings lets the faults happen until the time is over.
func (h *harness) breakThings(ctx context.Context) error {
	over, cancel := context.WithTimeout(ctx, h.opts.Time)
	defer cancel()
	r := rand.New(rand.NewPCG(h.opts.Seed, 0))
	for len(h.opts.Faults) > 0 && over.Err() == nil {
		for _, i := range r.Perm(len(h.opts.Faults)) {
			wait(over, h.opts.Rest)
			if over.Err() != nil {
				break
			}
			if err := h.breakOne(ctx, over, h.opts.Faults[i], r); err != nil {
				return err
			}
		}
		if h.opts.Once {
			wait(over, h.opts.Rest)
			return ctx.Err() //nolint:wrapcheck // the caller's own
		}
	}
	<-over.Done()
	return ctx.Err() //nolint:wrapcheck // the caller's own
}

func (h *harness) breakOne(ctx, over context.Context, f Fault, r *rand.Rand) error {
	h.opts.Say("%s", f.Name)
	h.begin(f)
	err := f.Act(ctx, r)
	if err == nil {
		wait(over, f.Hold)
	}
	if healed := f.Heal(ctx); err == nil {
		err = healed
	}
	h.finish()
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
