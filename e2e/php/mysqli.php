<?php
require __DIR__ . '/transcript.php';

mysqli_report(MYSQLI_REPORT_OFF);

function connect(): mysqli
{
    global $host, $port, $user, $password, $schema;
    $db = mysqli_init();
    $db->options(MYSQLI_OPT_LOCAL_INFILE, 1);
    if (!$db->real_connect($host, $user, $password, $schema, (int) $port, null, getenv('E2E_COMPRESS') ? MYSQLI_CLIENT_COMPRESS : 0)) {
        say('connect', mysqli_connect_errno(), mysqli_connect_error());
        exit(1);
    }
    return $db;
}

// query runs a text statement and says everything about its answer.
function query(mysqli $db, string $sql): void
{
    echo '> ', strlen($sql) > 150 ? substr($sql, 0, 150) . '…' : $sql, "\n";
    answer($db, $db->query($sql));
}

function answer(mysqli $db, mysqli_result|bool $result): void
{
    if ($result === false) {
        say('error', $db->errno, $db->sqlstate, $db->error);
        return;
    }
    if ($result instanceof mysqli_result) {
        foreach ($result->fetch_fields() as $f) {
            say('field', $f->name, $f->orgname, $f->table, $f->orgtable, $f->db, $f->type, $f->length, $f->flags, $f->decimals, $f->charsetnr);
        }
        while ($row = $result->fetch_row()) {
            say('row', ...$row);
        }
        $result->free();
        return;
    }
    say('ok', $db->affected_rows, $db->insert_id, $db->warning_count, $db->info);
}

$db = connect();
say('server', $db->server_version, $db->protocol_version, $db->client_version > 0, $db->character_set_name());
say('set_charset', $db->set_charset('utf8mb4'), $db->character_set_name());

echo "== queries\n";
query($db, 'SELECT 1, -1.5, 1e10, NULL, "text", X\'00ff27\', DATE "2024-02-29", TRUE');
query($db, 'DROP TABLE IF EXISTS p1, p2');
query($db, 'CREATE TABLE p1 (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(100), n DECIMAL(10,3), d DATETIME, b LONGBLOB, UNIQUE KEY (s))');
query($db, "INSERT INTO p1 (s, n, d) VALUES ('a', 1.5, '2024-01-02 03:04:05'), ('b', NULL, NULL)");
query($db, "INSERT INTO p1 (s) VALUES ('a')");
query($db, 'SELECT s, n, d FROM p1 ORDER BY s');
query($db, "UPDATE p1 SET n = 2 WHERE s IN ('a', 'b', 'c')");
query($db, 'SELECT LAST_INSERT_ID() > 0, ROW_COUNT()');
query($db, 'SELECT nothing FROM p1');
query($db, 'SELEC 1');
query($db, 'SELECT * FROM missing');
query($db, '-- only a comment');
query($db, "SELECT s /* a ; b ' */ FROM p1 WHERE s = 'a' -- end");
query($db, "SELECT 'it''s', 'back\\\\slash', \"dq\"");
query($db, "INSERT IGNORE INTO p1 (s) VALUES ('a')");
query($db, 'SHOW WARNINGS');
query($db, 'SELECT SQL_CALC_FOUND_ROWS s FROM p1 ORDER BY s LIMIT 1');
query($db, 'SELECT FOUND_ROWS()');
query($db, "SHOW TABLES LIKE 'p1'");
query($db, 'DESCRIBE p1');
query($db, 'EXPLAIN SELECT 1');

echo "== several statements\n";
$more = $db->multi_query("SELECT 1; SELECT 2 FROM p1 WHERE s = 'none'; UPDATE p1 SET n = 3 WHERE s = 'a'; SELECT n FROM p1 WHERE s = 'a'; SELECT broken; SELECT 3");
do {
    $result = $db->store_result();
    answer($db, $result === false && $db->errno === 0 ? true : $result);
} while ($db->more_results() && $db->next_result());
say('last error', $db->errno, $db->error);
while ($db->more_results()) {
    $db->next_result();
}

echo "== procedures\n";
query($db, 'DROP PROCEDURE IF EXISTS pp');
query($db, 'CREATE PROCEDURE pp(IN a INT, OUT b INT, INOUT c VARCHAR(20)) BEGIN SELECT a; SELECT s FROM p1 ORDER BY s; SET b = a * 2; SET c = CONCAT(c, "!"); END');
query($db, 'SET @c = "hey"');
$db->multi_query('CALL pp(21, @b, @c)');
do {
    $result = $db->store_result();
    answer($db, $result === false && $db->errno === 0 ? true : $result);
} while ($db->more_results() && $db->next_result());
query($db, 'SELECT @b, @c');

