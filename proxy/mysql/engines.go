package mysql

import (
	"bytes"

	"galley/cluster"
	"galley/proxy/mysql/classify"
)

// Tables of other engines than InnoDB are not replicated: what was written is on the writer and nowhere else. Their reads stay there. The sets say in which schemas such tables
// are; a statement stays on the writer if its session is in one of them or if its text names one.

// noEngines says that all tables are replicated.
type noEngines struct {
	set    *cluster.EngineSet
	stored *cluster.StoredSet
}

func (n noEngines) Snapshot() *cluster.EngineSet { return n.set }
func (noEngines) Saw(...string)                  {}
func (n noEngines) Stored() *cluster.StoredSet   { return n.stored }
func (noEngines) Stores([]byte)                  {}

// situationOf is the situation for a statement with this text. One that is prepared, st, reads the tables of the schema in which it was; else st is nil.
func (s *session) situationOf(st *statement, sql []byte) situation {
	now := s.situation()
	if set := s.srv.engines.Snapshot(); set.Any() {
		now.stay = now.stay || set.Local(s.state.schema) || st != nil && set.Local(st.schema) || set.Named(sql)
		now.readOnlyReaders = false // What the transaction will read is not known yet.
	}
	return now
}

// defines gives what is to be done when the node has run a statement, before the client knows: nil for one that defines neither tables of other engines nor what does more than its callers' texts say.
func (s *session) defines(c *classify.Class, sql []byte) func() {
	if c.Kind != classify.DDL && c.Kind != classify.Other {
		return nil
	}
	engine, own := s.state.value("default_storage_engine")
	if !own {
		engine = s.srv.cluster.View().Server.DefaultEngine
	}
	if c.Kind == classify.Other && !c.Flags.Has(classify.ImplicitCommit) {
		engine = "" // Whatever it is, it may be no definition at all.
	}
	if s.srv.engines.Stored().Defined(sql) {
		text := bytes.Clone(sql)
		return func() { s.srv.engines.Stores(text) }
	}
	schemas, changed := s.srv.engines.Snapshot().Defines(sql, s.state.schema, engine)
	if !changed {
		return nil
	}
	return func() { s.srv.engines.Saw(schemas...) }
}
