package cluster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// accountsQuery reads every account.
const accountsQuery = "SELECT User, Host, Priv FROM mysql." + privTable

// Errors of a server that tell why accounts cannot be imported.
const (
	errNoSuchTable = 1146
	errTableAccess = 1142
	errDBAccess    = 1044
)

// imported is what was read last, and from which state of the tables. Only Run
// uses it.
type imported struct {
	accounts []*Account
	rights   *rights
	from     string           // the node's address
	sums     map[string]int64 // the server's checksums by table
}

// load reads all accounts and puts them in place, if their tables have changed.
func (a *Accounts) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, importTimeout)
	defer cancel()
	sums, unseen, err := a.checksums(ctx)
	if err == nil && (a.tables.from != a.desk.addr || !maps.Equal(sums, a.tables.sums)) {
		err = a.read(ctx, sums)
	}
	if err != nil {
		err = a.explain(ctx, err)
	}
	a.mu.Lock()
	configured := a.configured
	if a.state.Err = err; err == nil {
		a.state.At, a.state.Imported, a.state.Unseen = time.Now(), len(a.tables.accounts), unseen
	}
	a.mu.Unlock()
	next := newAccountSet(a.tables.accounts, a.withRights(configured))
	if !slices.Equal(next.all, a.set.Load().all) {
		a.set.Store(next)
	}
	return err
}

// checksums asks which tables there are and for their checksums, which costs a
// scan there and a row per table here. Without the right to read all of them
// it is the one of accounts only.
func (a *Accounts) checksums(ctx context.Context) (map[string]int64, *GrantError, error) {
	sums, err := a.checksum(ctx, append([]string{privTable}, rightsTables()...))
	if err == nil || !refusedAccess(err) {
		return sums, nil, err
	}
	unseen := a.grantError(ctx, err)
	unseen.Tables = rightsTables()
	sums, err = a.checksum(ctx, []string{privTable})
	return sums, unseen, err
}

func (a *Accounts) checksum(ctx context.Context, tables []string) (map[string]int64, error) {
	sums := make(map[string]int64, len(tables))
	err := a.desk.ask(ctx, "CHECKSUM TABLE mysql."+strings.Join(tables, ", mysql."), func(cells []sql.NullString) error {
		// A table that does not exist has NULL.
		var sum int64
		if len(cells) == 2 && cells[1].Valid {
			if _, err := fmt.Sscan(cells[1].String, &sum); err != nil {
				return fmt.Errorf("the checksum of %s: %w", cells[0].String, err)
			}
			sums[strings.TrimPrefix(cells[0].String, "mysql.")] = sum
		}
		return nil
	})
	if _, ok := sums[privTable]; !ok && err == nil {
		err = ErrNoGlobalPriv
	}
	return sums, err
}

// read reads the tables whose checksums these are, in one round trip. Accounts
// that have not changed stay the same.
func (a *Accounts) read(ctx context.Context, sums map[string]int64) error {
	query, tables := accountsQuery, []string{privTable}
	for _, table := range rightsTables() {
		if _, ok := sums[table]; ok {
			query += ";SELECT * FROM mysql." + table
			tables = append(tables, table)
		}
	}
	type row struct{ user, host, priv string }
	var all []row
	r := newRights()
	err := a.desk.askAll(ctx, query, func(set int, columns []string, cells []sql.NullString) error {
		if set > 0 {
			r.add(tables[min(set, len(tables)-1)], columns, cells)
			return nil
		}
		all = append(all, row{cells[0].String, cells[1].String, cells[2].String})
		return nil
	})
	if err != nil {
		return err
	}
	parsed := make(map[row]*Account, len(all))
	for _, one := range all {
		acc, err := parseAccount(one.user, one.host, one.priv)
		switch {
		case err != nil:
			a.log.Warn("account left out", "error", err)
		case acc == nil:
			r.addRole(one.user, one.priv)
		default:
			parsed[one] = acc
		}
	}
	old := make(map[uint64]*Account, len(a.tables.accounts))
	for _, acc := range a.tables.accounts {
		old[acc.Fingerprint] = acc
	}
	a.tables = imported{rights: r, from: a.desk.addr, sums: sums}
	for _, one := range all {
		if acc := parsed[one]; acc != nil {
			acc.Fingerprint += r.of(acc.User)
			if same := old[acc.Fingerprint]; same != nil {
				acc = same
			}
			a.tables.accounts = append(a.tables.accounts, acc)
		}
	}
	return nil
}