echo "== prepared statements\n";
$stmt = $db->prepare('INSERT INTO p1 (s, n, b) VALUES (?, ?, ?)');
say('params', $stmt->param_count);
foreach ([['x', 1.25, 'bytes'], ['y', null, null], ['x', 9.0, 'duplicate'], ["quote ' and é", 3.0, "\x00\xff"]] as [$s, $n, $b]) {
    $stmt->bind_param('sds', $s, $n, $b);
    say('execute', $stmt->execute(), $stmt->affected_rows, $stmt->errno, $stmt->sqlstate, $stmt->error);
}
$stmt->close();
$stmt = $db->prepare('SELECT s, n, b, ? + 0 FROM p1 WHERE s >= ? ORDER BY s');
foreach ([[7, 'b'], [8, 'zzz'], [9, 'x']] as [$i, $s]) {
    $stmt->bind_param('is', $i, $s);
    $stmt->execute();
    $result = $stmt->get_result();
    while ($row = $result->fetch_row()) {
        say('row', ...$row);
    }
    $result->free();
}
$stmt->close();
$stmt = $db->prepare('SELECT seq FROM (WITH RECURSIVE r (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM r WHERE seq < 25) SELECT seq FROM r) q ORDER BY seq');
$stmt->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
for ($round = 0; $round < 2; $round++) {
    say('cursor', $stmt->execute(), $stmt->errno);
    $stmt->bind_result($n);
    $sum = 0;
    for ($i = 0; $i < 20 + $round * 10 && $stmt->fetch(); $i++) {
        $sum += $n;
    }
    say('sum', $sum);
    $stmt->free_result();
    $stmt->reset();
}
$stmt->close();
say('bad prepare', $db->prepare('SELECT ? FROM missing'), $db->errno, $db->error);
query($db, "PREPARE ps FROM 'SELECT ? * 2'");
query($db, 'SET @v = 21');
query($db, 'EXECUTE ps USING @v');
query($db, 'DEALLOCATE PREPARE ps');
query($db, 'EXECUTE ps USING @v');

echo "== large values\n";
$stmt = $db->prepare('INSERT INTO p1 (s, b) VALUES (?, ?)');
$name = 'long data';
$null = null;
$stmt->bind_param('sb', $name, $null);
foreach (str_split(blob(3 << 20), 1 << 20) as $part) {
    $stmt->send_long_data(1, $part);
}
say('long data', $stmt->execute(), $stmt->error);
$stmt->close();
foreach ([(1 << 24) - 100, 1 << 24, 20 << 20] as $i => $bytes) {
    $value = blob($bytes);
    $stmt = $db->prepare('INSERT INTO p1 (s, b) VALUES (?, ?)');
    $name = "large $i";
    $stmt->bind_param('ss', $name, $value);
    say('insert', $stmt->execute(), $stmt->error);
    $stmt->close();
}
query($db, "INSERT INTO p1 (s, b) VALUES ('large text', '" . $db->real_escape_string(blob(9 << 20)) . "')");
query($db, "SELECT s, LENGTH(b), MD5(b) FROM p1 WHERE s LIKE 'l%' ORDER BY s");
$result = $db->query("SELECT s, b FROM p1 WHERE s LIKE 'large%' ORDER BY s");
while ($row = $result->fetch_row()) {
    say('large row', ...$row);
}
$result->free();
query($db, "DELETE FROM p1 WHERE s LIKE 'l%'");

echo "== unbuffered\n";
$result = $db->query('WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 900) SELECT i, REPEAT("x", 500) FROM r', MYSQLI_USE_RESULT);
for ($i = 0; $i < 3; $i++) {
    say('row', $result->fetch_row()[0]);
}
$result->free();
query($db, 'SELECT "after"');

