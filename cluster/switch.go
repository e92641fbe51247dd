package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
)

// Door is what carries the clients, as far as a switchover has to do with it.
type Door interface {
	// Hold keeps back the transactions and writes that have not begun, until
	// release is called. Those that have begun go on.
	Hold() (release func())
	// Writing tells what is under way on the writer.
	Writing() Writing
	// EndTransactions takes the open transactions of these sessions off the
	// writer when they next ask for something: they are run again on the next
	// writer, or end as by a deadlock. A statement that runs goes on.
	EndTransactions(of []WritingSession)
}

// Writing is what sessions have under way on the writer at one moment.
type Writing struct {
	// Sessions are those that must end what they do before the role moves: a
	// write that runs, or an open transaction.
	Sessions []WritingSession
	// Pinned counts the sessions that stay on their node with what only that
	// node has, and are not waited for.
	Pinned int
}

// WritingSession is one of them.
type WritingSession struct {
	ID     uint32
	Serial uint64 // another one for each transaction and each write outside of one
	User   string
	Client string
	Doing  string        // "running" or "in transaction"
	For    time.Duration // as far as that was seen
}

// String names the session for people.
func (w WritingSession) String() string {
	return fmt.Sprintf("session %d of %s at %s, %s for %.1f s", w.ID, w.User, w.Client, w.Doing, w.For.Seconds())
}

// SwitchOptions are what a Switcher needs.
type SwitchOptions struct {
	Monitor    *Monitor
	Door       Door
	Timeout    func() time.Duration // how long a switchover may wait for what is under way
	Logger     hclog.Logger
	Registerer prometheus.Registerer // may be nil
}

// Switcher moves the writer's role and takes nodes out so that no client gets
// an error: what has not begun is held for a moment, what has begun ends where
// it is, the new writer applies all of it, and only then the view changes. It
// does one thing at a time; its methods may be called from any goroutine.
type Switcher struct {
	o       SwitchOptions
	log     hclog.Logger
	metrics *switchMetrics
	turn    sync.Mutex
	state   atomic.Pointer[SwitchState]
}

// SwitchState is what a switchover is doing.
type SwitchState struct {
	From, To string // addresses
	Began    time.Time
	Held     bool // writes are held
	Waiting  int  // sessions that it waits for
}

// Switched tells how a switchover went.
type Switched struct {
	From, To string        // addresses; From is empty where there was no writer
	Held     time.Duration // for how long writes were held at once, at the most
	Took     time.Duration
	Pinned   int              // sessions that stay on their node for now
	Ended    []WritingSession // whose transactions were ended, by force
}

// ErrUnchanged says that all is as it was asked for.
var ErrUnchanged = errors.New("nothing is changed")

// errBusy says that one thing is done at a time.
var errBusy = errors.New("another switchover or drain is under way")

// NewSwitcher makes a Switcher.
func NewSwitcher(o SwitchOptions) (*Switcher, error) {
	s := &Switcher{o: o, log: o.Logger}
	var err error
	s.metrics, err = newSwitchMetrics(o.Registerer, s)
	return s, err
}

// State is what the switchover under way is doing, or nil.
func (s *Switcher) State() *SwitchState { return s.state.Load() }

// Switch gives the writer's role to a node, by its address or its name; to the
// best one where key is empty. Where what is under way does not end in time,
// everything is as it was, unless force ends it.
func (s *Switcher) Switch(ctx context.Context, key string, force bool) (Switched, error) {
	if !s.turn.TryLock() {
		return Switched{}, errBusy
	}
	defer s.turn.Unlock()
	to, err := successor(s.o.Monitor.View(), key)
	if err != nil {
		s.metrics.ended(switchRefused)
		return Switched{}, err
	}
	return s.move(ctx, to, progress{force: force, limit: s.o.Timeout()})
}

// move makes a node the writer; s.turn is held.
func (s *Switcher) move(ctx context.Context, to *Node, how progress) (Switched, error) {
	r := &run{Switcher: s, ctx: ctx, to: to.Addr, progress: how, began: time.Now()}
	if w := s.o.Monitor.View().WriterNode(); w != nil {
		r.done.From = w.Addr
	}
	r.done.To = to.Addr
	defer s.state.Store(nil)
	err := r.all()
	r.done.Took = time.Since(r.began)
	switch {
	case err != nil:
		s.metrics.ended(switchGivenUp)
		s.o.Monitor.note(Event{At: time.Now(), Kind: EventSwitchoverGivenUp, Addr: to.Addr, Was: r.done.From, Detail: err.Error()})
		return r.done, err
	case len(r.done.Ended) > 0:
		s.metrics.ended(switchForced)
	default:
		s.metrics.ended(switchDone)
	}
	s.metrics.held.Observe(r.done.Held.Seconds())
	s.log.Info("switchover", "from", r.done.From, "to", to.Addr, "held", r.done.Held, "took", r.done.Took, "pinned", r.done.Pinned, "ended", len(r.done.Ended))
	return r.done, nil
}

