<?php
require __DIR__ . '/transcript.php';

function connect(array $options = []): PDO
{
    global $host, $port, $user, $password, $schema;
    return new PDO("mysql:host=$host;port=$port;dbname=$schema;charset=utf8mb4", $user, $password, $options + [
        PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
        PDO::MYSQL_ATTR_LOCAL_INFILE => true,
        PDO::MYSQL_ATTR_COMPRESS => (bool) getenv('E2E_COMPRESS'),
    ]);
}

// attempt says the error of what fails.
function attempt(string $what, callable $do): mixed
{
    try {
        return $do();
    } catch (PDOException $e) {
        say("$what error", $e->getCode(), $e->errorInfo, $e->getMessage());
        return null;
    }
}

function rows(string $what, ?PDOStatement $stmt): void
{
    if ($stmt === null) {
        return;
    }
    do {
        say("$what columns", $stmt->columnCount(), $stmt->rowCount());
        for ($i = 0; $i < $stmt->columnCount(); $i++) {
            $m = $stmt->getColumnMeta($i);
            say("$what column", $m['name'], $m['table'], $m['len'], $m['precision'], $m['native_type'] ?? null, $m['flags']);
        }
        if ($stmt->columnCount() > 0) {
            while ($row = $stmt->fetch(PDO::FETCH_NUM)) {
                say("$what row", ...$row);
            }
        }
    } while (attempt("$what next", fn () => $stmt->nextRowset()));
    $stmt->closeCursor();
}

