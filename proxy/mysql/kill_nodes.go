package mysql

import (
	"context"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/cluster"
	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// interrupt has the node kill what target runs now, or its connection there, as the user of l. It says whether target ran something.
//
// A backend conn may be given to another session as soon as its statement has ended, and a KILL that comes late would hit that one. So the killer is counted on the conn
// first, and then looks whether target still runs there: who gives the conn back looks for killers after it has said that nothing runs. It is also asked whether what
// is to be killed still runs.
func (s *Server) interrupt(ctx context.Context, target *session, l *login, k *classify.KillStatement, still func() bool) (ran bool, err error) {
	for range killAttempts {
		b := target.shown.running.Load()
		if b == nil {
			return false, nil
		}
		own, err := s.errand(ctx, b.node, l)
		if err != nil {
			return true, err
		}
		ran, err = kill(target, b, own, k, still)
		own.quit()
		if ran || err != nil {
			return ran, err
		}
	}
	return false, nil
}

// killAttempts is how often a session is tried that has gone on to another conn while the killer connected to the one that it had.
const killAttempts = 3

// kill kills what target runs on b, if it is still there.
func kill(target *session, b, own *backendConn, k *classify.KillStatement, still func() bool) (ran bool, err error) {
	b.killers.Add(1)
	defer b.killers.Add(-1)
	if target.shown.running.Load() != b || !still() {
		return false, nil
	}
	return true, own.command(wire.ComQuery, killText(k, uint64(b.threadID)))
}

// killText is the statement for one thread of a node.
func killText(k *classify.KillStatement, id uint64) string {
	text := "KILL "
	if k.Soft {
		text += "SOFT "
	}
	if k.Query {
		text += "QUERY "
	}
	if k.Target == classify.KillQueryID {
		text += "ID "
	}
	return text + strconv.FormatUint(id, 10)
}

// errand opens a connection of galley's own to a node, as the user of l, for a statement or two besides those of the sessions.
func (s *Server) errand(ctx context.Context, node *cluster.Node, l *login) (*backendConn, error) {
	own := *l
	own.schema, own.setup = "", trackEverything
	return s.dialBackend(ctx, node, &own)
}

// quit ends an errand.
func (b *backendConn) quit() {
	_ = b.Write([]byte{1, 0, 0, 0, wire.ComQuit})
	_ = b.Close()
}

func isUnknownThread(err error) bool {
	refused, ok := errors.AsType[*wire.ServerError](err)
	return ok && refused.Code == codeNoSuchThread
}

// eachNode runs visit with an errand to every node that may be used, as the session's user. It gives the last error of a node that could not be asked.
func (s *session) eachNode(visit func(*backendConn) error) (failed error) {
	view := s.srv.cluster.View()
	for i := range view.Nodes {
		node := &view.Nodes[i]
		if i != view.Writer && node.ReadGrade == cluster.Never {
			continue
		}
		b, err := s.srv.errand(s.ctx, node, &s.login)
		if err == nil {
			err = visit(b)
			b.quit()
		}
		if err != nil {
			failed = err
		}
	}
	return failed
}

// killQueryID runs KILL QUERY ID. Each node counts its queries for itself, so that it acts where exactly one node runs a query of that number.
func (s *session) killQueryID(k *classify.KillStatement) error {
	id := strconv.FormatUint(k.ID, 10)
	var on []*cluster.Node
	failed := s.eachNode(func(b *backendConn) error {
		rows, err := b.query("SELECT ID FROM information_schema.PROCESSLIST WHERE QUERY_ID = " + id + " AND COMMAND NOT IN ('Sleep', 'Daemon') AND ID <> CONNECTION_ID()")
		if len(rows) > 0 {
			on = append(on, b.node)
		}
		return err
	})
	switch {
	case len(on) == 0 && failed != nil:
		return s.writeError(clientError(failed, "a node could not be asked which queries it runs"))
	case len(on) == 0:
		return s.writeError(wire.NewError(codeNoSuchQuery, "Unknown query id: %d", k.ID))
	case len(on) > 1:
		addrs := make([]string, 0, len(on))
		for _, node := range on {
			addrs = append(addrs, node.Addr)
		}
		return s.writeError(wire.NewError(codeNotSupported, "galley: %s each run a query with id %d, and only one can be meant: use KILL QUERY with a connection id, or connect to the node", strings.Join(addrs, " and "), k.ID))
	}
	b, err := s.srv.errand(s.ctx, on[0], &s.login)
	if err == nil {
		defer b.quit()
		err = b.command(wire.ComQuery, killText(k, k.ID))
	}
	if err != nil {
		return s.writeError(clientError(err, "the node could not be asked to kill the query"))
	}
	s.srv.metrics.kills[killAsked].Add(1)
	return s.writeOK()
}

// killThreadsOf kills a user's threads on all nodes, but for galley's own backend conns: what those run belongs to sessions of galley.
func (s *session) killThreadsOf(k *classify.KillStatement) (killed uint64, refused *wire.ServerError) {
	one := classify.KillStatement{Target: classify.KillConnection, Query: k.Query, Soft: k.Soft}
	_ = s.eachNode(func(b *backendConn) error {
		rows, err := b.query("SELECT ID, HOST FROM information_schema.PROCESSLIST WHERE USER = " + quoted(k.User) + " AND ID <> CONNECTION_ID()")
		if err != nil {
			return err
		}
		ours := s.srv.conns.of(b.node).threadIDs()
		for _, row := range rows {
			id, err := strconv.ParseUint(row[0].text, 10, 64)
			host, _, _ := strings.Cut(row[1].text, ":")
			if err != nil || ours[id] || k.Host != "" && k.Host != "%" && k.Host != host {
				continue
			}
			switch err := b.command(wire.ComQuery, killText(&one, id)); {
			case err == nil:
				killed++
			case isUnknownThread(err): // It has gone by itself.
			case isRefusal(err):
				refused = clientError(err, "")
			default:
				return err
			}
		}
		return nil
	})
	return killed, refused
}

// threadIDs are the nodes' ids of the set's conns.
func (c *connSet) threadIDs() map[uint64]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := make(map[uint64]bool, len(c.conns))
	for b := range c.conns {
		ids[uint64(b.threadID)] = true
	}
	return ids
}

