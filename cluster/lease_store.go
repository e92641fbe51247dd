package cluster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"galley/cluster/lease"
)

// Errors of a server that say what there is of the lease's tables (the numbers
// are of MariaDB's sql/share/errmsg-utf8.txt).
const (
	errNoSuchSchema = 1049
	errDuplicateKey = 1062
)

// errFenced says that a conditional change found something else than it was
// for.
var errFenced = errors.New("the lease has changed")

// leaseTables is what makes the tables; %s is the schema. They are small: one
// row; a row per galley; a row per drained node.
func leaseTables() []string {
	return []string{
		"CREATE DATABASE IF NOT EXISTS %s",
		"CREATE TABLE IF NOT EXISTS %s.lease (id TINYINT NOT NULL PRIMARY KEY, epoch BIGINT NOT NULL, writer VARCHAR(64) NOT NULL, writer_address VARCHAR(255) NOT NULL, " +
			"target VARCHAR(64) NOT NULL, holder VARCHAR(64) NOT NULL, soft TINYINT NOT NULL, joins BIGINT NOT NULL, changed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE=InnoDB",
		"CREATE TABLE IF NOT EXISTS %s.galleys (id VARCHAR(64) CHARACTER SET ascii NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL, epoch BIGINT NOT NULL, acked BIGINT NOT NULL, " +
			"beat BIGINT NOT NULL, term_ms BIGINT NOT NULL, sees TEXT NOT NULL, seen TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE=InnoDB",
		"CREATE TABLE IF NOT EXISTS %s.drains (node VARCHAR(255) NOT NULL PRIMARY KEY, since TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE=InnoDB",
		"INSERT IGNORE INTO %s.lease (id, epoch, writer, writer_address, target, holder, soft, joins) VALUES (1, 0, '', '', '', '', 0, 0)",
	}
}

// LeaseGrant says that the monitor user may not keep the lease, and what would
// let it. It is no error for a galley that is alone.
type LeaseGrant struct {
	Schema  string
	Account string // quoted as in a GRANT
	Missing string // the server's words
}

// Statements are to be run on any node.
func (g *LeaseGrant) Statements() []string {
	schema := "`" + strings.ReplaceAll(g.Schema, "`", "``") + "`"
	return []string{
		"CREATE DATABASE IF NOT EXISTS " + schema,
		"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON " + schema + ".* TO " + g.Account,
	}
}

// leaseStore reads and changes the rows through one node at a time, over a
// connection of its own.
type leaseStore struct {
	schema string // quoted
	db     *sql.DB
}

// text puts the schema into a statement.
func (s *leaseStore) text(statement string) string {
	return strings.ReplaceAll(statement, "%s", s.schema)
}

// look reads all rows at one moment, and the drained nodes.
func (s *leaseStore) look(ctx context.Context) (sight lease.Sight, drained []string, err error) {
	rows, err := s.db.QueryContext(ctx, s.text("SELECT l.epoch, l.writer, l.target, l.holder, l.soft, g.id, g.epoch, g.acked, g.beat, g.term_ms, g.sees "+
		"FROM %s.lease l LEFT JOIN %s.galleys g ON TRUE WHERE l.id=1"))
	if err != nil {
		return sight, nil, err
	}
	defer func() { _ = rows.Close() }()
	found := false
	for rows.Next() {
		found = true
		var id, sees sql.NullString
		var epoch, acked, beat, term sql.NullInt64
		r := &sight.Row
		if err := rows.Scan(&r.Epoch, &r.Writer, &r.Target, &r.Holder, &r.Soft, &id, &epoch, &acked, &beat, &term, &sees); err != nil {
			return sight, nil, err
		}
		if id.Valid {
			sight.Peers = append(sight.Peers, lease.Peer{
				ID: id.String, Epoch: epoch.Int64, Acked: acked.Int64, Beat: beat.Int64,
				Term: time.Duration(term.Int64) * time.Millisecond, Sees: strings.Fields(sees.String),
			})
		}
	}
	if err := rows.Err(); err != nil {
		return sight, nil, err
	}
	if !found {
		return sight, nil, &mysql.MySQLError{Number: errNoSuchTable, Message: "the row of the lease is gone"}
	}
	drained, err = s.drained(ctx)
	return sight, drained, err
}