foreach ([true, false] as $emulated) {
    echo '==== ', $emulated ? 'emulated' : 'native', " prepared statements\n";
    $db = connect([PDO::ATTR_EMULATE_PREPARES => $emulated, PDO::ATTR_STRINGIFY_FETCHES => false]);
    $db->exec('DROP TABLE IF EXISTS d1');
    say('create', $db->exec('CREATE TABLE d1 (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(50) UNIQUE, n DOUBLE, big BIGINT UNSIGNED, b LONGBLOB, t TIMESTAMP(3) NULL)'));
    $insert = $db->prepare('INSERT INTO d1 (s, n, big, b, t) VALUES (:s, :n, :big, :b, :t)');
    foreach ([['a', 1.5, '18446744073709551615', "\x00\x01'\\", '2024-01-02 03:04:05.678'], ['b', null, 0, null, null], ['a', 0, 0, '', null]] as $row) {
        attempt('insert', fn () => say('insert', $insert->execute(array_combine(['s', 'n', 'big', 'b', 't'], $row)), $insert->rowCount(), (int) $db->lastInsertId() > 0));
    }
    rows('all', $db->query('SELECT s, n, big, b, t FROM d1 ORDER BY s'));
    $select = $db->prepare('SELECT s, n FROM d1 WHERE s = ? OR n > ?');
    foreach ([['a', 0], ['b', 100], ['none', 1000]] as $args) {
        $select->execute($args);
        rows('select', $select);
    }
    attempt('syntax', fn () => rows('syntax', $db->query('SELEC 1')));
    attempt('prepare', fn () => rows('prepare', (function () use ($db) {
        $s = $db->prepare('SELECT * FROM missing WHERE a = ?');
        $s->execute([1]);
        return $s;
    })()));
    $stream = fopen('php://memory', 'r+');
    fwrite($stream, blob(300000));
    rewind($stream);
    $lob = $db->prepare("INSERT INTO d1 (s, b) VALUES ('lob', ?)");
    $lob->bindParam(1, $stream, PDO::PARAM_LOB);
    say('lob', $lob->execute());
    $large = $db->prepare("INSERT INTO d1 (s, b) VALUES ('large', ?)");
    say('large', attempt('large', fn () => $large->execute([blob(17 << 20)])));
    rows('large', $db->query("SELECT s, b, LENGTH(b) FROM d1 WHERE s IN ('lob', 'large') ORDER BY s"));

    echo "== transactions\n";
    $db->beginTransaction();
    $db->exec("INSERT INTO d1 (s) VALUES ('t1')");
    say('in transaction', $db->inTransaction(), $db->query("SELECT COUNT(*) FROM d1 WHERE s = 't1'")->fetchColumn());
    $db->rollBack();
    say('rolled back', $db->inTransaction(), $db->query("SELECT COUNT(*) FROM d1 WHERE s = 't1'")->fetchColumn());
    $db->beginTransaction();
    $db->exec("INSERT INTO d1 (s) VALUES ('t2')");
    attempt('in it', fn () => $db->exec("INSERT INTO d1 (s) VALUES ('t2')"));
    $db->commit();
    say('committed', $db->query("SELECT COUNT(*) FROM d1 WHERE s = 't2'")->fetchColumn());
    $db->setAttribute(PDO::ATTR_AUTOCOMMIT, 0);
    $db->exec("INSERT INTO d1 (s) VALUES ('t3')");
    $db->exec('ROLLBACK');
    $db->setAttribute(PDO::ATTR_AUTOCOMMIT, 1);
    say('autocommit', $db->query("SELECT COUNT(*) FROM d1 WHERE s = 't3'")->fetchColumn());

    echo "== several results\n";
    $db->exec('DROP PROCEDURE IF EXISTS dp');
    $db->exec('CREATE PROCEDURE dp(a INT) BEGIN SELECT a; SELECT s FROM d1 ORDER BY s LIMIT 2; SIGNAL SQLSTATE "45000" SET MESSAGE_TEXT = "enough"; END');
    $call = $db->prepare('CALL dp(?)');
    attempt('call', fn () => $call->execute([5]) && rows('call', $call));
    $call = null;
    if ($emulated) {
        rows('multi', $db->query("SELECT 1; UPDATE d1 SET n = 7 WHERE s = 'a'; SELECT n FROM d1 WHERE s = 'a'"));
    }

    echo "== unbuffered\n";
    $db->setAttribute(PDO::MYSQL_ATTR_USE_BUFFERED_QUERY, false);
    $stmt = $db->query('WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 900) SELECT i, REPEAT("x", 500) FROM r');
    say('first', $stmt->fetch(PDO::FETCH_NUM)[0]);
    attempt('second query', fn () => $db->query('SELECT 1')->fetchAll());
    $stmt->closeCursor();
    $stmt = null;
    $db->setAttribute(PDO::MYSQL_ATTR_USE_BUFFERED_QUERY, true);
    say('after', $db->query('SELECT "after"')->fetchColumn());
    $db = null;
}

echo "==== options\n";
$db = connect([PDO::MYSQL_ATTR_FOUND_ROWS => true, PDO::MYSQL_ATTR_INIT_COMMAND => "SET SESSION time_zone = '+03:00', @mine = 4"]);
say('init command', ...$db->query('SELECT @@time_zone, @mine')->fetch(PDO::FETCH_NUM));
say('found rows', $db->exec("UPDATE d1 SET n = n WHERE s IN ('a', 'b')"));
$file = tempnam(sys_get_temp_dir(), 'galley-e2e-');
file_put_contents($file, "1,one\n2,two\n");
$db->exec('CREATE OR REPLACE TABLE d2 (i INT, s VARCHAR(10))');
say('infile', attempt('infile', fn () => $db->exec("LOAD DATA LOCAL INFILE '$file' INTO TABLE d2 FIELDS TERMINATED BY ','")));
unlink($file);
rows('d2', $db->query('SELECT * FROM d2 ORDER BY i'));
attempt('wrong password', fn () => new PDO("mysql:host=$host;port=$port;dbname=$schema", $user, 'wrong'));
$db->exec('DROP TABLE d1, d2');
$db->exec('DROP PROCEDURE dp');
say('version', $db->getAttribute(PDO::ATTR_SERVER_VERSION));
echo "end\n";
