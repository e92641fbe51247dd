package mysql

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"galley/balancer"
	"galley/cluster"
	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// SHOW PROCESSLIST is the node's own list without galley's backend conns, and galley's sessions in their place. Others' sessions are for who has the privilege PROCESS
// (MariaDB: sql/privilege.h).
const mayShowOthers = 1 << 8

// The columns of the list (MariaDB: mysqld_list_processes() in sql/sql_show.cc). Progress is MariaDB's only.
const (
	processID = iota
	processUser
	processHost
	processSchema
	processCommand
	processTime
	processState
	processText
	processColumns
)

// shortText is how many characters of a statement the list shows without FULL.
const shortText = 100

// answerStatement is execute, when the statement's turn has come, but for what galley answers itself with a node's help.
func (s *session) answerStatement(t target, x *exchange, class *classify.Class) error {
	of, err := s.takeOff(class)
	if err != nil {
		return s.giveUp(x, err)
	}
	if of != nil {
		defer s.srv.flights.leave(of)
	}
	if class.Kind == classify.Show && x.stmt == nil && x.cmd.Whole() {
		if full, ok := classify.ProcessList(x.cmd.Body[1:], s.mode()); ok {
			return s.processList(t, x, full)
		}
	}
	return s.execute(t, x)
}

// processInfo runs COM_PROCESS_INFO.
func (s *session) processInfo(x *exchange) error {
	x.kind, x.noData = wire.AnswerQuery, true
	return s.processList(s.homeTarget(toWriter), x, false)
}

// thread names a thread of a node.
type thread struct {
	node *balancer.Backend
	id   uint64
}

// shownSession is a session that the list shows.
type shownSession struct {
	*session
	on     *backendConn // Where it ran something when the list was begun.
	thread thread
}

// processList answers SHOW PROCESSLIST, asked of t, with the sessions of galley that the user may see in place of galley's threads.
func (s *session) processList(t target, x *exchange, full bool) error {
	sessions := s.visible()
	ours := s.srv.threads()
	answer, ok, err := s.keepOn(t, x)
	if !ok {
		return err
	}
	node := s.shown.node.Load()
	columns := len(answer.head) - 1
	if !s.caps.Has(wire.ClientDeprecateEOF) {
		columns--
	}
	if !answer.isRows() || columns < processColumns || node == nil {
		return s.forwardKept(answer.buf)
	}
	for t := range s.srv.threads() {
		ours[t] = true // Those that were opened in the meantime.
	}
	var rows [][]value
	known := map[thread][]value{} // What nodes say of galley's threads.
	for _, p := range answer.rows {
		row, ok := values(p)
		if !ok || len(row) != columns {
			return s.forwardKept(answer.buf)
		}
		if th := threadOf(node, row); ours[th] {
			known[th] = row
		} else {
			rows = append(rows, row)
		}
	}
	s.askOthers(sessions, node, full, known)
	now := time.Now()
	for _, c := range sessions {
		row := make([]value, columns)
		for i := processColumns; i < columns; i++ {
			row[i].text = "0.000" // The progress.
		}
		c.describe(row, known[c.thread], now)
		if c.session == s {
			s.describeItself(row, x, full)
		}
		rows = append(rows, row)
	}
	return s.forwardKept(answer.with(rows))
}

// visible are the sessions that the user may see, in the order of their ids.
func (s *session) visible() []*shownSession {
	var all []*shownSession
	for _, c := range s.srv.allSessions(nil) {
		if c.shown.user.Load() == nil || c.userName() != s.login.user {
			if s.access&mayShowOthers == 0 {
				continue
			}
		}
		one := &shownSession{session: c, on: c.shown.running.Load()}
		if one.on != nil {
			one.thread = thread{one.on.node.Backend, uint64(one.on.threadID)}
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *shownSession) int { return cmp.Compare(a.id, b.id) })
	return all
}

// threads are all backend conns as their nodes know them.
func (s *Server) threads() map[thread]bool {
	all := map[thread]bool{}
	view := s.cluster.View()
	for i := range view.Nodes {
		node := &view.Nodes[i]
		for id := range s.conns.of(node).threadIDs() {
			all[thread{node.Backend, id}] = true
		}
	}
	return all
}

func threadOf(node *cluster.Node, row []value) thread {
	id, _ := strconv.ParseUint(row[processID].text, 10, 64)
	return thread{node.Backend, id}
}

