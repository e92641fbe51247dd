<?php
// Connects again and again as PHP's applications do: the schema is chosen behind the login, with or without anything before.
[, $host, $port, $user, $password, $schema, $times] = $argv;
mysqli_report(MYSQLI_REPORT_OFF);

function expect($got, $want, string $what): void
{
    if ($got !== $want) {
        echo "$what: ", json_encode($got), ', want ', json_encode($want), "\n";
    }
}

function value(mysqli $db, string $sql)
{
    $result = $db->query($sql);
    return $result ? $result->fetch_row()[0] : "error $db->errno";
}

for ($i = 0; $i < $times; $i++) {
    $db = new mysqli($host, $user, $password, '', (int) $port);
    if ($db->connect_errno) {
        echo "connect: $db->connect_error\n";
        continue;
    }
    switch ($i % 4) {
        case 1: // As WordPress.
            $db->set_charset('utf8mb4');
            expect($db->query("SET SESSION sql_mode='NO_ZERO_DATE'"), true, 'SET');
            expect(value($db, 'SELECT @@SESSION.sql_mode'), 'NO_ZERO_DATE', 'sql_mode');
            break;
        case 2:
            expect(value($db, 'SELECT DATABASE()'), null, 'DATABASE()');
            expect(value($db, 'SELECT 1 FROM fixed'), 'error 1046', 'a read without a schema');
            expect($db->query('DELETE FROM fixed') ? 0 : $db->errno, 1046, 'a write without a schema');
            break;
        case 3:
            expect($db->query("SET time_zone='+03:00'"), true, 'SET');
            expect($db->select_db('no_such_schema'), false, 'a schema that there is not');
            expect(value($db, "SELECT CONCAT(@@time_zone, IFNULL(DATABASE(), ' none'))"), '+03:00 none', 'behind a schema that there is not');
            break;
    }
    expect($db->select_db($schema), true, 'COM_INIT_DB');
    expect(value($db, 'SELECT DATABASE()'), $schema, 'DATABASE() behind COM_INIT_DB');
    expect(value($db, 'SELECT COUNT(*) FROM fixed'), '200', 'a read');
    if ($i % 4 === 3) {
        expect(value($db, 'SELECT @@time_zone'), '+03:00', 'time_zone');
    }
    $db->close();
}
echo "end\n";
