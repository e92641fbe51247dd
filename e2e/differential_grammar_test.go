//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
)

// What the sessions never ask, because the right answers differ between two connections or two nodes:
//
//   - CONNECTION_ID(), KILL, SHOW PROCESSLIST, IS_USED_LOCK(), COM_STATISTICS, pseudo_thread_id: each connection has its own id;
//   - NOW() and other clocks, UUID(), RAND() where the session has not set timestamp or the seeds itself; SHOW PROFILE;
//   - @@hostname, @@port, @@server_id, @@wsrep_node_*, @@last_gtid, @@auto_increment_*, SHOW STATUS: each node has its own;
//   - the session variables by which galley does its work on the nodes (session_track_*, tx_read_only, wait_timeout, wsrep_sync_wait):
//     not all at once, as in SHOW VARIABLES; what a session has set itself is asked for by name;
//   - SHOW CREATE TABLE of a table with AUTO_INCREMENT: each node keeps a counter of its own;
//   - EXPLAIN, ANALYZE, OPTIMIZER_TRACE, SHOW TABLE STATUS: estimates by each node's own statistics;
//   - rows without ORDER BY;
//   - CREATE TABLE … SELECT where the table exists: the nodes may not agree on how it ended, and one leaves the cluster (10.11.19, Galera 26.4.23);
//   - character_set_connection = ucs2: all user locks have the empty name then;
//   - long data for a parameter that had a number before: the server answers with memory that was never written;
//   - SET GLOBAL that is allowed, FLUSH that is allowed: all sessions would see it. That they are refused is asked.

// generator makes up one life of a session: what one client does between setting its tables up and going away. Its steps do not depend on answers.
type generator struct {
	rng    *rand.Rand
	groups []group
	total  int
	steps  []step
	slots  [4]slot
	bulk   bool
	others [2]account
}

// group is a part of the grammar: templates of statements, or a function that makes steps.
type group struct {
	name   string
	weight int
	// keeps says that what it does can keep a session on its backend conn for long: only some lives do such a thing.
	keeps     bool
	templates []string
	make      func(*generator)
}

// slot is a client's handle of a prepared statement.
type slot struct {
	params []byte // Their types in the last execution that gave them; nil before it.
	count  int
	call   bool // It is a CALL.
}

// generate makes a life of n steps or a few more.
func generate(rng *rand.Rand, n int, bulk, routines bool, accounts [2]account) []step {
	g := &generator{rng: rng, bulk: bulk, others: accounts}
	g.setUp()
	for _, gr := range append(sessionGroups(), dataGroups()...) {
		// In each life other groups are frequent, so that what goes badly together comes together, and without the rest.
		switch factor := g.rng.IntN(4); {
		case gr.keeps && g.rng.IntN(3) > 0, gr.name == "routines" && !routines, !wholeGrammar() && !slices.Contains(strings.Split(familiesInCI, ","), gr.name):
			continue
		default:
			gr.weight *= factor
		}
		g.total += gr.weight
		g.groups = append(g.groups, gr)
	}
	for len(g.steps) < n {
		g.next()
	}
	without := os.Getenv("E2E_WITHOUT")
	if without == "" {
		return g.steps
	}
	return slices.DeleteFunc(g.steps, func(st step) bool {
		return slices.ContainsFunc(strings.Split(without, ","), func(part string) bool { return strings.Contains(st.String(), part) })
	})
}

// lifeTables are the tables with which each life begins.
func lifeTables() []string {
	return []string{
		"CREATE OR REPLACE TABLE t1 (id INT AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL, s VARCHAR(12), u INT UNIQUE, d DECIMAL(6,2) DEFAULT 1.5)",
		"INSERT INTO t1 (k, s, u) VALUES (1, 'one', 1), (2, 'two', 2), (3, NULL, 3), (3, 'três', NULL), (5, '', 5), (6, '6', 6)",
		"CREATE OR REPLACE TABLE t2 (id INT PRIMARY KEY, k TINYINT UNSIGNED, s TEXT, b BLOB, dt DATETIME(3), f DOUBLE)",
		"INSERT INTO t2 VALUES (1, 10, 'ten', x'00ff', '2020-02-29 01:02:03.004', 1.25), (2, NULL, NULL, NULL, NULL, NULL), (3, 255, REPEAT('long ', 60), 'b', '1999-12-31', -1e100)",
		"DELETE FROM t3",
		"INSERT INTO t3 (k) VALUES (7), (8)",
		"DO SETVAL(sq, 1, 0)",
	}
}

