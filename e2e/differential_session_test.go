//go:build e2e

package e2e

// sessionGroups are what changes a session, and what shows it.
func sessionGroups() []group {
	return []group{
		{name: "charset", weight: 6, templates: []string{
			"SET NAMES {utf8mb4|latin1|utf8mb3|cp1251|ascii|binary|gbk|DEFAULT|ucs2|nosuch}", "SET NAMES utf8mb4 COLLATE {utf8mb4_bin|utf8mb4_unicode_ci|latin1_bin}",
			"SET CHARACTER SET {utf8mb4|latin1|DEFAULT}", "SET character_set_results = {NULL|latin1|utf8mb4|utf8mb3}",
			"SET collation_connection = {utf8mb4_bin|latin1_swedish_ci|utf8mb4_general_ci}", "SET character_set_client = {latin1|utf8mb4|utf16}",
			"SELECT @@character_set_client, @@character_set_connection, @@character_set_results, @@collation_connection",
			"SELECT {s}, CHARSET({s}), COLLATION({s}), LENGTH({s}), HEX({s})", "SELECT s, HEX(s) FROM t1 WHERE s = 'três'", "SELECT 'a' = 'A', 'ß' = 'ss'",
			"SET collation_database = {utf8mb4_bin|latin1_bin}", "SET collation_server = {utf8mb4_bin|latin1_bin}", "SET character_set_connection = {latin1|utf8mb3}",
			"SET character_set_filesystem = {binary|latin1}", "SELECT @@character_set_database, @@collation_database, @@character_set_server, @@collation_server",
		}},
		{name: "variables", weight: 12, templates: []string{
			"SET sql_mode = {''|'ANSI_QUOTES'|'NO_BACKSLASH_ESCAPES'|'PIPES_AS_CONCAT'|'STRICT_ALL_TABLES'|'TRADITIONAL'|'ANSI'|DEFAULT|'NO_SUCH_MODE'|'IGNORE_SPACE'|'EMPTY_STRING_IS_NULL'}",
			"SET sql_mode = CONCAT(@@sql_mode, ',{ANSI_QUOTES|NO_BACKSLASH_ESCAPES|NO_ZERO_DATE|ONLY_FULL_GROUP_BY}')", "SET SESSION sql_mode = {'ORACLE'|'MSSQL'|''}",
			"SET {time_zone|@@time_zone|SESSION time_zone|@@session.time_zone|LOCAL time_zone} = {'+00:00'|'-05:30'|'SYSTEM'|'+13:00'|'+25:00'|DEFAULT}",
			"SET sql_select_limit = {1|2|3|DEFAULT|18446744073709551615}", "SET group_concat_max_len = {4|10|1024|DEFAULT}", "SET lc_messages = {'de_DE'|'en_US'|'fr_FR'|'xx_XX'}",
			"SET lc_time_names = {'de_DE'|'en_US'}\nSELECT DAYNAME('2024-02-29'), MONTHNAME('2024-03-01')", "SET div_precision_increment = {0|4|9}\nSELECT 1/3, d/7 FROM t1 ORDER BY id LIMIT 2",
			"SET sql_notes = {0|1}", "SET sql_safe_updates = {0|1}", "SET max_error_count = {0|1|2|64}", "SET foreign_key_checks = {0|1}", "SET unique_checks = {0|1}",
			"SET sql_quote_show_create = {0|1}\nSHOW CREATE TABLE t2", "SET sql_auto_is_null = {0|1}\nSELECT id FROM t1 WHERE id IS NULL", "SET max_sort_length = {8|1024}",
			"SET default_week_format = {0|3|7}\nSELECT WEEK('2024-12-31')", "SET old_mode = {''|'ZERO_DATE_TIME_CAST'}", "SET sql_big_selects = {0|1}", "SET net_write_timeout = {10|60}",
			"SET wait_timeout = {100|28800}\nSELECT @@wait_timeout", "SET interactive_timeout = 77\nSELECT @@interactive_timeout", "SET lock_wait_timeout = {5|50}\nSELECT @@lock_wait_timeout",
			"SET innodb_lock_wait_timeout = {7|50}\nSELECT @@innodb_lock_wait_timeout", "SET max_statement_time = {0|30}\nSELECT @@max_statement_time",
			"SET sql_mode = '', time_zone = '{+01:00|-01:00}', {v} = {n}, group_concat_max_len = 20", "SET time_zone = '+02:00', sql_mode = 'NO_SUCH', {v} = 5", "SET {v} = 1, nosuch = 2, time_zone = '+05:00'",
			"SET @@session.sql_select_limit = @@sql_select_limit + 0", "SET sql_mode = @@global.sql_mode", "SET @old = @@sql_mode, sql_mode = ''\nSELECT 'a' || 'b'\nSET sql_mode = @old",
			"SET timestamp = {1000000000|1234567890.5|DEFAULT}", "SET timestamp = 1500000000\nSELECT NOW(), UNIX_TIMESTAMP(), CURDATE()\nINSERT INTO t2 (id, dt) VALUES ({id}, NOW())\nSET timestamp = DEFAULT",
			"SET rand_seed1 = {n}, rand_seed2 = {n}\nSELECT RAND(), RAND()", "SELECT RAND(3), RAND({n})", "SET big_tables = {0|1}", "SET default_storage_engine = {InnoDB|MEMORY|nosuch}",
			"SET GLOBAL sql_mode = ''", "SET GLOBAL max_connections = 10", "SET PERSIST x = 1", "SET nosuch_variable = 1", "SET @@nosuch.x = 1", "SET sql_log_bin = 0", "SET wsrep_sync_wait = {0|1|7}\nSELECT @@wsrep_sync_wait",
			"SET join_cache_level = {0|2}", "SET optimizer_switch = '{mrr=on|index_merge=off|default}'", "SET tmp_table_size = 1048576", "SET default_password_lifetime = 3", "SET ROLE NONE",
			"SET column_compression_threshold = 50", "SET session_track_schema = {ON|OFF}", "SET session_track_system_variables = '{*|sql_mode,time_zone|}'", "SET session_track_state_change = {ON|OFF}",
			"SET session_track_transaction_info = '{STATE|CHARACTERISTICS|OFF}'", "SET insert_id = {id}\nINSERT INTO t1 (k) VALUES ({n})\nSELECT LAST_INSERT_ID()", "SET last_insert_id = {k}\nSELECT LAST_INSERT_ID(), @@last_insert_id, @@identity",
		}},
		{name: "set statement", weight: 3, templates: []string{
			"SET STATEMENT {sql_mode = 'ANSI_QUOTES'|time_zone = '+07:00'|sql_select_limit = 1|group_concat_max_len = 4|max_statement_time = 20|sql_mode = 'x'|autocommit = 0|lc_messages = 'de_DE'} FOR {sub}",
			"SET STATEMENT sql_mode = '', group_concat_max_len = 6 FOR {sub}", "SET STATEMENT sql_select_limit = 2 FOR SELECT id FROM t1 ORDER BY id", "SET STATEMENT max_error_count = 1 FOR SELECT 1/0, 2/0",
		}},
		{name: "shown", weight: 8, templates: []string{
			"SELECT @@sql_mode, @@time_zone, @@sql_select_limit, @@autocommit, @@group_concat_max_len, @@lc_messages, @@sql_notes, @@max_error_count, @@sql_auto_is_null",
			"SHOW SESSION VARIABLES WHERE Variable_name IN ('sql_mode', 'time_zone', 'autocommit', 'character_set_client', 'collation_connection', 'sql_select_limit', 'tx_isolation', 'lc_time_names', 'foreign_key_checks')",
			"SELECT @@session.tx_isolation, @@global.tx_isolation, @@div_precision_increment, @@max_sort_length, @@default_week_format, @@old_mode, @@foreign_key_checks, @@unique_checks, @@sql_safe_updates",
			"SELECT DATABASE(), SCHEMA(), USER(), CURRENT_USER(), SESSION_USER(), CURRENT_ROLE()", "SELECT @a, @b, @c, @`d e`, @old, @pv, @trg, @nosuch", "SHOW VARIABLES LIKE 'character\\_set%'",
			"SELECT @@in_transaction, @@autocommit, @@warning_count, @@error_count, @@last_insert_id, @@identity", "SELECT VARIABLE_VALUE FROM information_schema.SESSION_VARIABLES WHERE VARIABLE_NAME = 'sql_mode'",
			"SHOW TABLES", "SHOW FULL COLUMNS FROM t1", "SHOW CREATE TABLE {t2|tmp1|tmp2|v1}", "SHOW DATABASES LIKE 'df\\_none%'", "SELECT @@storage_engine, @@default_storage_engine, @@character_set_results", "SHOW GRANTS",
			"SELECT @@max_allowed_packet, @@version_comment, @@version, @@lower_case_table_names, @@license", "SELECT @@wait_timeout, @@interactive_timeout, @@net_write_timeout, @@tx_read_only",
			"SELECT NOW() > '2001-01-01', VERSION(), @@global.autocommit, @@global.sql_mode", "SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.USER_VARIABLES ORDER BY 1",
			"SELECT PREPARED.N FROM (SELECT 1 N) PREPARED", "SHOW STATUS LIKE 'nosuch'", "SHOW COLLATION LIKE 'latin1_s%'", "SHOW INDEX FROM t2 WHERE Key_name = 'nosuch'", "SHOW TRIGGERS LIKE 'nosuch'", "SHOW WARNINGS",
		}},
		{name: "user variables", weight: 10, templates: []string{
			"SET {v} = {NULL|-1.50|x'4142'|1e3|TRUE|'text'|18446744073709551615|'12'|12}", "SET {v} = {s}", "SET {v} = {v}", "SET {v} = {n}, {v} = {s}, {v} := {n}", "SET {v} = (SELECT MAX(id) FROM t1)", "SET {v} = {v} + {n}",
			"SET {v} = CONCAT({v}, {s})", "SELECT {v}, {v}", "SELECT {v} := {n}", "SELECT {v} := {v} + 1, id FROM t1 ORDER BY id LIMIT 3", "SELECT id, s INTO {v}, {v} FROM t1 ORDER BY id LIMIT 1",
			"SELECT COUNT(*) FROM t1 INTO {v}", "SELECT k FROM t1 WHERE id = 999 INTO {v}", "SELECT id, s INTO @a FROM t1", "INSERT INTO t1 (k, s) VALUES ({v}, {v})", "UPDATE t1 SET k = ({v} := id) ORDER BY id LIMIT 2",
			"SELECT id FROM t1 WHERE k = {v} ORDER BY id", "SET {v} = _latin1 'x' COLLATE latin1_bin\nSELECT COLLATION({v}), COERCIBILITY({v})", "SET {v} = CAST('2020-01-01' AS DATE)\nSELECT {v}", "SET {v} = 5.10\nSELECT {v}, {v} * 2",
			"DO {v} := {n}", "SELECT f_var({n}), @fv", "SELECT @fv", "CALL p_var({n})\nSELECT @pv", "INSERT INTO t3 (k) VALUES ({n})\nSELECT @trg", "SELECT {v} IS NULL, LENGTH({v})", "CREATE TEMPORARY TABLE tmp2 AS SELECT {v} AS x\nSHOW CREATE TABLE tmp2\nDROP TABLE tmp2",
			"SET {v} = 0x41, {v} = b'1000010', {v} = -0.0, {v} = '1' + 1", "SET {v} = @@sql_mode", "SET @x1 = 1, @x2 = 2, @x3 = 3, @x4 = @x1 + @x2\nSELECT @x1, @x2, @x3, @x4", "SET @é = 1\nSELECT @é", "SET @A = 9\nSELECT @a",
		}},
		{name: "diagnostics", weight: 8, templates: []string{
			"SHOW WARNINGS", "SHOW ERRORS", "SHOW COUNT(*) WARNINGS", "SHOW COUNT(*) ERRORS", "SELECT @@warning_count, @@error_count", "SHOW WARNINGS LIMIT 1, 2", "SHOW WARNINGS LIMIT 1", "SELECT 1/0, CAST('abc' AS SIGNED), '1x' + 1\nSHOW WARNINGS",
			"SELECT 1/0\nSELECT @@warning_count\nSHOW WARNINGS", "INSERT IGNORE INTO t1 (id, k, s) VALUES (1, {n}, REPEAT('w', 40))\nSHOW WARNINGS", "SELECT * FROM nosuch\nSHOW ERRORS\nSHOW WARNINGS", "DROP TABLE IF EXISTS nosuch\nSHOW WARNINGS",
			"GET DIAGNOSTICS @n = NUMBER, @r = ROW_COUNT\nSELECT @n, @r", "SELECT * FROM nosuch\nGET DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT, @st = RETURNED_SQLSTATE, @er = MYSQL_ERRNO\nSELECT @m, @st, @er", "GET DIAGNOSTICS CONDITION 9 @m = MESSAGE_TEXT",
			"SELECT 1/0\nGET DIAGNOSTICS @n = NUMBER\nSELECT @n\nSHOW WARNINGS", "UPDATE t1 SET k = 1\nGET DIAGNOSTICS @r = ROW_COUNT\nSELECT @r", "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'mine', MYSQL_ERRNO = 5000\nSHOW WARNINGS", "SIGNAL SQLSTATE '01000' SET MESSAGE_TEXT = 'warn'\nSHOW WARNINGS",
			"SELEC 1\nSHOW WARNINGS\nSHOW COUNT(*) ERRORS", "SELECT CAST('{n}y' AS SIGNED) FROM t1\nSHOW COUNT(*) WARNINGS", "CALL p_warn()\nSHOW WARNINGS", "SELECT 5\nSHOW WARNINGS", "SELECT 1/0\nSET {v} = 1\nSHOW WARNINGS", "SELECT 1/0\nSET time_zone = '+00:00'\nSHOW WARNINGS",
			"SELECT 1/0\nBEGIN\nSHOW WARNINGS\nCOMMIT", "INSERT INTO t2 (id, k) VALUES (1, 1)\nSHOW WARNINGS\nSELECT @@error_count", "SELECT 1/0\nSHOW COUNT(*) WARNINGS\nSELECT COUNT(*) FROM t1\nSHOW WARNINGS", "DO 1/0\nSHOW WARNINGS", "SET {v} = 1/0\nSHOW WARNINGS",
			"SELECT 1/0\nSELECT @@warning_count + 0, 1/0\nSHOW WARNINGS", "SELECT 1/0\nUSE {db}\nSHOW WARNINGS", "SELECT 1/0\nSHOW TABLES\nSHOW WARNINGS", "SELECT 1/0\nSHOW VARIABLES LIKE 'sql_mode'\nSHOW WARNINGS", "RESIGNAL",
		}},
		{name: "counts", weight: 8, templates: []string{
			"SELECT SQL_CALC_FOUND_ROWS id FROM t1 ORDER BY id LIMIT {n}\nSELECT FOUND_ROWS()", "SELECT id FROM t1 ORDER BY id LIMIT {n}\nSELECT FOUND_ROWS(), ROW_COUNT()", "SELECT FOUND_ROWS()", "SELECT ROW_COUNT()", "SELECT ROW_COUNT(), FOUND_ROWS(), LAST_INSERT_ID()",
			"UPDATE t1 SET k = {n} WHERE id < {n}\nSELECT ROW_COUNT()", "DELETE FROM t1 WHERE id = {n}\nSELECT ROW_COUNT(), ROW_COUNT()", "SELECT SQL_CALC_FOUND_ROWS id FROM t1 ORDER BY id LIMIT 2\nSET {v} = 1\nSELECT FOUND_ROWS()",
			"SELECT SQL_CALC_FOUND_ROWS id FROM t1 ORDER BY id LIMIT 1\nSELECT 1 FROM t2 ORDER BY id\nSELECT FOUND_ROWS()", "INSERT INTO t1 (k) VALUES (1), (2), (3)\nSELECT ROW_COUNT()", "SELECT SQL_CALC_FOUND_ROWS id FROM t1 UNION SELECT id FROM t2 ORDER BY id LIMIT 2\nSELECT FOUND_ROWS()",
			"SELECT SQL_CALC_FOUND_ROWS id FROM t1 ORDER BY id LIMIT 1\nSHOW WARNINGS\nSELECT FOUND_ROWS()", "SELECT id FROM t1 ORDER BY id LIMIT 3\nSET @fr = FOUND_ROWS()\nSELECT @fr", "SELECT id FROM t1 WHERE id < {n} ORDER BY id\nINSERT INTO t1 (k) VALUES (FOUND_ROWS())\nSELECT k FROM t1 ORDER BY id DESC LIMIT 1",
			"UPDATE t1 SET k = {n} WHERE id = 1\nSET @rc = ROW_COUNT()\nSELECT @rc", "SELECT 1\nSELECT ROW_COUNT()", "SET {v} = 3\nSELECT ROW_COUNT()", "SELECT SQL_CALC_FOUND_ROWS id FROM t1 ORDER BY id LIMIT 1\nPREPARE p1 FROM 'SELECT FOUND_ROWS()'\nEXECUTE p1",
			"REPLACE INTO t2 (id, k) VALUES (1, 2)\nSELECT ROW_COUNT()", "SHOW TABLES\nSELECT FOUND_ROWS()", "SELECT id FROM t1 ORDER BY id LIMIT 2\nBEGIN\nSELECT FOUND_ROWS()\nCOMMIT", "SELECT FOUND_ROWS() + 0, COUNT(*) FROM t1",
		}},
		{name: "schema", weight: 3, templates: []string{
			"USE {db}", "USE df_nosuch", "USE information_schema\nSELECT DATABASE()\nSELECT COUNT(*) FROM t1\nUSE {db}", "USE df_shared\nSELECT * FROM fixed ORDER BY id LIMIT 2\nUSE {db}", "USE df_shared", "SELECT * FROM df_shared.fixed ORDER BY id",
			"USE mysql", "SELECT COUNT(*) FROM {db}.t1", "SHOW TABLES FROM {db}", "CREATE DATABASE df_shared", "USE `{db}`", "USE df_rolled\nUSE {db}", "DROP DATABASE IF EXISTS df_nosuch",
		}},
		{name: "roles", weight: 1, templates: []string{
			"SET ROLE df_role\nSELECT CURRENT_ROLE()", "SET ROLE df_role\nSELECT * FROM df_rolled.r\nSET ROLE NONE", "SET ROLE NONE", "SELECT * FROM df_rolled.r", "SET ROLE nosuch", "SELECT CURRENT_ROLE()", "SELECT * FROM information_schema.ENABLED_ROLES",
		}},
		{name: "isolation", weight: 4, templates: []string{
			"SET SESSION TRANSACTION ISOLATION LEVEL {READ COMMITTED|REPEATABLE READ|SERIALIZABLE|READ UNCOMMITTED}", "SET TRANSACTION ISOLATION LEVEL {READ COMMITTED|REPEATABLE READ|READ UNCOMMITTED}",
			"SET tx_isolation = '{READ-COMMITTED|REPEATABLE-READ|nosuch}'", "SET TRANSACTION READ {ONLY|WRITE}", "SET SESSION TRANSACTION READ {ONLY|WRITE}", "SELECT @@tx_isolation, @@tx_read_only", "SET @@tx_isolation = 'READ-COMMITTED'\nSELECT @@tx_isolation\nBEGIN\nSELECT @@tx_isolation\nCOMMIT",
			"SET TRANSACTION READ ONLY\nINSERT INTO t1 (k) VALUES (1)\nINSERT INTO t1 (k) VALUES (2)", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED\nBEGIN\nSET TRANSACTION READ ONLY\nCOMMIT", "SET SESSION tx_read_only = {0|1}", "SET SESSION TRANSACTION READ WRITE",
		}},
		{name: "commands", weight: 5, make: commandSteps},
		{name: "statements", weight: 16, make: preparedSteps},
	}
}

