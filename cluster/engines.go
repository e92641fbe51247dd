package cluster

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// systemSchemas are those of the server's own, which package mysql knows.
const systemSchemas = "('information_schema', 'performance_schema', 'mysql', 'sys')"

// The questions of the import. A table with versions has a type of its own, a
// view has no engine, and a table of the SEQUENCE engine is in no list.
const (
	// LocalTablesQuery lists the tables that Galera does not replicate: schema,
	// name, engine.
	LocalTablesQuery = "SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE FROM information_schema.TABLES " +
		"WHERE TABLE_TYPE <> 'VIEW' AND ENGINE <> 'InnoDB' AND TABLE_SCHEMA NOT IN " + systemSchemas + " ORDER BY 1, 2"
	viewsQuery  = "SELECT TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA NOT IN " + systemSchemas
	grantsQuery = "SHOW GRANTS"
)

const (
	// enginesEvery is how many times rarer than accounts tables are imported:
	// the server opens every table's definition for it.
	enginesEvery = 6
	// enginesPause is the least time between two imports, in times of what the
	// last one took, where nobody asks.
	enginesPause = 50
)

// EnginesState is how the import goes, for the page and for check.
type EnginesState struct {
	At    time.Time // of the newest import that worked
	Err   error     // of the newest import; nil if it worked
	Blind *TablesGrant
}

// TablesGrant says that the monitor user may not see what tables there are, and
// what would let it. It is no error: all else works without.
type TablesGrant struct{ Account string }

// Grant is the statement to run on any node: the least that shows tables, and
// no rows.
func (g *TablesGrant) Grant() string { return "GRANT SHOW VIEW ON *.* TO " + g.Account }

// TablesGrantOf asks what the user may see; it is nil for one that may see
// tables. ask runs a query with one column.
func TablesGrantOf(ask func(query string, row func(cell string)) error) (*TablesGrant, error) {
	sees, g := false, &TablesGrant{}
	err := ask(grantsQuery, func(cell string) { sees = sees || seesTables(cell) })
	if err != nil || sees {
		return nil, err
	}
	return g, ask("SELECT CURRENT_USER()", func(cell string) { g.Account = sqlAccount(cell) })
}

// Engines knows the tables that Galera does not replicate, and what is stored
// that does more than its callers' texts say (StoredSet). Run owns its
// goroutine; the other methods may be called from any.
type Engines struct {
	monitor *Monitor
	log     hclog.Logger
	desk    desk
	set     atomic.Pointer[EngineSet]
	stored  atomic.Pointer[StoredSet]
	ask     chan struct{}

	mu     sync.Mutex
	noted  map[string]uint64 // schemas of which clients' statements tell, and how many imports had begun before
	turn   uint64            // imports that have begun
	tables []LocalTable
	views  []localView
	state  EnginesState
	// What is stored, as the import saw it, and as clients have defined it.
	bodies, defined []storedBody

	// Owned by Run.
	began    time.Time
	took     time.Duration
	writer   string
	reported string
}

// NewEngines makes an empty set; Run fills it.
func NewEngines(m *Monitor, log hclog.Logger) (*Engines, error) {
	if m == nil || log == nil {
		return nil, errors.New("cluster: engines need a monitor and a logger")
	}
	e := &Engines{monitor: m, log: log, desk: desk{monitor: m}, ask: make(chan struct{}, 1), noted: map[string]uint64{}}
	e.set.Store(&EngineSet{})
	e.stored.Store(&StoredSet{})
	return e, nil
}

// Snapshot is the newest set; never nil.
func (e *Engines) Snapshot() *EngineSet { return e.set.Load() }

// State says how the import goes.
func (e *Engines) State() EnginesState {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state
}

// Saw tells of a statement after which these schemas may have tables that are
// not replicated. They count as such from now on, until an import that begins
// later and sees all tables says otherwise.
func (e *Engines) Saw(schemas ...string) {
	e.mu.Lock()
	for _, s := range schemas {
		if s != "" {
			e.noted[strings.ToLower(s)] = e.turn
		}
	}
	e.publish()
	e.mu.Unlock()
	e.Refresh()
}

// publish puts the set in place that follows from what is known; e.mu is held.
func (e *Engines) publish() {
	next := newEngineSet(e.tables, e.views, slices.Collect(maps.Keys(e.noted)))
	if !next.equal(e.set.Load()) {
		e.set.Store(next)
	}
}

// Refresh asks for an import soon, without waiting for it. Imports are made at
// most once a second.
func (e *Engines) Refresh() {
	select {
	case e.ask <- struct{}{}:
	default:
	}
}

