//go:build e2e

package e2e

import (
	"fmt"
	"regexp"
	"strings"
)

// preparedTexts are statements for COM_STMT_PREPARE, with the number of their parameters.
func preparedTexts() []struct {
	sql    string
	params int
} {
	return []struct {
		sql    string
		params int
	}{
		{"SELECT ?, ?, ?", 3},
		{"SELECT ? AS a, CONCAT(?, 'x')", 2},
		{"SELECT id, k, s, u, d FROM t1 WHERE id > ? ORDER BY id", 1},
		{"SELECT id, s FROM t1 ORDER BY id", 0},
		{"SELECT id, s FROM t1 WHERE s = ? OR id = ? ORDER BY id LIMIT 4", 2},
		{"SELECT * FROM t2 ORDER BY id", 0},
		{"SELECT * FROM t2 WHERE dt < ? OR f > ? ORDER BY id", 2},
		{"INSERT INTO t1 (k, s) VALUES (?, ?)", 2},
		{"INSERT INTO t1 (k, s) VALUES (?, ?)", 2},
		{"INSERT INTO t2 (id, s, b) VALUES (?, ?, ?)", 3},
		{"INSERT INTO t1 (k, u) VALUES (?, ?) RETURNING id", 2},
		{"REPLACE INTO t2 (id, s, b, dt, f) VALUES (?, ?, ?, ?, ?)", 5},
		{"UPDATE t1 SET s = ? WHERE id = ?", 2},
		{"UPDATE t1 SET k = LAST_INSERT_ID(?) WHERE id = 1", 1},
		{"DELETE FROM t1 WHERE id = ?", 1},
		{"SET @a = ?", 1},
		{"SET @b = ?, @c = ?", 2},
		{"SELECT @a, @b, @c, LAST_INSERT_ID(), ROW_COUNT(), FOUND_ROWS()", 0},
		{"CALL p_out(?, ?, ?)", 3},
		{"CALL p_res(?)", 1},
		{"SELECT f_var(?), @fv", 1},
		{"SHOW WARNINGS", 0},
		{"BEGIN", 0},
		{"COMMIT", 0},
		{"ROLLBACK", 0},
		{"SET time_zone = ?", 1},
		{"SET sql_mode = ?", 1},
		{"SET autocommit = ?", 1},
		{"SELECT @@sql_mode, @@time_zone, @@autocommit", 0},
		{"CREATE TEMPORARY TABLE IF NOT EXISTS tmp1 (k INT)", 0},
		{"DROP TEMPORARY TABLE IF EXISTS tmp1", 0},
		{"SELECT * FROM tmp1 ORDER BY k", 0},
		{"INSERT INTO tmp1 (k) VALUES (?)", 1},
		{"SELECT SQL_CALC_FOUND_ROWS id FROM t1 ORDER BY id LIMIT ?", 1},
		{"SELECT FOUND_ROWS()", 0},
		{"SELECT DATABASE(), ?", 1},
		{"SELECT 'lit', 'ä', \"dq\"", 0},
		{"SELECT GROUP_CONCAT(s ORDER BY id) FROM t1 WHERE id <> ?", 1},
		{"DO ?", 1},
		{"SELECT NOW() > ?", 1},
		{"SELEC ?", 1},
		{"SELECT * FROM nosuch", 0},
		{"SELECT 1; SELECT 2", 0},
		{"EXECUTE IMMEDIATE 'SELECT ?' USING ?", 1},
		{"SIGNAL SQLSTATE '45000'", 0},
		{"GET DIAGNOSTICS @n = NUMBER", 0},
		{"SELECT 1/?", 1},
		{"SELECT id FROM t1 WHERE id = ? FOR UPDATE", 1},
		{"ALTER TABLE t1 COMMENT 'prepared'", 0},
		{"SELECT GET_LOCK(CONCAT('SSSSSSS.LLLLLLL', ?), 0), RELEASE_LOCK(CONCAT('SSSSSSS.LLLLLLL', ?))", 2},
		{"USE df_shared", 0},
		{"VALUES (?, ?)", 2},
		{"SELECT ? UNION SELECT ? ORDER BY 1", 2},
		{"SET STATEMENT sql_mode = '' FOR SELECT ?, @@sql_mode", 1},
	}
}

// preparedSteps makes steps with statements of the binary protocol.
func preparedSteps(g *generator) {
	at := g.rng.IntN(len(g.slots))
	switch s := &g.slots[at]; {
	case s.count == 0 && s.params == nil && !g.chance(12) || g.chance(4):
		g.prepare(at)
		g.execution(at)
	default:
		switch g.rng.IntN(14) {
		case 0:
			g.steps = append(g.steps, step{kind: stepClose, slot: at})
			g.slots[at] = slot{}
		case 1:
			g.steps = append(g.steps, step{kind: stepResetStatement, slot: at})
		case 2:
			g.fetch(at)
		case 3:
			g.longData(at)
		case 4:
			g.bulkExecution(at)
		case 5, 6:
			g.cursor(at)
		default:
			g.execution(at)
		}
	}
}