// commandSteps makes commands other than statements.
func commandSteps(g *generator) {
	switch g.rng.IntN(16) {
	case 0, 1:
		g.steps = append(g.steps, step{kind: stepResetConnection})
		g.slots = [4]slot{}
		if !g.chance(3) { // Whoever resets goes on as if the connection were new.
			g.steps = append(g.steps, step{kind: stepInitDB, sql: schemaToken})
		}
	case 2:
		a := g.others[g.rng.IntN(2)]
		if g.chance(8) {
			a.password = "wrong"
		}
		g.steps = append(g.steps, step{kind: stepChangeUser, account: a, schema: g.pick(schemaToken, schemaToken, schemaToken, "", "df_nosuch"), number: []int{45, 8, 33, 63}[g.rng.IntN(4)]})
		g.slots = [4]slot{}
		if a.password == "wrong" {
			g.reconnect()
		}
	case 3, 4:
		g.steps = append(g.steps, step{kind: stepInitDB, sql: g.pick(schemaToken, schemaToken, "df_nosuch", "df_shared", "information_schema", "df_rolled", "")})
	case 5:
		g.steps = append(g.steps, step{kind: stepSetOption, number: g.rng.IntN(2)})
	case 6, 7:
		g.steps = append(g.steps, step{kind: stepPing})
	case 8:
		g.steps = append(g.steps, step{kind: stepFieldList, sql: g.pick("t1", "t2", "nosuch", "tmp1")})
	case 9:
		g.query("BEGIN")
		g.query("INSERT INTO t1 (k) VALUES (1)")
		g.reconnect()
	case 10:
		g.steps = append(g.steps, step{kind: stepSetOption, number: 2 + g.rng.IntN(2)})
	default:
		g.reconnect()
	}
}

func (g *generator) reconnect() {
	g.slots = [4]slot{}
	g.steps = append(g.steps, step{kind: stepReconnect, schema: g.pick(schemaToken, schemaToken, schemaToken, ""), account: g.others[g.rng.IntN(6)/5]})
	if g.steps[len(g.steps)-1].schema == "" && !g.chance(4) {
		g.steps = append(g.steps, step{kind: stepInitDB, sql: schemaToken})
	}
}
