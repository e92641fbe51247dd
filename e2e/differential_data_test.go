//go:build e2e

package e2e

// dataGroups are what reads and changes data, and what only one connection has.
func dataGroups() []group {
	return []group{
		{name: "reads", weight: 14, templates: []string{
			"{sub}", "SELECT * FROM t1 ORDER BY id", "SELECT * FROM t2 ORDER BY id", "SELECT t1.id, t2.s FROM t1 LEFT JOIN t2 ON t1.id = t2.id ORDER BY t1.id", "SELECT k, COUNT(*) c, GROUP_CONCAT(id ORDER BY id) FROM t1 GROUP BY k ORDER BY k",
			"SELECT id FROM t1 WHERE s LIKE '{t|o|%e}%' ORDER BY id", "SELECT * FROM v1 ORDER BY id", "SELECT * FROM v2 ORDER BY id", "SELECT f_pure({n}), f_pure(NULL)", "SELECT id FROM t1 ORDER BY id LIMIT {n} OFFSET 1", "SELECT EXISTS (SELECT 1 FROM t1 WHERE k = {n})",
			"WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < {n}) SELECT i, REPEAT('r', i * 100) FROM r ORDER BY i", "SELECT id, ROW_NUMBER() OVER (ORDER BY id DESC) FROM t1 ORDER BY id", "VALUES (1, 'a'), ({n}, 'b')", "TABLE t1",
			"SELECT NULL, 1, -1, 1.5, 1e10, 'x', x'01', DATE'2024-01-02', TIME'10:00:00', TIMESTAMP'2024-01-02 03:04:05.6', TRUE, b'1'", "SELECT id FROM t1 WHERE id = {n} FOR UPDATE", "SELECT id FROM t1 WHERE id = {n} LOCK IN SHARE MODE", "(SELECT 1) UNION (SELECT {n}) ORDER BY 1",
			"SELECT * FROM t3 ORDER BY id", "SELECT CONVERT_TZ('2024-01-01 00:00:00', '+00:00', @@time_zone)", "SELECT FROM_UNIXTIME(1000000000), UNIX_TIMESTAMP('2020-01-01')", "SELECT /* comment */ 1 -- end", "DO 1", "SELECT SLEEP(0)", "SELECT REPEAT('large', 20000) AS l", "SELECT id, s FROM t1 PROCEDURE ANALYSE()",
		}},
		{name: "writes", weight: 12, templates: []string{
			"INSERT INTO t1 (k, s) VALUES ({k}, {s})", "INSERT INTO t1 (k, s, u) VALUES ({k}, {s}, {n}), ({k}, {s}, {id})", "INSERT INTO t2 (id, k, s) VALUES ({n}, {k}, {s})", "REPLACE INTO t2 (id, k, s, dt) VALUES ({n}, {k}, {s}, '2024-02-30')", "UPDATE t1 SET s = {s} WHERE id = {n}",
			"UPDATE t1 SET k = k + 1, s = {s} WHERE k < {k} ORDER BY id LIMIT {n}", "UPDATE t1 SET k = k", "DELETE FROM t1 WHERE id = {n}", "DELETE FROM t1 ORDER BY id LIMIT 1", "DELETE t1 FROM t1 JOIN t2 ON t1.id = t2.id WHERE t2.k = {n}", "INSERT INTO t2 (id, s) SELECT id + {id}, s FROM t1 WHERE id < {n}",
			"INSERT INTO t1 SET k = {k}, d = '{1.239|abc|99999}'", "INSERT IGNORE INTO t1 (k, u) VALUES ({n}, {n}), (NULL, 1)", "LOAD DATA LOCAL INFILE 'rows.txt' INTO TABLE t2 FIELDS TERMINATED BY ',' (id, s)", "INSERT INTO t1 (k) VALUES (f_pure({n}))", "INSERT INTO v1 (k) VALUES ({n})", "DELETE FROM t2",
			"INSERT INTO t1 (k, s) VALUES ({n}, {s}) RETURNING id, k, s", "DELETE FROM t1 WHERE id > {id} RETURNING id", "UPDATE t2 SET b = {s}, f = k / {n} WHERE id = {n}", "LOAD DATA INFILE '/nosuch' INTO TABLE t1",
		}},
		{name: "ids", weight: 8, templates: []string{
			"INSERT INTO t1 (k) VALUES ({n})\nSELECT LAST_INSERT_ID()", "INSERT INTO t1 (k) VALUES (1), (2)\nSELECT LAST_INSERT_ID(), @@last_insert_id, @@identity", "INSERT INTO t1 (id, k) VALUES ({id}, 1)\nSELECT LAST_INSERT_ID()", "SELECT LAST_INSERT_ID({id})\nSELECT LAST_INSERT_ID()",
			"UPDATE t1 SET k = LAST_INSERT_ID(k + 1) WHERE id = 1\nSELECT LAST_INSERT_ID()", "INSERT INTO t1 (k, u) VALUES (5, 1) ON DUPLICATE KEY UPDATE k = k + 1\nSELECT LAST_INSERT_ID()", "INSERT INTO t1 (k, u) VALUES (5, {n}) ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id), k = 9\nSELECT LAST_INSERT_ID()",
			"SELECT LAST_INSERT_ID()", "INSERT INTO t1 (k, u) VALUES (5, 1)\nSELECT LAST_INSERT_ID()", "INSERT INTO t1 (k) VALUES (LAST_INSERT_ID())\nSELECT id, k FROM t1 ORDER BY id DESC LIMIT 1", "SELECT id FROM t1 WHERE id = LAST_INSERT_ID()", "SELECT f_ins({n})\nSELECT LAST_INSERT_ID()",
			"SET {v} = LAST_INSERT_ID()\nSELECT {v}", "INSERT INTO t3 (k) VALUES ({n})\nINSERT INTO t2 (id, s) VALUES (LAST_INSERT_ID() + 100, 'child')\nSELECT * FROM t2 ORDER BY id", "INSERT INTO t1 (id, k) VALUES (NULL, 3), (0, 4)\nSELECT LAST_INSERT_ID()", "SELECT NEXTVAL(sq), LASTVAL(sq)", "SELECT LASTVAL(sq)", "SELECT PREVIOUS VALUE FOR sq, NEXT VALUE FOR sq", "SELECT SETVAL(sq, {id})",
		}},
		{name: "transactions", weight: 10, templates: []string{
			"BEGIN", "START TRANSACTION", "START TRANSACTION READ ONLY", "START TRANSACTION WITH CONSISTENT SNAPSHOT", "START TRANSACTION READ WRITE", "COMMIT", "COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "COMMIT AND NO CHAIN", "SAVEPOINT {s1|s2}", "ROLLBACK TO {s1|s2}", "RELEASE SAVEPOINT {s1|s2}",
			"BEGIN\nINSERT INTO t1 (k) VALUES ({n})\n{COMMIT|ROLLBACK|SELECT COUNT(*) FROM t1}", "START TRANSACTION READ ONLY\nSELECT COUNT(*) FROM t1\nINSERT INTO t1 (k) VALUES (1)\nCOMMIT", "BEGIN\nSAVEPOINT s1\nDELETE FROM t1\nROLLBACK TO s1\nCOMMIT\nSELECT COUNT(*) FROM t1", "SET autocommit = 0",
			"SET autocommit = 1", "SET autocommit = DEFAULT", "SET autocommit = 0\nINSERT INTO t1 (k) VALUES ({n})\nROLLBACK\nSELECT COUNT(*) FROM t1\nSET autocommit = 1", "SET autocommit = 0\nSELECT COUNT(*) FROM t1\nSET autocommit = 1", "BEGIN\nINSERT INTO t1 (k, u) VALUES (1, 1)\nINSERT INTO t1 (k) VALUES (2)\nCOMMIT",
			"BEGIN\nSELECT * FROM nosuch\nSELECT @@in_transaction\nROLLBACK", "BEGIN\nINSERT INTO t1 (k) VALUES (77)\nCREATE TABLE IF NOT EXISTS tv (a INT)\nROLLBACK\nSELECT COUNT(*) FROM t1\nDROP TABLE tv", "BEGIN\nUPDATE t1 SET k = 1 WHERE id = 1\nBEGIN\nROLLBACK\nSELECT k FROM t1 WHERE id = 1",
			"CALL p_trx()\nSELECT @@in_transaction\n{COMMIT|ROLLBACK}", "SET completion_type = {CHAIN|NO_CHAIN}", "BEGIN WORK", "COMMIT WORK", "XA START 'x'", "SET autocommit = 0\nDO 1\nSELECT @@in_transaction\nSET autocommit = 1", "START TRANSACTION READ ONLY\nSET {v} = 1\nSELECT {v}, COUNT(*) FROM t1\nCREATE TEMPORARY TABLE tmp2 (k INT)\nCOMMIT",
			"SELECT @@in_transaction, COUNT(*) FROM t1", "BEGIN\nDO 1\nSELECT LAST_INSERT_ID()\nCOMMIT", "BEGIN NOT ATOMIC SELECT 1; SELECT {n}; END",
		}},
		{name: "temporary tables", weight: 9, keeps: true, templates: []string{
			"CREATE TEMPORARY TABLE {tmp1|tmp2} (k INT, s VARCHAR(5))", "CREATE TEMPORARY TABLE IF NOT EXISTS tmp1 (k INT AUTO_INCREMENT PRIMARY KEY, s TEXT) ENGINE={InnoDB|MEMORY|MyISAM|Aria}", "CREATE OR REPLACE TEMPORARY TABLE tmp2 AS SELECT id AS k, s FROM t1", "CREATE TEMPORARY TABLE t2 (x INT)\nSELECT * FROM t2\nINSERT INTO t2 VALUES (1), (2)\nSELECT * FROM t2 ORDER BY x",
			"INSERT INTO {tmp1|tmp2} (k) VALUES ({id})", "SELECT * FROM {tmp1|tmp2} ORDER BY k", "DROP TEMPORARY TABLE IF EXISTS {tmp1|tmp2|t2}", "DROP TEMPORARY TABLE {tmp1|tmp2|t2}", "DROP TABLE IF EXISTS tmp1, tmp2", "ALTER TABLE tmp1 ADD COLUMN x INT DEFAULT 4", "RENAME TABLE tmp1 TO tmp2", "TRUNCATE TABLE tmp1",
			"SHOW CREATE TABLE tmp1", "CALL p_tmp()\nSELECT * FROM ptmp", "SELECT * FROM ptmp", "CREATE TEMPORARY TABLE tmp1 LIKE t1", "SELECT COUNT(*) FROM tmp1 JOIN t1 ON tmp1.k = t1.id", "INSERT INTO tmp1 (s) VALUES ('auto')\nSELECT LAST_INSERT_ID()", "BEGIN\nCREATE TEMPORARY TABLE tmp1 (k INT)\nINSERT INTO tmp1 VALUES (1)\nROLLBACK\nSELECT * FROM tmp1",
			"CREATE TEMPORARY TABLE {db}.tmp2 (k INT)\nUSE df_shared\nSELECT COUNT(*) FROM tmp2\nSELECT COUNT(*) FROM {db}.tmp2\nUSE {db}", "CREATE TEMPORARY TABLE tmp1 (k INT, k INT)", "INSERT INTO t1 (k) SELECT k FROM tmp2", "CREATE TEMPORARY SEQUENCE tsq", "DROP TEMPORARY TABLE IF EXISTS tmp1, tmp2, t2, ptmp",
		}},
		{name: "text statements", weight: 8, templates: []string{
			"PREPARE {p1|p2} FROM 'SELECT ? + 1, {s1|@a}'", "PREPARE p1 FROM 'SELECT id, s FROM t1 WHERE id <= ? ORDER BY id'\nSET @a = {n}\nEXECUTE p1 USING @a", "EXECUTE {p1|p2}", "EXECUTE {p1|p2} USING {v}", "EXECUTE {p1|p2} USING {n}, {n}", "DEALLOCATE PREPARE {p1|p2}", "DROP PREPARE {p1|p2|p3}", "PREPARE p2 FROM \"{sub}\"\nEXECUTE p2",
			"EXECUTE IMMEDIATE 'SELECT ?, ?' USING {n}, {v}", "EXECUTE IMMEDIATE \"{sub}\"", "SET @q = CONCAT('SELECT ', {n})\nPREPARE p2 FROM @q\nEXECUTE p2", "PREPARE p1 FROM 'SELEC'", "PREPARE p1 FROM 'INSERT INTO t1 (k) VALUES (?)'\nEXECUTE p1 USING {n}\nSELECT LAST_INSERT_ID(), ROW_COUNT()", "PREPARE p1 FROM 'SET @pp = ?'\nEXECUTE p1 USING {n}\nSELECT @pp",
			"PREPARE p2 FROM 'CREATE TEMPORARY TABLE IF NOT EXISTS tmp2 (k INT)'\nEXECUTE p2", "CALL p_prep()\nEXECUTE px\nDEALLOCATE PREPARE px", "EXECUTE px", "PREPARE p1 FROM 'SELECT * FROM t1 WHERE id = ? LIMIT ?'\nEXECUTE p1 USING {n}, 1", "PREPARE p1 FROM 'BEGIN'\nEXECUTE p1\nROLLBACK", "PREPARE p1 FROM 'SET time_zone = \"+04:00\"'\nEXECUTE p1\nSELECT @@time_zone",
			"EXECUTE IMMEDIATE 'SET sql_mode = \"\"'", "PREPARE p1 FROM 'SELECT * FROM t1 ORDER BY id LIMIT 1'\nALTER TABLE t1 ADD COLUMN IF NOT EXISTS z INT DEFAULT 3\nEXECUTE p1", "EXECUTE IMMEDIATE 'CALL p_res(2)'", "PREPARE p2 FROM 'USE df_shared'", "PREPARE p2 FROM 'CALL p_out(?, ?, ?)'\nSET @a = 1, @b = 0, @c = 'c'\nEXECUTE p2 USING @a, @b, @c\nSELECT @b, @c",
		}},
		{name: "routines", weight: 10, templates: []string{
			"CALL p_res({n})", "CALL p_out({n}, @b, @c)\nSELECT @b, @c", "SET @c = 'in'\nCALL p_out(3, @b, @c)\nSELECT @b, @c", "CALL p_err({0|1|2})", "CALL p_err({0|1|2})\nSHOW WARNINGS", "CALL p_warn()", "CALL p_set()\nSELECT @@time_zone, @@group_concat_max_len, @@sql_mode", "CALL p_set()", "CALL p_nosuch()", "CALL p_res()", "SELECT f_var({n})", "SELECT f_ins({n}), LAST_INSERT_ID()",
			"SELECT f_nosuch(1)", "CALL p_trx()", "CALL p_var({n})", "SELECT id FROM t1 WHERE id = f_pure(1)", "INSERT INTO t1 (k) VALUES (f_var({n}))\nSELECT @fv", "CALL p_res({n})\nSELECT FOUND_ROWS(), ROW_COUNT()", "SELECT * FROM v2 ORDER BY id\nSELECT @fv", "SET {v} = f_pure({n})\nSELECT {v}", "DO f_ins({n})\nSELECT * FROM t3 ORDER BY id", "SHOW CREATE PROCEDURE p_nosuch",
			"SELECT f_mode()\nSELECT @@time_zone, @@group_concat_max_len", "CALL p_cursor()",
		}},
		{name: "several", weight: 5, templates: []string{
			"{sub}; {sub}", "{sub}; {sub}; {sub}", "SET {v} = {n}; SELECT {v}; {sub}", "BEGIN; INSERT INTO t1 (k) VALUES ({n}); COMMIT", "SELECT 1; SELEC 2; SELECT 3", "SELECT 1; SELECT * FROM nosuch; SELECT 3", "SET time_zone = '+06:00'; SELECT @@time_zone", "CALL p_res({n}); {sub}", "BEGIN; SELECT COUNT(*) FROM t1", "USE df_shared; SELECT COUNT(*) FROM fixed; USE {db}",
			"SET autocommit = 0; INSERT INTO t1 (k) VALUES (1); ROLLBACK; SET autocommit = 1", "CREATE TEMPORARY TABLE tmp1 (k INT); DROP TEMPORARY TABLE tmp1", "SELECT {n};", ";", "", " ", "/* nothing */", "SELECT 1;;", "PREPARE p1 FROM 'SELECT 8'; EXECUTE p1; DEALLOCATE PREPARE p1", "DO LAST_INSERT_ID({id}); SELECT LAST_INSERT_ID()",
		}},
		{name: "table locks", weight: 4, keeps: true, templates: []string{
			"LOCK TABLES t1 {READ|WRITE}", "LOCK TABLES t1 WRITE, t2 READ\nINSERT INTO t1 (k) VALUES ({n})\nSELECT COUNT(*) FROM t2\nSELECT COUNT(*) FROM t3\nUNLOCK TABLES", "UNLOCK TABLES", "LOCK TABLES nosuch READ", "LOCK TABLES t1 READ\nINSERT INTO t1 (k) VALUES (1)\nSELECT COUNT(*) FROM t1\nBEGIN\nCOMMIT", "FLUSH TABLES WITH READ LOCK", "FLUSH TABLES t1",
			"LOCK TABLES t1 WRITE\nSELECT id FROM t1 ORDER BY id LIMIT 1\nUNLOCK TABLES", "SET autocommit = 0\nLOCK TABLES t1 WRITE\nUPDATE t1 SET k = 9\nCOMMIT\nUNLOCK TABLES\nSET autocommit = 1", "BEGIN\nLOCK TABLES t1 READ\nSELECT @@in_transaction\nUNLOCK TABLES", "LOCK TABLES t1 READ\nUNLOCK TABLES\nINSERT INTO t1 (k) VALUES (4)",
		}},
		{name: "user locks", weight: 4, keeps: true, templates: []string{
			"SELECT GET_LOCK({lock}, 0)", "SELECT RELEASE_LOCK({lock})", "SELECT IS_FREE_LOCK({lock})", "DO GET_LOCK({lock}, 0)", "SELECT RELEASE_ALL_LOCKS()", "SELECT GET_LOCK({lock}, 0), RELEASE_LOCK({lock})", "SET {v} = GET_LOCK({lock}, 0)\nSELECT {v}\nDO RELEASE_LOCK({lock})", "SELECT GET_LOCK(NULL, 0), RELEASE_LOCK('')", "DO RELEASE_LOCK({lock})", "SELECT GET_LOCK({lock}, 0)\nSELECT RELEASE_LOCK({lock})",
		}},
		{name: "handlers", weight: 3, keeps: true, templates: []string{
			"HANDLER t1 OPEN", "HANDLER t1 READ FIRST", "HANDLER t1 READ NEXT", "HANDLER t1 READ `PRIMARY` = ({n})", "HANDLER t1 CLOSE", "HANDLER t2 OPEN AS h2", "HANDLER h2 READ FIRST LIMIT 2", "HANDLER h2 CLOSE", "HANDLER nosuch OPEN", "HANDLER t1 OPEN\nHANDLER t1 READ FIRST\nHANDLER t1 READ NEXT LIMIT 2\nHANDLER t1 CLOSE", "HANDLER t1 OPEN\nALTER TABLE t1 COMMENT 'c'\nHANDLER t1 READ FIRST",
		}},
		{name: "definitions", weight: 2, templates: []string{
			"CREATE TABLE IF NOT EXISTS tv (a INT)\nINSERT INTO tv VALUES ({n})\nSELECT * FROM tv\nDROP TABLE tv", "ALTER TABLE t1 ADD COLUMN IF NOT EXISTS z INT DEFAULT {n}", "ALTER TABLE t1 DROP COLUMN IF EXISTS z", "DROP TABLE IF EXISTS tv", "CREATE TABLE t1 (a INT)", "DROP TABLE nosuch", "CREATE INDEX i_k ON t1 (k)", "DROP INDEX IF EXISTS i_k ON t1", "ALTER TABLE t1 MODIFY s VARCHAR(20)", "TRUNCATE TABLE t2",
			"CREATE OR REPLACE VIEW vv AS SELECT id FROM t1\nSELECT COUNT(*) FROM vv\nDROP VIEW vv", "RENAME TABLE t2 TO tr\nSELECT COUNT(*) FROM tr\nRENAME TABLE tr TO t2", "ANALYZE TABLE nosuch", "CHECK TABLE t1", "CREATE TABLE tv (a NOSUCHTYPE)",
		}},
		{name: "errors", weight: 5, templates: []string{
			"SELEC", "SELECT", "SELECT nosuch FROM t1", "SELECT * FROM nosuch", "SELECT * FROM df_nosuch.t", "SELECT * FROM mysql.user", "INSERT INTO t1 (id, k) VALUES (1, 1)", "INSERT INTO t1 (s) VALUES ('no k')", "INSERT INTO t1 (k, s) VALUES (1, REPEAT('x', 50))", "INSERT INTO t1 VALUES (1)", "SELECT f_pure()", "SELECT (SELECT id FROM t1)", "SELECT 'unterminated", "DROP DATABASE df_nosuch", "CREATE USER x",
			"SELECT 1 FROM t1 HAVING nosuch > 1", "INSERT INTO t2 (id, k) VALUES ({id}, 999)", "SELECT EXP(1000)", "SELECT CAST('2024-13-01' AS DATE)", "UPDATE t1 SET id = 1", "SELECT * FROM t1 ORDER BY 99", "SELECT 9223372036854775807 + 1", "SELECT ST_GeomFromText('bad')", "KILL 0", "RETURN 1", "SELECT ?", "SHOW MASTER STATUS", "PURGE BINARY LOGS BEFORE '2000-01-01'", "SHUTDOWN", "SELECT * FROM t1 WHERE s = _utf8mb4 x'ff'", "INSERT INTO t1 (k, u) SELECT 1, id FROM t1", "UPDATE t1 SET k = NULL WHERE id = 1",
		}},
	}
}