func (g *generator) prepare(at int) {
	texts := preparedTexts()
	text := texts[g.rng.IntN(len(texts))]
	for !wholeGrammar() && regexp.MustCompile(notInCI).MatchString(text.sql) { // An execution must have the parameters of what is in its slot.
		text = texts[g.rng.IntN(len(texts))]
	}
	g.slots[at] = slot{count: text.params, call: strings.HasPrefix(text.sql, "CALL")}
	g.steps = append(g.steps, step{kind: stepPrepare, slot: at, sql: text.sql})
}

// parameters makes values, of types of their own or those of the execution before.
func (g *generator) parameters(s *slot) (values []param, types bool) {
	types = s.params == nil || g.chance(2) || s.call
	if types {
		s.params = make([]byte, s.count)
		for i := range s.params {
			kinds := []byte{
				typeTiny, typeShort, typeLong, typeLongLong, typeLong, typeVarString, typeVarString, typeVarString, typeFloat, typeDouble, typeBlob, typeNewDecimal, typeDate, typeDatetime, typeTime, typeNull,
			}
			s.params[i] = kinds[g.rng.IntN(len(kinds))]
		}
	}
	for _, kind := range s.params {
		values = append(values, g.value(kind))
	}
	return values, types
}

func (g *generator) value(kind byte) param {
	p := param{kind: kind, null: kind == typeNull || g.chance(8), n: int64(g.rng.IntN(12)), f: float64(g.rng.IntN(90)) / 8}
	if g.chance(10) {
		p.n = -p.n * 1000
	}
	p.value = g.pick("text", "", "1", "7", "it's", "ä", "x\x00y", "+03:00", "ANSI_QUOTES", "2024-05-06", "a much longer text than the column takes")
	if kind == typeNewDecimal {
		p.value = g.pick("1.50", "-3", "12345.678")
	}
	return p
}

func (g *generator) execution(at int) {
	values, types := g.parameters(&g.slots[at])
	g.steps = append(g.steps, step{kind: stepExecute, slot: at, params: values, types: types})
}

// cursor executes with a cursor, fetches a little, and perhaps does something else in between.
func (g *generator) cursor(at int) {
	if !g.chance(3) {
		g.slots[at] = slot{}
		g.steps = append(g.steps, step{kind: stepPrepare, slot: at, sql: g.pick("SELECT id, s FROM t1 ORDER BY id", "SELECT * FROM t2 ORDER BY id", "SELECT t1.id, f_pure(t1.id) FROM t1 ORDER BY t1.id")})
	}
	values, types := g.parameters(&g.slots[at])
	g.steps = append(g.steps, step{kind: stepExecute, slot: at, params: values, types: types, cursor: true})
	for range g.rng.IntN(4) {
		g.fetch(at)
		if g.chance(4) {
			g.next()
		}
	}
	if g.chance(2) {
		g.steps = append(g.steps, step{kind: stepResetStatement, slot: at})
	}
}

func (g *generator) fetch(at int) {
	g.steps = append(g.steps, step{kind: stepFetch, slot: at, number: 1 + g.rng.IntN(4)})
}

// longData sends a parameter in pieces and mostly executes with it.
func (g *generator) longData(at int) {
	s := &g.slots[at]
	if s.count == 0 || s.params != nil {
		// Long data for a parameter that had a number before makes the server read memory that was never written (10.11.19): nothing to compare.
		g.execution(at)
		return
	}
	which := g.rng.IntN(s.count)
	for i := range 1 + g.rng.IntN(3) {
		g.steps = append(g.steps, step{kind: stepLongData, slot: at, number: which, sql: fmt.Sprintf("piece %d,", i)})
	}
	s.params = nil
	values, _ := g.parameters(s)
	if g.chance(6) {
		g.steps = append(g.steps, step{kind: stepResetStatement, slot: at}) // The pieces are gone.
	} else {
		kind := []byte{typeBlob, typeVarString}[g.rng.IntN(2)]
		s.params[which], values[which] = kind, param{kind: kind, long: true}
		if g.chance(5) {
			g.next()
			if s.params == nil || len(s.params) != len(values) { // The handle is another statement's now.
				return
			}
		}
	}
	g.steps = append(g.steps, step{kind: stepExecute, slot: at, params: values, types: true})
}

// bulkExecution is MariaDB's execution with many rows.
func (g *generator) bulkExecution(at int) {
	if !g.bulk || g.slots[at].count == 0 {
		g.execution(at)
		return
	}
	g.slots[at] = slot{count: 2}
	g.steps = append(g.steps, step{kind: stepPrepare, slot: at, sql: g.pick("INSERT INTO t1 (k, s) VALUES (?, ?)", "UPDATE t1 SET k = ? WHERE id = ?", "INSERT INTO t1 (k, s) VALUES (?, ?) RETURNING id, k", "SELECT ?, ?")})
	values, _ := g.parameters(&g.slots[at])
	rows := [][]param{values}
	for range g.rng.IntN(4) {
		var row []param
		for _, kind := range g.slots[at].params {
			row = append(row, g.value(kind))
		}
		rows = append(rows, row)
	}
	g.steps = append(g.steps, step{kind: stepBulk, slot: at, rows: rows})
}