// askOthers has the other nodes on which sessions run something say what they do there: galley keeps no texts of statements. A node that does not say is passed over.
func (s *session) askOthers(sessions []*shownSession, but *cluster.Node, full bool, known map[thread][]value) {
	asked := map[*balancer.Backend]bool{but.Backend: true}
	for _, c := range sessions {
		if c.on == nil || asked[c.thread.node] {
			continue
		}
		asked[c.thread.node] = true
		b, err := s.srv.errand(s.ctx, c.on.node, &s.login)
		if err != nil {
			continue
		}
		text := "SHOW PROCESSLIST"
		if full {
			text = "SHOW FULL PROCESSLIST"
		}
		rows, _ := b.query(text)
		b.quit()
		for _, row := range rows {
			if len(row) >= processColumns {
				known[threadOf(c.on.node, row)] = row
			}
		}
	}
}

// describe fills in a session's row. by is what its node says of the thread on which it ran something; what it says counts if the session still runs there.
func (c *shownSession) describe(row, by []value, now time.Time) {
	null := value{null: true}
	row[processID].text = strconv.FormatUint(uint64(c.id), 10)
	row[processHost].text = c.shown.addr
	row[processTime].text = strconv.FormatInt(int64(c.since(now)/time.Second), 10)
	row[processSchema], row[processText] = null, null
	if c.shown.user.Load() == nil {
		row[processUser].text, row[processCommand].text, row[processState].text = "unauthenticated user", "Connect", "login"
		return
	}
	row[processUser].text = c.userName()
	if schema := c.shown.schema.Load(); schema != nil && *schema != "" {
		row[processSchema] = value{text: *schema}
	}
	row[processCommand].text = commandName(c.shown.busy.command())
	switch {
	case c.shown.waiting.Load():
		row[processState].text = "waiting for a node"
	case c.waiter.in.Load() != nil:
		row[processState].text = "waiting for a connection"
	case c.shown.held.Load():
		row[processState].text = "waiting for its turn"
	case by != nil && c.on == c.shown.running.Load():
		copy(row[processState:], by[processState:])
	}
}

// describeItself fills in the row of the session that asks.
func (s *session) describeItself(row []value, x *exchange, full bool) {
	row[processTime].text, row[processState].text = "0", "starting"
	if x.cmd.Body[0] == wire.ComQuery {
		row[processText] = value{text: shortened(string(x.cmd.Body[1:]), full)}
	}
}

// shortened is a statement's text as the list shows it.
func shortened(text string, full bool) string {
	if full {
		return text
	}
	n := 0
	for i := range text {
		if n++; n > shortText {
			return text[:i]
		}
	}
	return text
}

// commandName is the server's name of a command (MariaDB: command_name in sql/sql_parse.cc).
func commandName(com byte) string {
	switch com {
	case 0:
		return "Sleep"
	case wire.ComQuery:
		return "Query"
	case wire.ComStmtExecute, wire.ComStmtBulkExecute:
		return "Execute"
	case wire.ComStmtPrepare:
		return "Prepare"
	case wire.ComStmtFetch:
		return "Fetch"
	case wire.ComStmtSendLongData:
		return "Long Data"
	case wire.ComStmtReset:
		return "Reset stmt"
	case wire.ComStmtClose:
		return "Close stmt"
	case wire.ComInitDB:
		return "Init DB"
	case wire.ComFieldList:
		return "Field List"
	case wire.ComChangeUser:
		return "Change user"
	case wire.ComResetConnection:
		return "Reset connection"
	case wire.ComProcessInfo:
		return "Processlist"
	case wire.ComStatistics:
		return "Statistics"
	}
	return "Query"
}

// with gives the answer with other rows, its packets numbered afresh.
func (k *keptAnswer) with(rows [][]value) []byte {
	seq := k.head[0][wire.HeaderLen-1]
	out := make([]byte, 0, len(k.buf)+128*len(rows))
	add := func(payload func([]byte) []byte) {
		start := len(out)
		out = payload(append(out, 0, 0, 0, 0))
		wire.PutHeader(out[start:], len(out)-start-wire.HeaderLen, seq)
		seq++
	}
	for _, p := range k.head {
		add(func(b []byte) []byte { return append(b, p[wire.HeaderLen:]...) })
	}
	for _, row := range rows {
		if size := rowSize(row); size < wire.MaxPayload {
			add(func(b []byte) []byte { return appendRow(b, row) })
		}
	}
	add(func(b []byte) []byte { return append(b, k.end[wire.HeaderLen:]...) })
	return out
}

// rowSize bounds the length of a row's payload.
func rowSize(row []value) int {
	n := 0
	for _, v := range row {
		n += len(v.text) + 9
	}
	return n
}

// appendRow appends a row's payload.
func appendRow(b []byte, row []value) []byte {
	for _, v := range row {
		if v.null {
			b = append(b, 0xfb)
			continue
		}
		b = wire.AppendLenenc(b, uint64(len(v.text)))
		b = append(b, v.text...)
	}
	return b
}

// forwardKept sends packets that are as the client is to see them.
func (s *session) forwardKept(packets []byte) error {
	if err := s.client.Write(packets); err != nil {
		return endSession(closeClientGone, err)
	}
	return nil
}