// setUp begins every life in the same state, whatever the one before did.
func (g *generator) setUp() {
	g.steps = append(g.steps, step{kind: stepReconnect, schema: schemaToken, account: g.others[0]})
	for _, sql := range lifeTables() {
		g.query(sql)
	}
	g.steps = append(g.steps, step{kind: stepReconnect, schema: schemaToken, account: g.others[0]})
}

// setUpSteps is how many steps setUp makes: they are kept when a life is made smaller.
func setUpSteps() int { return len(lifeTables()) + 2 }

func (g *generator) query(sql string) { g.steps = append(g.steps, step{kind: stepQuery, sql: sql}) }

// next makes the next step, or a few that belong together.
func (g *generator) next() {
	at := g.rng.IntN(g.total)
	for _, gr := range g.groups {
		if at -= gr.weight; at >= 0 {
			continue
		}
		if gr.make != nil {
			gr.make(g)
			return
		}
		for sql := range strings.SplitSeq(g.expand(g.pick(gr.templates...)), "\n") {
			g.query(sql)
		}
		return
	}
}

func (g *generator) pick(of ...string) string { return of[g.rng.IntN(len(of))] }

// chance is true once in n.
func (g *generator) chance(n int) bool { return g.rng.IntN(n) == 0 }

// expand fills a template: {a|b|c} is one of these, {name} what tokens says. The innermost comes first. A line is a statement.
func (g *generator) expand(template string) string {
	for {
		end := strings.IndexByte(template, '}')
		if end < 0 {
			return template
		}
		begin := strings.LastIndexByte(template[:end], '{')
		inner := template[begin+1 : end]
		text, ok := g.token(inner)
		if !ok {
			text = g.pick(strings.Split(inner, "|")...)
		}
		template = template[:begin] + text + template[end+1:]
	}
}

// token gives what a name in a template stands for.
func (g *generator) token(name string) (string, bool) {
	switch name {
	case "n": // A small number, as of ids.
		return fmt.Sprint(1 + g.rng.IntN(9)), true
	case "k":
		return fmt.Sprint(g.rng.IntN(400) - 20), true
	case "id": // A new id.
		return fmt.Sprint(20 + g.rng.IntN(200)), true
	case "s":
		return g.pick(literals()...), true
	case "v":
		return g.pick("@a", "@b", "@c", "@`d e`"), true
	case "t": // A table of the session, or a temporary one.
		return g.pick("t1", "t1", "t2", "t3", "tmp1", "tmp2"), true
	case "lock":
		return fmt.Sprintf("'%s.%s.%d'", schemaToken, lockToken, 1+g.rng.IntN(2)), true
	case "db":
		return schemaToken, true
	case "sub":
		return g.expand(g.pick(statements()...)), true
	}
	return "", false
}

// literals are texts that mean something else in some sql_mode, some character set, or some column.
func literals() []string {
	return []string{
		"'a'", "'abc'", "'it''s'", "'ä'", "'日本'", "''", "NULL", `'x\ny'`, `'q\'q'`, `"double"`, "REPEAT('z', 30)", "0x41", "_latin1 0xe9", "'12'", "'12abc'",
		"'a' || 'b'", "CONCAT('c', {n})", "TRUE", "1.5", "-3", "N'n'",
	}
}

// statements are those that stand within others: prepared, in SET STATEMENT, in multi statements. Without braces but for tokens.
func statements() []string {
	return []string{
		"SELECT id, k, s FROM t1 WHERE id <= {n} ORDER BY id", "SELECT COUNT(*), SUM(k) FROM t1", "SELECT {n} AS x, {s} AS y", "INSERT INTO t1 (k, s) VALUES ({n}, {s})",
		"UPDATE t1 SET k = k + 1 WHERE id = {n}", "DELETE FROM t1 WHERE id = {n}", "SELECT s FROM t2 ORDER BY id LIMIT 2", "SELECT {v}", "SELECT @@sql_mode",
		"SELECT * FROM nosuch", "SELECT 1/0", "INSERT INTO t1 (k, u) VALUES (1, {n})", "SELECT LAST_INSERT_ID()", "SELECT 'x' = 'X', CONCAT('a', NULL)",
		"SELECT GROUP_CONCAT(s ORDER BY id) FROM t1", "SELECT @@autocommit", "SELECT k FROM tmp1 ORDER BY k", "SELECT CAST('{n}x' AS SIGNED)", "SELECT DATABASE()",
	}
}
