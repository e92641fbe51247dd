package mysql

import (
	"errors"
	"sync"

	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// What a session begins with: the character set of its login, the schema, and what init_connect sets.

// charsetCache remembers which variables a login with a collation id begins with: the server has the ids, and may be told to ignore them (skip-character-set-client-handshake).
// Safe for use by many goroutines.
type charsetCache struct {
	mu   sync.RWMutex
	vars map[uint8][]variable
	owns map[string]string // The collation that a character set has by itself.
	sets map[[2]string]names
}

// names is what SET NAMES sets. What it makes of the variables that most sessions begin with is kept: so all of these have the same ones, in one piece of memory.
type names struct {
	charset, collation string
	from, to           []variable
}

// accepted gives what SET NAMES charset COLLATE collation sets, if a node has accepted it; collation may be "".
func (c *charsetCache) accepted(charset, collation string) (names, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	n, ok := c.sets[[2]string{charset, collation}]
	return n, ok
}

func (c *charsetCache) accept(charset, collation string, n names) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sets == nil {
		c.sets = map[[2]string]names{}
	}
	c.sets[[2]string{charset, collation}] = n
}

// own gives the collation that a character set has where none is named.
func (c *charsetCache) own(charset string) (string, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	collation, ok := c.owns[charset]
	return collation, ok
}

func (c *charsetCache) addOwn(charset, collation string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owns == nil {
		c.owns = map[string]string{}
	}
	c.owns[charset] = collation
}

func (c *charsetCache) find(id uint8) ([]variable, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.vars[id]
	return v, ok
}

func (c *charsetCache) add(id uint8, vars []variable) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.vars == nil {
		c.vars = map[uint8][]variable{}
	}
	c.vars[id] = vars
}

func (c *charsetCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.vars)
	clear(c.owns)
	clear(c.sets)
}

// askCharset reads on a new conn which variables its login has set.
const askCharset = "SELECT @@character_set_client, @@character_set_connection, @@collation_connection, @@character_set_results"

// settle ends a login: what the session begins with must be known, and its schema must be one that exists and may be used, as a server would see to. A schema that was found good
// a moment ago is not asked for again. Its error ends the session; the client has been told.
func (s *session) settle() error {
	if err := s.settled(); err != nil {
		return s.unsettled(err)
	}
	return nil
}

// settled is settle, but tells the client nothing.
func (s *session) settled() error {
	var w wait
	if s.login.expired {
		vars, _ := s.srv.charsets.find(s.login.charset)
		s.state.begin(vars) // As its conn will have it: a node lets nobody reset one whose password has expired.
		return nil          // And it would answer nothing.
	}
	if _, ok := s.srv.charsets.find(s.login.charset); !ok {
		if err := s.learnCharset(&w); err != nil {
			return err
		}
	}
	vars, _ := s.srv.charsets.find(s.login.charset)
	s.state.begin(vars)
	init := s.srv.cluster.View().Server.InitConnect
	if s.access&mayKillOthers != 0 {
		init = "" // Those who could not log in any more if it were wrong are spared (MariaDB: sql/sql_connect.cc, prepare_new_connection_state).
	}
	checks := s.state.schema != "" && !s.srv.schemas.good(s.login.account, s.state.schema)
	if init == "" && !checks {
		return nil
	}
	for {
		b, err := s.conn(toWriter, &w)
		if err != nil {
			return err
		}
		if err = s.settleOn(b, init); err == nil {
			s.letGo()
			return nil
		}
		if refused, ok := errors.AsType[*wire.ServerError](err); ok && !neverRan(refused) {
			return err
		}
		s.srv.lost(b, err)
		s.drop(b)
		if !s.pause(&w) {
			return wire.NewError(codeTooManyConnections, "galley: the node was lost while logging in")
		}
	}
}