// quoted writes a text as a string literal that is the same in every sql_mode.
func quoted(s string) string {
	return string(appendValue(nil, &variable{value: s}, func(string, string) bool { return false }))
}

// sessionsOf gives a user's sessions.
func (s *Server) sessionsOf(user string) []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*session
	for _, c := range s.sessions {
		if c.userName() == user && c.shown.user.Load() != nil {
			all = append(all, c)
		}
	}
	return all
}

// parameterNumber reads a bound parameter of a binary execution, a whole number or a text of one (MY, "Binary Protocol Value").
func parameterNumber(typ byte, p []byte) (uint64, bool) {
	var n int
	switch typ {
	case gomysql.MYSQL_TYPE_TINY:
		n = 1
	case gomysql.MYSQL_TYPE_SHORT, gomysql.MYSQL_TYPE_YEAR:
		n = 2
	case gomysql.MYSQL_TYPE_LONG, gomysql.MYSQL_TYPE_INT24:
		n = 4
	case gomysql.MYSQL_TYPE_LONGLONG:
		n = 8
	case gomysql.MYSQL_TYPE_VARCHAR, gomysql.MYSQL_TYPE_VAR_STRING, gomysql.MYSQL_TYPE_STRING, gomysql.MYSQL_TYPE_DECIMAL, gomysql.MYSQL_TYPE_NEWDECIMAL,
		gomysql.MYSQL_TYPE_TINY_BLOB, gomysql.MYSQL_TYPE_MEDIUM_BLOB, gomysql.MYSQL_TYPE_LONG_BLOB, gomysql.MYSQL_TYPE_BLOB:
		v, null, _, err := gomysql.LengthEncodedString(p)
		if err != nil || null {
			return 0, false
		}
		id, err := strconv.ParseUint(string(v), 10, 64)
		return id, err == nil
	default:
		return 0, false
	}
	if len(p) < n {
		return 0, false
	}
	var b [8]byte
	copy(b[:], p[:n])
	return binary.LittleEndian.Uint64(b[:]), true
}
