package cluster

import (
	"context"
	"database/sql"
	"errors"
)

// applyWait asks a node to wait until it has applied what the cluster has
// committed, on a connection of its own: wsrep_sync_wait orders a mark behind
// all commits of the group and waits for it (15 is for every kind of
// statement; MariaDB KB, "wsrep_sync_wait").
type applyWait struct {
	link *link
	conn *sql.Conn
}

// openApplyWait connects to a node.
func (m *Monitor) openApplyWait(ctx context.Context, addr string) (*applyWait, error) {
	m.mu.Lock()
	s := m.settings
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, applyLimit)
	defer cancel()
	w := &applyWait{link: newLink(linkOptions{addr: addr, credentials: credentials{s.User, s.Password}, dialTimeout: s.ProbeTimeout, dial: m.dial, tls: m.tls})}
	var err error
	if w.conn, err = w.link.db.Conn(ctx); err == nil {
		_, err = w.conn.ExecContext(ctx, "SET SESSION wsrep_sync_wait=15")
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// wait returns when the node has applied all that was committed before.
func (w *applyWait) wait(ctx context.Context) error {
	_, err := w.conn.ExecContext(ctx, "SELECT 1")
	if err != nil && ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	return err
}

// close closes the connection.
func (w *applyWait) close() {
	if w.conn != nil {
		_ = w.conn.Close()
	}
	w.link.close()
}
