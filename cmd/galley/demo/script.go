package demo

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// calm is how long the clients work before the first event and after each.
	calm = 3 * time.Second
	// recovery bounds the wait for the clients to go on after an event; longer than an operation may take.
	recovery = opLimit + 5*time.Second
	// rejoin bounds the wait for a node to be synced again.
	rejoin = 2 * time.Minute
)

// Node is a node as a script breaks it.
type Node interface {
	Name() string
	Addr() string
	Kill() error
	Terminate(ctx context.Context) error
	Start(ctx context.Context) error
}

// Stage is what a script plays on.
type Stage struct {
	Nodes    []Node
	Writer   func() string          // The writer's address as galley sees it; empty when there is none.
	Usable   func(addr string) bool // Whether galley uses the node.
	Say      func(text string)
	Workload *Workload
	// Shopper and Pools are the web tier's; nil where the demo has none.
	Shopper *Shopper
	Pools   []Pool
}

// Pool is a php-fpm as a script breaks it.
type Pool interface {
	Kill() error
	Start(ctx context.Context) error
}

// Act is one event of a script and what the clients noticed of it.
type Act struct {
	Event string
	Took  time.Duration
	Noticed
	Shop Noticed // What the shopper noticed.
}

// Failover kills the writer, brings it back, restarts a reader cleanly, and kills a php-fpm if there are any.
func (s *Stage) Failover(ctx context.Context) ([]Act, error) {
	if err := pause(ctx, calm); err != nil {
		return nil, err
	}
	victim := s.writer()
	if victim == nil {
		return nil, errors.New("the script needs a writer")
	}
	var acts []Act
	add := func(name string, do func(context.Context) error) error {
		act, err := s.play(ctx, name, do)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		acts = append(acts, act)
		return nil
	}
	err := add("the writer ("+victim.Name()+") is killed (SIGKILL)", func(ctx context.Context) error {
		if err := victim.Kill(); err != nil {
			return err
		}
		return s.until(ctx, "there is another writer", func() bool { w := s.Writer(); return w != "" && w != victim.Addr() })
	})
	if err != nil {
		return acts, err
	}
	if err := add(victim.Name()+" comes back", func(ctx context.Context) error { return s.start(ctx, victim) }); err != nil {
		return acts, err
	}
	reader := s.reader(victim)
	if reader == nil {
		return acts, errors.New("there is no reader to restart")
	}
	err = add("a reader ("+reader.Name()+") is restarted cleanly", func(ctx context.Context) error {
		if err := reader.Terminate(ctx); err != nil {
			return err
		}
		return s.start(ctx, reader)
	})
	if err != nil || len(s.Pools) == 0 {
		return acts, err
	}
	err = add("a php-fpm is killed with all its workers, and started again", func(ctx context.Context) error {
		if err := s.Pools[0].Kill(); err != nil {
			return err
		}
		if err := pause(ctx, calm); err != nil {
			return err
		}
		return s.Pools[0].Start(ctx)
	})
	return acts, err
}

// writer is the writer of now.
func (s *Stage) writer() Node {
	at := s.Writer()
	for _, n := range s.Nodes {
		if n.Addr() == at {
			return n
		}
	}
	return nil
}

// reader is a node that is not the writer now, and another one than that if there is one.
func (s *Stage) reader(other Node) Node {
	var found Node
	for _, n := range s.Nodes {
		if n.Addr() != s.Writer() && (found == nil || found == other) {
			found = n
		}
	}
	return found
}

// play lets an event happen and waits until all clients have gone on after it.
func (s *Stage) play(ctx context.Context, name string, do func(context.Context) error) (Act, error) {
	s.Say(name)
	s.Workload.tally.open()
	if s.Shopper != nil {
		s.Shopper.tally.open()
	}
	began := time.Now()
	if err := do(ctx); err != nil {
		return Act{}, err
	}
	took := time.Since(began)
	if err := pause(ctx, calm); err != nil {
		return Act{}, err
	}
	since := time.Now()
	if err := s.until(ctx, "all clients go on", func() bool {
		return s.Workload.tally.allSince(since) && (s.Shopper == nil || s.Shopper.tally.allSince(since))
	}); err != nil {
		return Act{}, err
	}
	act := Act{Event: name, Took: took, Noticed: s.Workload.tally.seen()}
	if s.Shopper != nil {
		act.Shop = s.Shopper.tally.seen()
	}
	return act, nil
}

// start starts a node and waits until galley uses it.
func (s *Stage) start(ctx context.Context, n Node) error {
	ctx, cancel := context.WithTimeout(ctx, rejoin)
	defer cancel()
	if err := n.Start(ctx); err != nil {
		return err
	}
	return s.until(ctx, "galley uses "+n.Name()+" again", func() bool { return s.Usable(n.Addr()) })
}

// until waits for a condition.
func (s *Stage) until(ctx context.Context, what string, holds func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, recovery)
	defer cancel()
	for !holds() {
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("waiting until %s: %w", what, err)
		}
	}
	return nil
}

// pause waits, or gives the context's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