echo "== transactions\n";
say('begin', $db->begin_transaction());
query($db, "INSERT INTO p1 (s) VALUES ('t1')");
query($db, "SAVEPOINT sp");
query($db, "INSERT INTO p1 (s) VALUES ('t2')");
query($db, "ROLLBACK TO SAVEPOINT sp");
query($db, "SELECT s FROM p1 WHERE s LIKE 't%'");
say('rollback', $db->rollback());
query($db, "SELECT COUNT(*) FROM p1 WHERE s LIKE 't%'");
say('autocommit', $db->autocommit(false));
query($db, "INSERT INTO p1 (s) VALUES ('t3')");
say('commit', $db->commit(), $db->autocommit(true));
say('read only', $db->begin_transaction(MYSQLI_TRANS_START_READ_ONLY));
query($db, "SELECT COUNT(*) FROM p1 WHERE s LIKE 't%'");
query($db, "INSERT INTO p1 (s) VALUES ('t4')");
say('commit', $db->commit());

echo "== session state\n";
query($db, 'CREATE TEMPORARY TABLE tmp (i INT)');
query($db, 'INSERT INTO tmp VALUES (1), (2)');
query($db, 'SELECT COUNT(*) FROM tmp');
query($db, 'SET @x = 5, @y = "why"');
query($db, 'SELECT @x + 1, @y');
query($db, 'SELECT @z := 9');
query($db, 'SELECT @z');
query($db, 'SET SESSION sql_mode = "ANSI_QUOTES"');
query($db, 'SELECT "s" FROM p1 WHERE s = \'a\'');
query($db, 'SELECT @@sql_mode');
query($db, "SET sql_mode = 'NO_BACKSLASH_ESCAPES'");
query($db, "SELECT 'a\\', 'b'");
query($db, 'SET sql_mode = DEFAULT');
query($db, 'SET time_zone = "+05:00"');
query($db, 'SELECT @@time_zone, FROM_UNIXTIME(0)');
query($db, 'SET NAMES latin1');
query($db, "SELECT 'caf\xe9', HEX('caf\xe9'), @@character_set_client");
say('gbk', $db->set_charset('gbk'));
query($db, "SELECT HEX('\xbf\x5c')");
say('escape', $db->real_escape_string("\xbf\x27"));
say('utf8mb4', $db->set_charset('utf8mb4'));
query($db, "SELECT 'é😀', CHAR_LENGTH('é😀')");
say('select_db', $db->select_db('information_schema'));
query($db, 'SELECT DATABASE()');
say('select_db', $db->select_db('no_such_schema'), $db->errno, $db->error);
query($db, 'SELECT DATABASE()');
say('select_db', $db->select_db($schema));
say('ping', $db->query('SELECT 1') !== false, strlen($db->stat()) > 20);

echo "== local infile\n";
$file = tempnam(sys_get_temp_dir(), 'galley-e2e-');
file_put_contents($file, implode("\n", array_map(fn ($i) => "row $i\t$i", range(1, 5000))) . "\n");
query($db, 'CREATE OR REPLACE TABLE p2 (s VARCHAR(20), i INT)');
$db->query("LOAD DATA LOCAL INFILE '$file' INTO TABLE p2");
say('loaded', $db->errno, $db->error, $db->affected_rows, $db->info);
query($db, 'SELECT COUNT(*), SUM(i) FROM p2');
unlink($file);
$db->query("LOAD DATA LOCAL INFILE '/nonexistent/file' INTO TABLE p2");
say('no file', $db->errno);
query($db, 'SELECT "after"');

echo "== change user\n";
say('change_user', $db->change_user($otherUser, $otherPassword, $schema));
query($db, 'SELECT CURRENT_USER(), DATABASE(), @x');
query($db, 'SELECT COUNT(*) FROM tmp');
query($db, 'SELECT COUNT(*) FROM p2');
$db->close();
$db = connect();
say('wrong password', @$db->change_user($otherUser, 'wrong', $schema), $db->errno > 0);
$wrong = mysqli_init();
say('wrong login', @$wrong->real_connect($host, $user, 'wrong', $schema, (int) $port), mysqli_connect_errno(), mysqli_connect_error());
$wrong = mysqli_init();
say('unknown user', @$wrong->real_connect($host, 'nobody_here', 'x', $schema, (int) $port), mysqli_connect_errno(), mysqli_connect_error());
$wrong = mysqli_init();
say('unknown schema', @$wrong->real_connect($host, $user, $password, 'no_such_schema', (int) $port), mysqli_connect_errno(), mysqli_connect_error());

$db = connect();
query($db, 'DROP TABLE p1, p2');
query($db, 'DROP PROCEDURE pp');
echo "end\n";
