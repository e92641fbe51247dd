package cluster

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	// deskIdle closes a desk's connection when nothing is asked for so long.
	deskIdle = time.Minute
	// refreshGap is the least time between two imports, however many clients
	// come with unknown users or wrong passwords.
	refreshGap = time.Second
	// importTimeout bounds one import.
	importTimeout = 10 * time.Second
)

// ConfiguredAccount is an account from the configuration.
type ConfiguredAccount struct{ User, Host, Password string }

// AccountsOptions are what Accounts needs.
type AccountsOptions struct {
	Monitor    *Monitor
	Configured []ConfiguredAccount
	Logger     hclog.Logger
}

// Accounts imports the cluster's accounts with the monitor user, again and
// again. Run owns its goroutine; the other methods may be called from any.
type Accounts struct {
	monitor *Monitor
	log     hclog.Logger
	desk    desk
	set     atomic.Pointer[AccountSet]
	ask     chan struct{}

	mu         sync.Mutex
	configured []*Account
	waiters    []chan error
	state      AccountsState

	// Owned by Run.
	tables   imported
	reported string // the error told last
}

// AccountsState is how the import goes, for the page and for check.
type AccountsState struct {
	At       time.Time // of the newest import that worked
	Imported int       // accounts of it
	Err      error     // of the newest import; nil if it worked
	// Unseen says which rights the monitor user may not read. Conns that are
	// open then go on with them after a REVOKE.
	Unseen *GrantError
}

// NewAccounts checks the options; it does no I/O. Until the first import there
// are only the accounts from the configuration.
func NewAccounts(o AccountsOptions) (*Accounts, error) {
	if o.Monitor == nil || o.Logger == nil {
		return nil, errors.New("cluster: accounts need a monitor and a logger")
	}
	a := &Accounts{
		monitor: o.Monitor, log: o.Logger, desk: desk{monitor: o.Monitor},
		ask: make(chan struct{}, 1), configured: fromConfig(o.Configured),
	}
	a.set.Store(newAccountSet(nil, a.configured))
	return a, nil
}

// fromConfig makes accounts of those in the configuration.
func fromConfig(list []ConfiguredAccount) []*Account {
	out := make([]*Account, 0, len(list))
	for _, c := range list {
		host := c.Host
		if host == "" {
			host = "%"
		}
		out = append(out, &Account{
			User: c.User, Host: host, Password: c.Password, FromConfig: true, PasswordLifetime: -1,
			Fingerprint: fingerprint(c.User, host, c.Password),
		})
	}
	return out
}

// Snapshot is the newest set of accounts; never nil.
func (a *Accounts) Snapshot() *AccountSet { return a.set.Load() }

// State says how the import goes.
func (a *Accounts) State() AccountsState {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

// SetConfigured replaces the accounts from the configuration.
func (a *Accounts) SetConfigured(list []ConfiguredAccount) {
	a.mu.Lock()
	a.configured = fromConfig(list)
	a.mu.Unlock()
	a.wake()
}

// Refresh waits for an import that began after the call: for a client with an
// unknown user or a password that does not fit. Imports are made at most once
// a second and each one serves all that wait.
func (a *Accounts) Refresh(ctx context.Context) error {
	done := make(chan error, 1)
	a.mu.Lock()
	a.waiters = append(a.waiters, done)
	a.mu.Unlock()
	a.wake()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		a.mu.Lock()
		a.waiters = slices.DeleteFunc(a.waiters, func(c chan error) bool { return c == done })
		a.mu.Unlock()
		return ctx.Err()
	}
}

// wake asks Run for an import.
func (a *Accounts) wake() {
	select {
	case a.ask <- struct{}{}:
	default:
	}
}

// Run imports the accounts at their interval, when asked, and as soon as there
// is a node to ask, until the context ends.
func (a *Accounts) Run(ctx context.Context) error {
	defer a.desk.leave()
	defer func() { a.answer(a.take(), context.Canceled) }()
	for {
		began := time.Now()
		// Taken before the view is looked at, so that no change is missed.
		changed := a.monitor.Changed()
		waiters := a.take()
		err := a.load(ctx)
		if ctx.Err() != nil {
			a.answer(waiters, ctx.Err())
			return ctx.Err()
		}
		a.report(err)
		a.answer(waiters, err)
		if err = a.pause(ctx, began, err, changed); err != nil {
			return err
		}
	}
}

// pause waits until the next import is due.
func (a *Accounts) pause(ctx context.Context, began time.Time, failed error, changed <-chan struct{}) error {
	due := time.NewTimer(time.Until(began.Add(max(a.desk.interval(), refreshGap/10))))
	defer due.Stop()
	if failed == nil {
		changed = nil // only a failed import is repeated as soon as a node is there
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-due.C:
		return nil
	case <-a.ask:
	case <-changed:
		if errors.Is(failed, errNoUsableNode) {
			return nil
		}
	}
	return until(ctx, began.Add(refreshGap))
}

// take gives those that wait for the import that begins now.
func (a *Accounts) take() []chan error {
	a.mu.Lock()
	defer a.mu.Unlock()
	waiters := a.waiters
	a.waiters = nil
	return waiters
}

// answer tells those that waited.
func (a *Accounts) answer(waiters []chan error, err error) {
	for _, w := range waiters {
		w <- err
	}
}

// report logs when the import begins to fail, fails in another way or works
// again.
func (a *Accounts) report(err error) {
	state := a.State()
	text := ""
	switch {
	case err != nil:
		text = err.Error()
	case state.Unseen != nil:
		text = state.Unseen.Error()
	}
	if text == a.reported {
		return
	}
	a.reported = text
	switch {
	case err == nil:
		a.log.Info("accounts imported", "accounts", state.Imported)
		if state.Unseen != nil {
			a.log.Warn("accounts are imported without their rights: a right that is revoked holds on open connections to nodes until they are closed", "do", state.Unseen.Grant())
		}
	case errors.Is(err, errNoUsableNode) && state.At.IsZero():
		a.log.Debug("accounts are imported as soon as there is a node to ask")
	case errors.Is(err, ErrNoGlobalPriv):
		a.log.Warn("accounts not imported", "error", err)
	default:
		a.log.Error("accounts not imported", "error", err)
	}
}
