package cluster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// errNoUsableNode says that there is no node to ask.
var errNoUsableNode = errors.New("no usable node to ask")

// desk asks one node for what the probes do not: accounts, variables. Its
// connection is its own, so that a long answer delays no probe, and is closed
// between questions that are far apart. It has one user at a time.
type desk struct {
	monitor *Monitor
	addr    string
	login   credentials
	link    *link
}

// interval is the time between two imports of accounts.
func (d *desk) interval() time.Duration {
	d.monitor.mu.Lock()
	defer d.monitor.mu.Unlock()
	return d.monitor.settings.AccountsInterval
}

// until waits for a moment.
func until(ctx context.Context, moment time.Time) error {
	t := time.NewTimer(time.Until(moment))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// node gives the node to ask: the writer, which has every change first, else
// any that may be read.
func (d *desk) node() *Node {
	v := d.monitor.View()
	if w := v.WriterNode(); w != nil {
		return w
	}
	return v.PickReader()
}

// ask runs a query on the node and reads its rows, which are of texts.
func (d *desk) ask(ctx context.Context, query string, row func(cells []sql.NullString) error) error {
	return d.askAll(ctx, query, func(_ int, _ []string, cells []sql.NullString) error { return row(cells) })
}

// askAll is ask for several statements; row is told of which one, counted from
// 0, the cells are, and what the columns are called.
func (d *desk) askAll(ctx context.Context, query string, row func(set int, columns []string, cells []sql.NullString) error) error {
	n := d.node()
	if n == nil {
		return errNoUsableNode
	}
	d.sit(n.Addr)
	if err := d.readAll(ctx, query, row); err != nil {
		return fmt.Errorf("node %s: %w", n.Addr, err)
	}
	return nil
}

// sit makes the link to a node, if it is not there yet.
func (d *desk) sit(addr string) {
	d.monitor.mu.Lock()
	s := d.monitor.settings
	d.monitor.mu.Unlock()
	login := credentials{s.User, s.Password}
	if d.link != nil && d.addr == addr && d.login == login {
		return
	}
	d.leave()
	l := newLink(linkOptions{addr: addr, credentials: login, dialTimeout: s.ProbeTimeout, dial: d.monitor.dial, tls: d.monitor.tls})
	l.db.SetConnMaxIdleTime(deskIdle)
	d.link, d.addr, d.login = l, addr, login
}

// leave closes the link.
func (d *desk) leave() {
	if d.link != nil {
		d.link.close()
		d.link = nil
	}
}

// read runs a query on the link; row is given each row's cells, which it must
// not keep.
func (d *desk) read(ctx context.Context, query string, row func(cells []sql.NullString) error) error {
	return d.readAll(ctx, query, func(_ int, _ []string, cells []sql.NullString) error { return row(cells) })
}

// readAll is read for several statements.
func (d *desk) readAll(ctx context.Context, query string, row func(set int, columns []string, cells []sql.NullString) error) error {
	rows, err := d.link.db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for set := 0; ; set++ {
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		cells := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				return err
			}
			if err := row(set, columns, cells); err != nil {
				return err
			}
		}
		if !rows.NextResultSet() {
			return rows.Err()
		}
	}
}