// drained lists the drained nodes.
func (s *leaseStore) drained(ctx context.Context) (nodes []string, err error) {
	rows, err := s.db.QueryContext(ctx, s.text("SELECT node FROM %s.drains ORDER BY node"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var node string
		if err := rows.Scan(&node); err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
	}
	return nodes, rows.Err()
}

// drain puts a node into the set of drained ones, or takes it out.
func (s *leaseStore) drain(ctx context.Context, in bool, nodes ...string) error {
	for _, node := range nodes {
		statement := "DELETE FROM %s.drains WHERE node=?"
		if in {
			statement = "INSERT IGNORE INTO %s.drains (node) VALUES (?)"
		}
		if _, err := s.db.ExecContext(ctx, s.text(statement), node); err != nil {
			return err
		}
	}
	return nil
}

// create makes the tables.
func (s *leaseStore) create(ctx context.Context) error {
	for _, statement := range leaseTables() {
		if _, err := s.db.ExecContext(ctx, s.text(statement)); err != nil {
			return err
		}
	}
	return nil
}

// beat confirms, and acknowledges if ack says so, in the galley's own row.
func (s *leaseStore) beat(ctx context.Context, id string, step lease.Step, sees []string) error {
	acked := ""
	if step.Do == lease.Ack {
		acked = ", acked=epoch"
	}
	return one(s.db.ExecContext(ctx, s.text("UPDATE %s.galleys SET beat=beat+1, seen=CURRENT_TIMESTAMP, sees=?"+acked+" WHERE id=? AND epoch=?"),
		strings.Join(sees, " "), id, step.Epoch))
}

// join makes the galley's row.
func (s *leaseStore) join(ctx context.Context, me *lease.Peer, name string) error {
	return s.within(ctx, func(tx *sql.Tx) error {
		// The write of the lease's own row is what meets a change of it.
		if err := one(tx.ExecContext(ctx, s.text("UPDATE %s.lease SET joins=joins+1 WHERE id=1 AND epoch=?"), me.Epoch)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, s.text("INSERT INTO %s.galleys (id, name, epoch, acked, beat, term_ms, sees) VALUES (?, ?, ?, 0, 1, ?, ?) "+
			"ON DUPLICATE KEY UPDATE epoch=VALUES(epoch), beat=beat+1"), me.ID, name, me.Epoch, me.Term.Milliseconds(), strings.Join(me.Sees, " "))
		return err
	})
}

// change makes the lease what row says if its epoch is the one before, and
// tells all galleys' rows.
func (s *leaseStore) change(ctx context.Context, by lease.Step, row lease.Row, addr string) error {
	return s.within(ctx, func(tx *sql.Tx) error {
		if err := one(tx.ExecContext(ctx, s.text("UPDATE %s.lease SET epoch=?, writer=?, writer_address=?, target=?, holder=?, soft=?, changed=CURRENT_TIMESTAMP WHERE id=1 AND epoch=?"),
			row.Epoch, row.Writer, addr, row.Target, row.Holder, row.Soft, row.Epoch-1)); err != nil {
			return err
		}
		// This writes all rows, so it meets whoever confirms at the same time.
		if _, err := tx.ExecContext(ctx, s.text("UPDATE %s.galleys SET epoch=?"), row.Epoch); err != nil || by.Do != lease.End {
			return err
		}
		peers, err := s.beats(ctx, tx)
		if err == nil && !by.Holds(row.Holder, peers) {
			err = errFenced
		}
		return err
	})
}

// beats reads the galleys' beats within a transaction that has changed their
// rows.
func (s *leaseStore) beats(ctx context.Context, tx *sql.Tx) (peers []lease.Peer, err error) {
	rows, err := tx.QueryContext(ctx, s.text("SELECT id, beat FROM %s.galleys FOR UPDATE"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var p lease.Peer
		if err := rows.Scan(&p.ID, &p.Beat); err != nil {
			return nil, err
		}
		peers = append(peers, p)
	}
	return peers, rows.Err()
}

// leave deletes rows of galleys.
func (s *leaseStore) leave(ctx context.Context, ids ...string) error {
	for _, id := range ids {
		if _, err := s.db.ExecContext(ctx, s.text("DELETE FROM %s.galleys WHERE id=?"), id); err != nil {
			return err
		}
	}
	return nil
}

// within runs do as one transaction.
func (s *leaseStore) within(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// one takes a change of one row.
func one(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	switch n, err := r.RowsAffected(); {
	case err != nil:
		return err
	case n != 1:
		return errFenced
	}
	return nil
}

// lostRace says that another change came first.
func lostRace(err error) bool {
	var answer *mysql.MySQLError
	return errors.Is(err, errFenced) || errors.As(err, &answer) && (answer.Number == 1213 || answer.Number == 1205 || answer.Number == errDuplicateKey)
}

// noTables says that there is nothing there to read, or nothing that this user
// may read.
func noTables(err error) bool {
	var answer *mysql.MySQLError
	return errors.As(err, &answer) && (answer.Number == errNoSuchTable || answer.Number == errNoSuchSchema || answer.Number == errTableAccess || answer.Number == errDBAccess)
}

// grantFor says what the user lacks.
func (s *leaseStore) grantFor(ctx context.Context, schema string, missing error) (*LeaseGrant, error) {
	g := &LeaseGrant{Schema: schema, Missing: missing.Error()}
	var user string
	if err := s.db.QueryRowContext(ctx, "SELECT CURRENT_USER()").Scan(&user); err != nil {
		return nil, fmt.Errorf("asking who the monitor user is: %w", err)
	}
	g.Account = sqlAccount(user)
	return g, nil
}

// LeaseGrantOf says what the user lacks to keep a lease in a schema; nil if
// nothing. ask runs a query with one column. It changes nothing.
func LeaseGrantOf(schema string, ask func(query string, row func(cell string)) error) (*LeaseGrant, error) {
	may, g := false, &LeaseGrant{Schema: schema}
	err := ask(grantsQuery, func(cell string) { may = may || keepsLease(cell, schema) })
	if err != nil || may {
		return nil, err
	}
	return g, ask("SELECT CURRENT_USER()", func(cell string) { g.Account = sqlAccount(cell) })
}

// keepsLease says whether a line of SHOW GRANTS has all that a lease needs.
func keepsLease(line, schema string) bool {
	rights, rest, _ := strings.Cut(strings.TrimPrefix(line, "GRANT "), " ON ")
	on, _, _ := strings.Cut(rest, " TO ")
	if on != "*.*" && !strings.EqualFold(on, "`"+schema+"`.*") {
		return false
	}
	has := map[string]bool{}
	for right := range strings.SplitSeq(rights, ",") {
		has[strings.ToUpper(strings.TrimSpace(right))] = true
	}
	return has["ALL PRIVILEGES"] || has["SELECT"] && has["INSERT"] && has["UPDATE"] && has["DELETE"] && has["CREATE"]
}