// Run imports at its interval, when asked, and when there is another writer,
// until the context ends.
func (e *Engines) Run(ctx context.Context) error {
	defer e.desk.leave()
	for {
		// Taken before the view is looked at, so that no change is missed.
		changed := e.monitor.Changed()
		e.began = time.Now()
		if n := e.desk.node(); n != nil {
			e.writer = n.Addr
		}
		err := e.load(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		e.took = time.Since(e.began)
		e.report(err)
		if err := e.pause(ctx, changed); err != nil {
			return err
		}
	}
}

// pause waits until the next import is due.
func (e *Engines) pause(ctx context.Context, changed <-chan struct{}) error {
	due := time.NewTimer(time.Until(e.began.Add(max(enginesEvery*e.desk.interval(), refreshGap, enginesPause*e.took))))
	defer due.Stop()
	for waiting := true; waiting; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-due.C:
			return nil
		case <-e.ask:
			waiting = false
		case <-changed:
			changed = e.monitor.Changed()
			n := e.desk.node()
			waiting = n == nil || n.Addr == e.writer
		}
	}
	return until(ctx, e.began.Add(max(refreshGap, e.took)))
}

// load imports once. What cannot be read stays as it was.
func (e *Engines) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, importTimeout)
	defer cancel()
	e.mu.Lock()
	e.turn++
	turn := e.turn
	e.mu.Unlock()
	tables, views, blind, err := e.read(ctx)
	if err == nil {
		err = e.loadStored(ctx)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state.Err = err; err != nil {
		return err
	}
	e.state.At, e.state.Blind = time.Now(), blind
	e.tables, e.views = tables, views
	if blind == nil {
		maps.DeleteFunc(e.noted, func(_ string, before uint64) bool { return before < turn })
	}
	e.publish()
	return nil
}

// read puts the questions.
func (e *Engines) read(ctx context.Context) (tables []LocalTable, views []localView, blind *TablesGrant, err error) {
	if blind, err = TablesGrantOf(func(query string, row func(cell string)) error {
		return e.desk.ask(ctx, query, func(cells []sql.NullString) error {
			row(cells[0].String)
			return nil
		})
	}); err != nil {
		return nil, nil, nil, err
	}
	if err = e.desk.read(ctx, LocalTablesQuery, func(cells []sql.NullString) error {
		tables = append(tables, LocalTable{cells[0].String, cells[1].String, cells[2].String})
		return nil
	}); err != nil {
		return nil, nil, nil, err
	}
	e.mu.Lock()
	some := len(tables)+len(e.noted) > 0
	e.mu.Unlock()
	if !some {
		return nil, nil, blind, nil
	}
	err = e.desk.read(ctx, viewsQuery, func(cells []sql.NullString) error {
		views = append(views, localView{cells[0].String, cells[1].String, cells[2].String})
		return nil
	})
	return tables, views, blind, err
}

// seesTables says whether a line of SHOW GRANTS lets the user see which tables
// there are: in all schemas, or in some of the users' own.
func seesTables(line string) bool {
	rights, rest, _ := strings.Cut(strings.TrimPrefix(line, "GRANT "), " ON ")
	on, _, _ := strings.Cut(rest, " TO ")
	schema, all := strings.CutSuffix(on, ".*")
	if !all {
		return false
	}
	switch strings.ToLower(strings.Trim(schema, "`")) {
	case "information_schema", "performance_schema", "mysql", "sys":
		return false
	}
	for right := range strings.SplitSeq(rights, ",") {
		switch strings.ToUpper(strings.TrimSpace(right)) {
		case "ALL PRIVILEGES", "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "REFERENCES", "INDEX", "ALTER", "SHOW VIEW", "CREATE VIEW",
			"TRIGGER", "DELETE HISTORY":
			return true
		}
	}
	return false
}

// report logs when the import begins to fail, fails in another way or works
// again, and which tables were found.
func (e *Engines) report(err error) {
	s := e.Snapshot()
	text := ""
	switch {
	case errors.Is(err, errNoUsableNode):
		return
	case err != nil:
		text = err.Error()
	case s.Any():
		text = strings.Join(s.Schemas(), ", ")
	}
	if text == e.reported {
		return
	}
	e.reported = text
	switch {
	case err != nil:
		e.log.Warn("cannot see which tables are not replicated", "error", err)
	case text == "":
		e.log.Info("there are no tables known any more that are not replicated")
	default:
		e.log.Warn("tables that are not of InnoDB are not replicated: reads of their schemas stay on the writer", "schemas", text, "tables", s.Count)
	}
}
