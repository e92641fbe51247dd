package cluster

import (
	"context"
	"fmt"
	"strings"
)

// RefusedError says that a monitor user that was to come into use gets into no
// node.
type RefusedError struct {
	User  string
	Nodes []string // that refuse it, each with what it says
}

// Error says what is wrong, where, and what to do.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("cluster.monitor: no node lets the user %q in with its password: %s; correct user, password or password_file, or create or change the account on the nodes first, then reload again",
		e.User, strings.Join(e.Nodes, "; "))
}

// Trial logs in to the nodes of other settings with their monitor user, where
// that is not the one in use: with one that the nodes refuse galley would use
// none of them. Its error is a *RefusedError where some refuse it and none
// lets it in; nodes that say nothing of it do not count.
func (m *Monitor) Trial(ctx context.Context, s Settings) error {
	m.mu.Lock()
	was := credentials{m.settings.User, m.settings.Password}
	m.mu.Unlock()
	login := credentials{s.User, s.Password}
	if login == was {
		return nil
	}
	limit := min(s.ProbeTimeout, suspectAfter)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answers := make(chan error, len(s.Nodes))
	for _, n := range s.Nodes {
		go func() {
			answers <- m.try(ctx, linkOptions{addr: n.Addr, credentials: login, dialTimeout: limit, dial: m.dial, tls: m.tls})
		}()
	}
	refused := &RefusedError{User: s.User}
	for range s.Nodes {
		err := <-answers
		if err == nil {
			return nil
		}
		if reason, _ := fault(err); reason == AuthFailed {
			refused.Nodes = append(refused.Nodes, err.Error())
		}
	}
	if len(refused.Nodes) == 0 {
		return nil
	}
	return refused
}

// try logs in once.
func (m *Monitor) try(ctx context.Context, o linkOptions) error {
	l := newLink(o)
	defer l.close()
	c, err := l.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("node %s: %w", o.addr, err)
	}
	return c.Close()
}