// definitionsOf are what each session has in its schema beside its tables.
func definitionsOf(routines bool) []string {
	tables := []string{
		"CREATE TABLE t3 (id INT AUTO_INCREMENT PRIMARY KEY, k INT)",
		"CREATE SEQUENCE sq NOCACHE",
	}
	if !routines {
		return tables
	}
	return append(tables, lifeTables()[0],
		"CREATE TRIGGER trg BEFORE INSERT ON t3 FOR EACH ROW SET @trg = NEW.k, NEW.k = NEW.k + 1",
		"CREATE PROCEDURE p_res(n INT) BEGIN SELECT id, s FROM t1 WHERE id <= n ORDER BY id; SELECT 'second', n; END",
		"CREATE PROCEDURE p_out(IN a INT, OUT b INT, INOUT c VARCHAR(40)) BEGIN SET b = a * 2; SET c = CONCAT(c, '!'); SELECT a, b; END",
		"CREATE PROCEDURE p_var(n INT) SET @pv = n",
		"CREATE PROCEDURE p_err(how INT) BEGIN IF how = 0 THEN INSERT INTO t2 (id) VALUES (1); ELSEIF how = 1 THEN SELECT 'before'; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'by hand'; ELSE BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION SET @pe = 1; SELECT * FROM nosuch; END; SELECT @pe; END IF; END",
		"CREATE PROCEDURE p_trx() BEGIN START TRANSACTION; INSERT INTO t1 (k) VALUES (50); END",
		"CREATE PROCEDURE p_tmp() BEGIN CREATE TEMPORARY TABLE IF NOT EXISTS ptmp (k INT); INSERT INTO ptmp VALUES (1); END",
		"CREATE PROCEDURE p_warn() BEGIN SELECT 1/0; INSERT IGNORE INTO t1 (id, k) VALUES (1, 1); END",
		"CREATE PROCEDURE p_set() BEGIN SET time_zone = '+03:00'; SET group_concat_max_len = 30; SET sql_mode = 'ANSI_QUOTES'; END",
		"CREATE PROCEDURE p_prep() BEGIN PREPARE px FROM 'SELECT 5'; EXECUTE px; END",
		"CREATE PROCEDURE p_cursor() BEGIN DECLARE i, n INT DEFAULT 0; DECLARE c CURSOR FOR SELECT id FROM t1 ORDER BY id; DECLARE EXIT HANDLER FOR NOT FOUND SELECT n; OPEN c; LOOP FETCH c INTO i; SET n = n + i; END LOOP; END",
		"CREATE FUNCTION f_pure(x INT) RETURNS INT DETERMINISTIC NO SQL RETURN x + 1",
		"CREATE FUNCTION f_var(x INT) RETURNS INT BEGIN SET @fv = x; RETURN @fv * 2; END",
		"CREATE FUNCTION f_ins(x INT) RETURNS INT BEGIN INSERT INTO t3 (k) VALUES (x); RETURN LAST_INSERT_ID(); END",
		"CREATE FUNCTION f_mode() RETURNS INT BEGIN SET time_zone = '-03:00'; SET group_concat_max_len = 31; RETURN 1; END",
		"CREATE VIEW v1 AS SELECT id, k FROM t1",
		"CREATE VIEW v2 AS SELECT id, f_var(id) AS x FROM t1 WHERE id < 4",
	)
}
