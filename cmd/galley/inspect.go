package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"galley/cluster"
	"galley/config"
	"galley/proxy"
)

// shownTables bounds the tables that check lists.
const shownTables = 20

// answers are what a node said to check, beyond what the monitor asks.
type answers struct {
	Err       error
	Variables map[string]string
	Blind     *cluster.TablesGrant // Where the monitor user may not see tables.
	Lease     *cluster.LeaseGrant  // Where the monitor user may not keep a lease.
	Tables    []string             // Not of InnoDB: schema.table (ENGINE).
}

// inspectAll asks every node that answers the monitor, all at the same time.
func inspectAll(ctx context.Context, v *cluster.View, c config.Cluster, tls cluster.NodeTLS) map[string]answers {
	ctx, cancel := context.WithTimeout(ctx, inspectLimit)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	all := map[string]answers{}
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if n.Err != "" || n.LastSeen.IsZero() || n.ReadGrade == cluster.Never && n.WriteGrade == cluster.Never {
			continue
		}
		wg.Go(func() {
			a := inspect(ctx, n.Addr, c, tls)
			mu.Lock()
			defer mu.Unlock()
			all[n.Addr] = a
		})
	}
	wg.Wait()
	return all
}

// inspect asks one node, on a connection of its own.
func inspect(ctx context.Context, addr string, c config.Cluster, tls cluster.NodeTLS) (a answers) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Timeout = c.Monitor.User, c.Monitor.Password.Reveal(), 2*time.Second
	cfg.Logger = &mysql.NopLogger{}
	cluster.Dialled(cfg, addr, tls)
	if c.SendProxyProtocol {
		if err := refusesHeader(ctx, cfg.Net, cfg.Addr); err != nil {
			return answers{Err: err}
		}
		cfg.DialFunc = dialWithHeader
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return answers{Err: err}
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	a.Variables = map[string]string{}
	err = rowsOf(ctx, db, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('"+strings.Join(inspected(), "','")+"')", func(cells []string) {
		a.Variables[strings.ToLower(cells[0])] = cells[1]
	})
	if err == nil {
		a.Blind, err = cluster.TablesGrantOf(func(query string, row func(cell string)) error {
			return rowsOf(ctx, db, query, func(cells []string) { row(cells[0]) })
		})
	}
	if err == nil && c.Lease != config.LeaseOff {
		a.Lease, err = cluster.LeaseGrantOf(c.LeaseSchema, func(query string, row func(cell string)) error {
			return rowsOf(ctx, db, query, func(cells []string) { row(cells[0]) })
		})
	}
	if err == nil {
		err = rowsOf(ctx, db, cluster.LocalTablesQuery+" LIMIT 1000", func(cells []string) {
			a.Tables = append(a.Tables, cells[0]+"."+cells[1]+" ("+cells[2]+")")
		})
	}
	a.Err = err
	return a
}

// rowsOf runs a query and gives each row's cells as text.
func rowsOf(ctx context.Context, db *sql.DB, query string, row func(cells []string)) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	raw, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range raw {
		into[i] = &raw[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		cells := make([]string, len(raw))
		for i := range raw {
			cells[i] = raw[i].String
		}
		row(cells)
	}
	return rows.Err()
}

// alike are the variables that a session should find the same on every node, since its statements run on several.
func alike() []string {
	return []string{
		"autocommit", "character_set_server", "collation_server", "default_storage_engine", "innodb_lock_wait_timeout", "innodb_snapshot_isolation",
		"lower_case_table_names", "max_allowed_packet", "sql_mode", "time_zone", "transaction_isolation", "tx_isolation", "wsrep_sync_wait",
	}
}

// inspected are all variables that check asks for.
func inspected() []string {
	return append(alike(), "binlog_format", "innodb_autoinc_lock_mode", "have_ssl", "max_connect_errors", "wait_timeout", "wsrep_osu_method")
}

// dialWithHeader connects to a node as backend conns do under cluster.send_proxy_protocol, with galley's own address.
func dialWithHeader(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	own, _ := netip.ParseAddrPort(nc.LocalAddr().String()) // Not valid for a unix socket, which HeaderFor knows.
	header, err := proxy.HeaderFor(own, nc)
	if err == nil {
		_, err = nc.Write(header)
	}
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return nc, nil
}

// errHeaderRefused says that a node takes no PROXY header from here.
var errHeaderRefused = errors.New("the node does not accept a PROXY header from this address")

// headerRefusal is in the server's words when it takes no header, right behind its greeting (MariaDB: handle_proxy_header, sql/net_serv.cc).
const headerRefusal = "Proxy header is not accepted"

// refusesHeader finds out whether a node refuses a PROXY header: what it says is read for a while, as there is nothing more where it does not.
func refusesHeader(ctx context.Context, network, addr string) error {
	nc, err := dialWithHeader(ctx, network, addr)
	if err != nil {
		return err
	}
	defer func() { _ = nc.Close() }()
	if err := nc.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
		return err
	}
	said, _ := io.ReadAll(io.LimitReader(nc, 4096)) // It ends by the deadline, or by the node's close.
	if bytes.Contains(said, []byte(headerRefusal)) {
		return errHeaderRefused
	}
	return nil
}
