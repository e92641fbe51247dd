package cluster

import (
	"context"
	"errors"
	"fmt"
)

// errStopped says that the monitor has ended.
var errStopped = errors.New("the cluster is not watched any more")

// move is a wish that the writer's role go to a node.
type move struct {
	addr string
	done chan error // takes one error without waiting
}

// MoveWriter gives the writer's role to the node at an address, and returns
// when the view that says so is published. It holds up nothing and waits for
// nothing: Switcher does. It is refused where the node is not fit to be the
// writer. Where galleys agree on the writer, it goes through their lease, and
// waits until all of them have stopped sending to the old one.
func (m *Monitor) MoveWriter(ctx context.Context, addr string) error {
	return m.moveWriter(ctx, addr, false)
}

// moveWriter is MoveWriter; force cuts what galleys that agree still have open.
func (m *Monitor) moveWriter(ctx context.Context, addr string, force bool) error {
	if m.lease != nil && m.lease.Kept() {
		return m.lease.MoveWriter(ctx, addr, force)
	}
	w := &move{addr: addr, done: make(chan error, 1)}
	select {
	case m.moves <- w:
	case <-m.stopped:
		return errStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-w.done:
		return err
	case <-m.stopped:
		return errStopped
	}
}

// moved answers a wish by the view that was made with it.
func (v *View) moved(addr string) error {
	if w := v.WriterNode(); w != nil && w.Addr == addr {
		return nil
	}
	n := v.at(addr)
	if n == nil {
		return fmt.Errorf("node %s is not in the cluster", addr)
	}
	return fmt.Errorf("node %s cannot be the writer: %s", addr, n.Reason)
}