// withRights gives the configured accounts with the rights that their users
// have by what was imported: their rows, which may be of other hosts, included.
func (a *Accounts) withRights(configured []*Account) []*Account {
	if a.tables.rights == nil {
		return configured
	}
	out := make([]*Account, 0, len(configured))
	present := a.set.Load().all
	for _, c := range configured {
		acc := *c
		acc.Fingerprint += a.tables.rights.of(c.User)
		for _, row := range a.tables.accounts {
			if row.User == c.User {
				acc.Fingerprint += row.Fingerprint
			}
		}
		same := slices.IndexFunc(present, func(p *Account) bool { return p.FromConfig && p.Fingerprint == acc.Fingerprint })
		if same >= 0 {
			out = append(out, present[same])
			continue
		}
		out = append(out, &acc)
	}
	return out
}

// GrantError says that the monitor user may not read the accounts or their
// rights, and what would let it.
type GrantError struct {
	Account string   // as SQL writes it
	Tables  []string // of the schema mysql; empty is global_priv
	cause   error
}

// Error gives what to run.
func (e *GrantError) Error() string {
	what := "the accounts"
	if len(e.Tables) > 0 {
		what = "the rights of accounts"
	}
	return fmt.Sprintf("the monitor user may not read %s; run on any node: %s (%v)", what, e.Grant(), e.cause)
}

// Grant is what to run on any node: a statement per table.
func (e *GrantError) Grant() string { return strings.Join(e.Grants(), "; ") }

// Grants are the statements of Grant.
func (e *GrantError) Grants() []string {
	tables := e.Tables
	if len(tables) == 0 {
		tables = []string{privTable}
	}
	var all []string
	for _, table := range tables {
		all = append(all, "GRANT SELECT ON mysql."+table+" TO "+e.Account)
	}
	return all
}

// Unwrap gives the server's error.
func (e *GrantError) Unwrap() error { return e.cause }

// ErrNoGlobalPriv says that the server keeps its accounts elsewhere than
// MariaDB does.
var ErrNoGlobalPriv = errors.New("this server has no mysql.global_priv (MySQL, PXC or MariaDB before 10.4): " +
	"accounts cannot be imported and must be given in the configuration, mysql.users")

// refusedAccess says whether a server has refused the right to read a table.
func refusedAccess(err error) bool {
	answer, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && (answer.Number == errTableAccess || answer.Number == errDBAccess)
}

// explain turns an error of the import into one that says what to do.
func (a *Accounts) explain(ctx context.Context, err error) error {
	if refusedAccess(err) {
		return a.grantError(ctx, err)
	}
	if answer, ok := errors.AsType[*mysql.MySQLError](err); ok && answer.Number == errNoSuchTable {
		return fmt.Errorf("%w: %w", ErrNoGlobalPriv, err)
	}
	return err
}

func (a *Accounts) grantError(ctx context.Context, err error) *GrantError {
	e := &GrantError{Account: accountName(a.desk.login.user, "%"), cause: err}
	_ = a.desk.read(ctx, "SELECT CURRENT_USER()", func(cells []sql.NullString) error {
		e.Account = sqlAccount(cells[0].String)
		return nil
	})
	return e
}

// sqlAccount quotes what CURRENT_USER() says: user@host, in which the host has
// no @ but the user may.
func sqlAccount(current string) string {
	for i := len(current) - 1; i >= 0; i-- {
		if current[i] == '@' {
			return accountName(current[:i], current[i+1:])
		}
	}
	return accountName(current, "%")
}
