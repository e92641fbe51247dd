package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"galley/cluster"
	"galley/config"
)

// leftConns is how many of a node's connections galley's pools should leave: for the monitor, for waiting and for KILL, for replicas, backups and people. The server keeps
// one more for users with CONNECTION ADMIN.
const leftConns = 10

// connections warns where what the pools may come to is more than the nodes take.
func (r *report) connections(c *config.Config, v *cluster.View) {
	if !c.MySQL.Pool.Multiplex {
		r.ownConnections(c, v)
	}
	galleys := 1
	if c.MySQL.InstanceID > 0 {
		galleys = 2 // Or more.
	}
	few, impatient, forgetful := map[string][]string{}, map[time.Duration][]string{}, map[string][]string{}
	do := map[string]string{}
	for i := range v.Nodes {
		n := &v.Nodes[i]
		limit := poolLimit(c, n)
		if limit == 0 {
			continue // It has not told.
		}
		if text, what := tooFew(limit, n.Status.MaxConnections, galleys, c.MySQL.Pool.MaxPerNode); text != "" {
			few[text], do[text] = append(few[text], n.Addr), what
		}
		if wait := n.Status.Server.WaitTimeout; wait > 0 && wait < 2*c.MySQL.Pool.IdleTime {
			impatient[wait] = append(impatient[wait], n.Addr)
		}
		if text, what := tooManyStatements(limit*galleys, c.MySQL.Pool.MaxStatements, n.Status.Server.MaxPreparedStatements); text != "" {
			forgetful[text], do[text] = append(forgetful[text], n.Addr), what
		}
	}
	for _, text := range slices.Sorted(maps.Keys(few)) {
		r.warn(named(few[text])+text, do[text])
	}
	for _, wait := range slices.Sorted(maps.Keys(impatient)) {
		r.warn(fmt.Sprintf("%s: connections that are idle for %s are closed there (wait_timeout), so galley closes its own after %s, not after %s (mysql.pool.idle_time).",
			named(impatient[wait]), short(wait), short(wait/2), short(c.MySQL.Pool.IdleTime)),
			fmt.Sprintf("Set mysql.pool.idle_time to %s or less, or wait_timeout to %d or more.", short(wait/2), int64(2*c.MySQL.Pool.IdleTime/time.Second)))
	}
	for _, text := range slices.Sorted(maps.Keys(forgetful)) {
		r.warn(named(forgetful[text])+text, do[text])
	}
}

// poolLimit is how many connections galley may come to have to a node; 0 is not known.
func poolLimit(c *config.Config, n *cluster.Node) int {
	most := n.Status.MaxConnections
	if limit := c.MySQL.Pool.MaxPerNode; limit > 0 && most > 0 {
		return limit
	}
	return most * 3 / 4
}

// tooFew says it where a node takes fewer connections than the pools of all galleys may open, and what to do.
func tooFew(limit, most, galleys, configured int) (text, do string) {
	if limit*galleys+leftConns <= most {
		return "", ""
	}
	text = fmt.Sprintf(": max_connections is %d, and galley may open %d (%s). That leaves less than the %d that its monitor, KILL, other clients and you need; logins then fail.",
		most, limit, whence(configured), leftConns)
	if galleys > 1 {
		text = fmt.Sprintf(": max_connections is %d, and galley may open %d (%s). There are at least %d galleys, as this one has a mysql.instance_id, and %d should be left to others; else logins fail.",
			most, limit, whence(configured), galleys, leftConns)
	}
	if fit := (most - leftConns) / galleys; fit > 0 {
		do = fmt.Sprintf("Set mysql.pool.max_per_node to %d or less", fit)
		if galleys > 1 {
			do += " (for two galleys; less for more)"
		}
		do += ", or max_connections there"
	} else {
		do = "Set max_connections there"
	}
	return text, fmt.Sprintf("%s to %d or more.", do, limit*galleys+leftConns)
}

func whence(configured int) string {
	if configured > 0 {
		return "mysql.pool.max_per_node"
	}
	return "three quarters of them, as mysql.pool.max_per_node is not set"
}

// tooManyStatements says it where a node keeps fewer prepared statements than the pools may prepare, and what to do.
func tooManyStatements(conns, each int, most int64) (text, do string) {
	all := int64(conns) * int64(each)
	if most <= 0 || all <= most {
		return "", ""
	}
	text = fmt.Sprintf(": max_prepared_stmt_count is %d, and galley may prepare %d (%d connections with mysql.pool.max_statements of %d each); beyond that, clients may get error 1461.",
		most, all, conns, each)
	do = fmt.Sprintf("Set max_prepared_stmt_count there to %d or more", all)
	if fit := most / int64(conns); fit > 0 {
		do += fmt.Sprintf(", or mysql.pool.max_statements to %d or less", fit)
	}
	return text, do + "; it matters only with clients that prepare on the server."
}

// ownConnections warns where each client has connections of its own and nodes take fewer of them.
func (r *report) ownConnections(c *config.Config, v *cluster.View) {
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if limit := poolLimit(c, n); limit > 0 && limit < c.MySQL.MaxConnections {
			r.warn(fmt.Sprintf("mysql.pool.multiplex is off, so each client keeps its own connections: galley takes up to %d clients (mysql.max_connections) and opens up to %d connections to node %s.",
				c.MySQL.MaxConnections, limit, n.Addr),
				"Switch mysql.pool.multiplex on, or set mysql.max_connections to what the nodes take.")
			return // The others are as a rule alike.
		}
	}
}

// short writes a duration without the units of which it has none: 8h, 1m40s.
func short(d time.Duration) string {
	text := d.String()
	for _, none := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, none) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// named writes nodes at the begin of a sentence.
func named(addrs []string) string {
	slices.Sort(addrs)
	word := "Node "
	if len(addrs) > 1 {
		word = "Nodes "
	}
	return word + strings.Join(addrs, ", ")
}
