package cluster

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// VariableKind is how a variable's value is written in SET.
type VariableKind uint8

// The kinds. What is not known is a text.
const (
	TextVariable    VariableKind = iota // VARCHAR, ENUM, SET, FLAGSET: quoted
	NumberVariable                      // as it is
	BooleanVariable                     // ON or OFF
)

// Variable is what a server says of one of its system variables.
type Variable struct {
	Name     string // lower case
	Type     string // the server's word
	Kind     VariableKind
	Session  bool // can be set for a session
	Global   bool // has a global value
	ReadOnly bool
}

// Variables knows the system variables of the servers in the cluster. Each
// server version is asked once. Run owns its goroutine; the other methods may
// be called from any.
type Variables struct {
	monitor *Monitor
	log     hclog.Logger
	desk    desk
	known   atomic.Pointer[map[string]Variable]
	version string // owned by Run
}

const variablesQuery = "SELECT VARIABLE_NAME, VARIABLE_SCOPE, VARIABLE_TYPE, READ_ONLY FROM information_schema.SYSTEM_VARIABLES"

// variablesRetry is the time until a failed question is put again.
const variablesRetry = 5 * time.Second

// NewVariables makes an empty set; Run fills it.
func NewVariables(m *Monitor, log hclog.Logger) (*Variables, error) {
	if m == nil || log == nil {
		return nil, errors.New("cluster: variables need a monitor and a logger")
	}
	v := &Variables{monitor: m, log: log, desk: desk{monitor: m}}
	v.known.Store(&map[string]Variable{})
	return v, nil
}

// Find gives a variable by its name, in whatever case.
func (v *Variables) Find(name string) (Variable, bool) {
	known := *v.known.Load()
	if found, ok := known[name]; ok {
		return found, true
	}
	found, ok := known[strings.ToLower(name)]
	return found, ok
}

// Kind says how the variable's value is written in SET.
func (v *Variables) Kind(name string) VariableKind {
	found, _ := v.Find(name)
	return found.Kind
}

// Len is how many variables are known: zero before the first answer.
func (v *Variables) Len() int { return len(*v.known.Load()) }

// Run asks whenever the writer is of another version, until the context ends.
func (v *Variables) Run(ctx context.Context) error {
	defer v.desk.leave()
	retry := time.NewTimer(variablesRetry)
	defer retry.Stop()
	for {
		changed := v.monitor.Changed()
		if n := v.desk.node(); n != nil && n.Status.Server.Version != v.version {
			if err := v.load(ctx); err == nil {
				v.version = n.Status.Server.Version
			} else if ctx.Err() == nil {
				v.log.Warn("system variables not read", "error", err)
				retry.Reset(variablesRetry)
			}
			v.desk.leave()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-retry.C:
		}
	}
}

// load asks once. What a version before knew is kept.
func (v *Variables) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, importTimeout)
	defer cancel()
	next := maps.Clone(*v.known.Load())
	err := v.desk.ask(ctx, variablesQuery, func(cells []sql.NullString) error {
		x := newVariable(cells[0].String, cells[1].String, cells[2].String, cells[3].String)
		next[x.Name] = x
		return nil
	})
	if err == nil {
		v.known.Store(&next)
	}
	return err
}

// newVariable reads one row.
func newVariable(name, scope, kind, readOnly string) Variable {
	x := Variable{
		Name: strings.ToLower(name), Type: kind, ReadOnly: readOnly == "YES",
		Session: strings.HasPrefix(scope, "SESSION"), Global: scope != "SESSION ONLY",
	}
	switch base, _, _ := strings.Cut(kind, " "); base {
	case "INT", "BIGINT", "DOUBLE":
		x.Kind = NumberVariable
	case "BOOLEAN":
		x.Kind = BooleanVariable
	}
	return x
}
