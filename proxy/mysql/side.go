package mysql

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"galley/cluster"
	"galley/proxy/mysql/wire"
)

// side is a conn of galley's own to a node, for questions of one kind. One goroutine at a time asks; others may cut it.
type side struct {
	setup string

	mu     sync.Mutex
	conn   *backendConn
	usedAt time.Time // Of who asks.
}

const (
	// sideLimit bounds one question: longer than the provider's own limit for waiting, repl.causal_read_timeout, whose default is 30 s.
	sideLimit = 35 * time.Second
	// sideIdle is how long a side conn may be unused before it is looked at.
	sideIdle = 100 * time.Millisecond
)

// on asks over the conn, which is opened if need be. One that broke while it was idle is replaced. Its error is a *wire.ServerError where the node has answered with one, and
// errElsewhere where usable says that the node is not to be asked any more.
func (d *side) on(srv *Server, node *cluster.Node, usable func() bool, ask func(b *backendConn) error) error {
	for {
		if !usable() {
			return errElsewhere
		}
		b, fresh, err := d.get(srv, node)
		if err != nil {
			return err
		}
		_ = b.SetDeadline(time.Now().Add(sideLimit))
		if err = ask(b); err == nil {
			d.usedAt = time.Now()
			return nil
		}
		if isServerError(err) || errors.Is(err, errNoFunctions) {
			return err
		}
		d.drop(b)
		if fresh {
			return &dialError{addr: node.Addr, err: err}
		}
	}
}

func (d *side) get(srv *Server, node *cluster.Node) (b *backendConn, fresh bool, err error) {
	d.mu.Lock()
	b = d.conn
	d.mu.Unlock()
	if b != nil {
		if !b.lost.Load() && (time.Since(d.usedAt) < sideIdle || b.Idle() == nil) {
			return b, false, nil
		}
		d.drop(b)
	}
	l := *srv.own.Load()
	l.setup = d.setup
	if b, err = srv.dialBackend(srv.life, node, &l); err != nil {
		return nil, true, err
	}
	d.mu.Lock()
	d.conn = b
	d.mu.Unlock()
	return b, true, nil
}

func (d *side) drop(b *backendConn) {
	d.mu.Lock()
	if d.conn == b {
		d.conn = nil
	}
	d.mu.Unlock()
	_ = b.Close()
}

// cut ends a question under way.
func (d *side) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if b := d.conn; b != nil {
		b.lost.Store(true)
		_ = b.Close()
	}
}

// always is for questions that any node may be asked.
func always() bool { return true }

// standing runs a query whose only row ends with the node's position, and reads which write of the group is the last that can be seen there.
func (b *backendConn) standing(query string) (g gtid, committed uint64, err error) {
	if err = b.ask(query, committedQuery); err != nil {
		return g, 0, err
	}
	if g, err = b.readGTID(); err != nil && !isServerError(err) && !errors.Is(err, errNoFunctions) {
		return g, 0, err
	}
	committed, failed := b.readCommitted()
	if err == nil {
		err = failed
	}
	return g, committed, err
}

// readCommitted reads the answer to committedQuery.
func (b *backendConn) readCommitted() (uint64, error) {
	rows, err := b.rows()
	if err != nil {
		return 0, err
	}
	if len(rows) == 1 && len(rows[0]) == 2 {
		if n, err := strconv.ParseInt(rows[0][1], 10, 64); err == nil && n >= 0 { // Without a group it is -1, which some show as an unsigned number.
			return uint64(n), nil
		}
	}
	return 0, errNoAnswer
}

func (b *backendConn) readGTID() (g gtid, err error) {
	rows, err := b.rows()
	if err != nil {
		if refused, ok := errors.AsType[*wire.ServerError](err); ok && noSuchFunction(refused.Code) {
			return g, errNoFunctions
		}
		return g, err
	}
	if len(rows) == 1 && len(rows[0]) > 0 {
		if g, ok := parseGTID(rows[0][len(rows[0])-1]); ok {
			return g, nil
		}
	}
	return g, errNoFunctions // A server with other GTIDs.
}

// numbering reads how the node numbers.
func (b *backendConn) numbering() (n numbering, g gtid, err error) {
	if err = b.ask(lastSeenQuery, committedQuery, lastSeenQuery); err != nil {
		return n, g, err
	}
	first, err1 := b.readGTID()
	if err1 != nil && !isServerError(err1) && !errors.Is(err1, errNoFunctions) {
		return n, g, err1
	}
	committed, err2 := b.readCommitted()
	if err2 != nil && !isServerError(err2) && !errors.Is(err2, errNoAnswer) {
		return n, g, err2
	}
	if g, err = b.readGTID(); err != nil || err1 != nil || err2 != nil {
		return n, g, errors.Join(err, err1, err2)
	}
	return numbering{first.seq, committed, g.seq}, g, nil
}

func isServerError(err error) bool {
	_, ok := errors.AsType[*wire.ServerError](err)
	return ok
}

// noSuchFunction says whether an error says that a function does not exist: one that is not the server's own is looked for in a schema, of which there is none.
func noSuchFunction(code uint16) bool {
	return code == codeNoSuchRoutine || code == codeNoSuchFunction || code == codeNoSchema
}
