// The mysql2 driver.
'use strict';

const fs = require('fs');
const { host, port, user, password, database, compress, file, say, attempt } = require('./transcript.js');
const mysql = require('mysql2/promise');

// Compressed, it complains of the packets' own numbers, which servers give as they like there; it is no error to it, and differs with how an answer is cut.
const complain = console.error;
for (const how of ['error', 'warn']) console[how] = (...args) => String(args[0]).includes('got packets out of order') || complain(...args);

(async () => {
  const conn = await mysql.createConnection({ host, port, user, password, database, compress, multipleStatements: true, infileStreamFactory: () => fs.createReadStream(file) });
  const first = async (p) => (await p)[0];
  await attempt('create', () => first(conn.query('CREATE OR REPLACE TABLE js2 (id INT PRIMARY KEY, s VARCHAR(100), j JSON, d DATETIME(3), b LONGBLOB)')));
  await attempt('insert', () => first(conn.query('INSERT INTO js2 VALUES ?', [[[1, 'é', '{}', '2024-02-29 12:00:00.123', null], [2, 'b', null, null, Buffer.alloc(3000, 7)]]])));
  await attempt('rows', () => conn.query('SELECT * FROM js2').then(([rows, fields]) => [rows, fields.map((f) => [f.name, f.columnType, f.columnLength, f.flags])]));
  for (const id of [1, 2, 1, 9]) await attempt('execute', () => first(conn.execute('SELECT s, j, d, b FROM js2 WHERE id = ?', [id])));
  await attempt('error', () => conn.execute('SELECT s FROM js2 WHERE nothing = ?', [1]));
  await attempt('several', () => first(conn.query('SELECT 1 a; SELECT 2 b; SELECT broken')));
  await attempt('several', () => first(conn.query('SELECT 1 a; UPDATE js2 SET s = 1; SELECT s FROM js2')));
  await attempt('procedure', () => conn.query('CREATE OR REPLACE PROCEDURE js2p(n INT) BEGIN SELECT n; SELECT n + 1; END'));
  await attempt('call', () => first(conn.query('CALL js2p(4)')));
  await attempt('call prepared', () => first(conn.execute('CALL js2p(?)', [5])));
  await attempt('file', () => first(conn.query(`LOAD DATA LOCAL INFILE 'any' REPLACE INTO TABLE js2 FIELDS TERMINATED BY ',' (id, s)`)));
  await attempt('loaded', () => first(conn.query('SELECT COUNT(*) n, MAX(id) m FROM js2')));
  await attempt('17 MB', () => first(conn.query('SELECT LENGTH(?) l', ['z'.repeat(17 << 20)])));
  await attempt('17 MB back', () => first(conn.query("SELECT REPEAT('y', 17 << 20) y")));
  await attempt('many rows', async () => {
    const [rows] = await conn.query("SELECT REPEAT('r', 1000) r FROM seq_1_to_20000");
    return [rows.length, rows.reduce((n, r) => n + r.r.length, 0)];
  });
  await attempt('change user', () => conn.changeUser({ user, password, database }));
  await attempt('ping', () => conn.ping());
  await attempt('drop', () => first(conn.query('DROP TABLE js2; DROP PROCEDURE js2p')));
  await conn.end();
  say('end');
  console.log('end');
})();