// settleOn makes b a conn of the new session's. A refusal leaves b as good as it was.
func (s *session) settleOn(b *backendConn, init string) error {
	x := exchange{noData: true, effects: effects{sees: tieVariables | tieInsertID}}
	schema := s.state.schema
	s.state.schema = ""
	err := s.catchUpNow(b, &x)
	s.state.schema = schema
	if err != nil {
		b.lost.Store(true)
		return err
	}
	if schema != "" {
		turn := s.srv.schemas.now()
		if err := b.command(wire.ComInitDB, schema); err != nil {
			return err
		}
		b.schema = schema
		s.srv.schemas.add(s.login.account, schema, turn)
	}
	if init == "" {
		return nil
	}
	return s.runInit(b, init)
}

// runInit runs init_connect, which may be several statements, and takes what it sets for what the session begins with.
func (s *session) runInit(b *backendConn, init string) error {
	class := classify.Statement([]byte(init), s.mode())
	x := exchange{kind: wire.AnswerQuery}
	x.classed(&class, []byte(init))
	x.changes = pinChanges(&class, []byte(init), s.mode(), s.state.schema, s.state.pins)
	several := class.Flags.Has(classify.MultiStatement) && !b.caps.Has(wire.ClientMultiStatements)
	if several {
		if err := b.command(wire.ComSetOption, "\x00\x00"); err != nil {
			return err
		}
	}
	b.out = wire.AppendCommand(b.out[:0], wire.ComQuery, init)
	if err := b.Write(b.out); err != nil {
		return err
	}
	a := &s.answer
	for a.Start(wire.AnswerQuery, b.caps); !a.Done; {
		win := b.Window()
		n, ev, err := a.Walk(win)
		switch {
		case err != nil:
			return err
		case ev == wire.EventStatus:
			s.noteStatus(b, &x, win[:n])
		case ev == wire.EventError:
			refused := wire.ParseErr(win[a.LastStart+wire.HeaderLen : n])
			b.Discard(n)
			b.retire = true
			s.srv.log.Error("init_connect fails", "node", b.node.Addr, "user", s.login.user, "error", refused)
			return wire.NewError(codeAborted, "Aborted connection %d to db: '%s' user: '%s' host: '%s' (init_connect command failed)", s.id, s.state.schema, s.login.user, s.clientHost())
		case ev == wire.EventInFile:
			return errNoAnswer
		}
		b.Discard(n)
		if ev == wire.EventMore && !a.Done {
			if err := b.Fill(); err != nil {
				return err
			}
		}
	}
	s.state.change(x.changes, false)
	b.own |= x.leaves
	b.dirt |= x.leaves
	if s.state.pins != 0 {
		s.pinnedOn = b
	}
	if several {
		return b.command(wire.ComSetOption, "\x01\x00")
	}
	return nil
}

// learnCharset asks a node what a login with the session's character set begins with.
func (s *session) learnCharset(w *wait) error {
	for {
		changed := s.srv.cluster.Changed()
		view := s.srv.cluster.View()
		node := view.WriterNode()
		if node == nil && len(view.Readers) > 0 {
			node = &view.Nodes[view.Readers[0]]
		}
		if node != nil {
			l := s.login
			l.schema, l.setup = "", trackEverything
			b, err := s.srv.dialBackend(s.ctx, node, &l)
			if err == nil {
				var row []string
				if row, err = b.row(askCharset); err == nil && len(row) == 4 {
					b.closeQuietly()
					s.srv.charsets.add(l.charset, []variable{
						{name: "character_set_client", value: row[0]},
						{name: charsetConnection, value: row[1]},
						{name: collationConnection, value: row[2]},
						{name: "character_set_results", value: row[3]},
					})
					return nil
				}
				_ = b.Close()
				err = &dialError{addr: node.Addr, err: errors.Join(err, errNoAnswer)}
			}
			if err = s.unopened(node, err); err != nil {
				return err
			}
		}
		if err := s.waitForNode(view, changed, toWriter, w); err != nil {
			return err
		}
	}
}

// unsettled tells the client that its login comes to nothing.
func (s *session) unsettled(err error) error {
	var refused *wire.ServerError
	if !errors.As(err, &refused) {
		return err
	}
	reason := closeAccessDenied
	if refused.Code == codeUnknownCommand || refused.Code == codeTooManyConnections {
		refused, reason = wire.NewError(codeTooManyConnections, "%s", refused.Message), closeNoNode
	}
	_ = s.writeError(refused)
	return endSession(reason, refused)
}