// run is one switchover.
type run struct {
	*Switcher

	ctx      context.Context //nolint:containedctx // the life of the run
	to       string
	began    time.Time
	done     Switched
	progress progress
	last     []WritingSession // that the last attempt waited for in vain
	ready    *applyWait
}

// all goes through the whole of it.
func (r *run) all() error {
	r.show(false, 0)
	var err error
	if r.ready, err = r.o.Monitor.openApplyWait(r.ctx, r.to); err != nil {
		return fmt.Errorf("the new writer %s cannot be asked whether it is up to date: %w", r.to, err)
	}
	defer r.ready.close()
	// Once before anything is held, so that the second time is short.
	if err := r.applied(); err != nil {
		return err
	}
	for {
		quiet, err := r.attempt()
		if quiet || err != nil {
			return err
		}
		if err := r.between(); err != nil {
			return err
		}
	}
}

// attempt holds what has not begun, waits for what has, and moves the role
// when nothing is under way. It is not quiet where that has not come in time.
func (r *run) attempt() (quiet bool, err error) {
	held := time.Now()
	release := r.o.Door.Hold()
	defer func() {
		release()
		r.done.Held = max(r.done.Held, time.Since(held))
	}()
	ticker := time.NewTicker(holdTick)
	defer ticker.Stop()
	r.progress.tries++
	for {
		w := r.o.Door.Writing()
		r.show(true, len(w.Sessions))
		r.progress.open, r.progress.held, r.progress.waited = len(w.Sessions), time.Since(held), time.Since(r.began)
		switch r.progress.whileHeld() {
		case goOn:
			r.done.Pinned = w.Pinned
			return true, r.handOver()
		case endThem:
			r.o.Door.EndTransactions(w.Sessions)
			r.done.Ended, r.done.Pinned = w.Sessions, w.Pinned
			return true, r.handOver()
		case giveUp:
			return false, r.tooLong(w.Sessions)
		case letGo:
			r.last = w.Sessions
			return false, nil
		case keepOn, tryAgain:
		}
		if err := r.tick(ticker); err != nil {
			return false, err
		}
	}
}

// between waits, with nothing held, until those that the last attempt waited
// for in vain have ended what they did.
func (r *run) between() error {
	ticker := time.NewTicker(openTick)
	defer ticker.Stop()
	for {
		still := stillThere(r.last, r.o.Door.Writing().Sessions)
		r.show(false, len(still))
		r.progress.open, r.progress.waited = len(still), time.Since(r.began)
		switch r.progress.whileOpen() {
		case tryAgain:
			return nil
		case giveUp:
			return r.tooLong(still)
		case keepOn, goOn, letGo, endThem:
		}
		if err := r.tick(ticker); err != nil {
			return err
		}
	}
}

// tick waits a little while.
func (r *run) tick(t *time.Ticker) error {
	select {
	case <-t.C:
		return nil
	case <-r.ctx.Done():
		return fmt.Errorf("the switchover to %s was called off: %w", r.to, context.Cause(r.ctx))
	}
}

// handOver moves the role, with everything held and nothing under way.
func (r *run) handOver() error {
	if err := r.applied(); err != nil {
		return err
	}
	return r.o.Monitor.moveWriter(r.ctx, r.to, len(r.done.Ended) > 0)
}

// applied waits until the new writer has applied all that is committed.
func (r *run) applied() error {
	ctx, cancel := context.WithTimeout(r.ctx, applyLimit)
	defer cancel()
	if err := r.ready.wait(ctx); err != nil {
		return fmt.Errorf("node %s has not applied in time what the others have: %w", r.to, err)
	}
	return nil
}

// show publishes what it is doing.
func (r *run) show(held bool, waiting int) {
	r.state.Store(&SwitchState{From: r.done.From, To: r.to, Began: r.began, Held: held, Waiting: waiting})
}

func (r *run) tooLong(open []WritingSession) error {
	return &SwitchTimeout{To: r.to, After: time.Since(r.began), Sessions: open}
}
