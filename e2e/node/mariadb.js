// The mariadb driver: it sends commands without waiting for the answers before, executes in bulk, and asks for all of MariaDB's extended capabilities.
'use strict';

const { host, port, user, password, database, compress, file, say, attempt } = require('./transcript.js');
const mariadb = require('mariadb');

// types says what the driver knows of the columns.
function types(meta) {
  return meta.map((c) => [c.name(), c.type, c.columnType, c.columnLength, c.flags, c.dataTypeName, c.dataTypeFormat]);
}

(async () => {
  const options = { host, port, user, password, database, compress, permitLocalInfile: true, multipleStatements: true, insertIdAsNumber: true, checkDuplicate: false, infileStreamFactory: undefined };
  const conn = await mariadb.createConnection(options);
  await attempt('create', () => conn.query('CREATE OR REPLACE TABLE jsm (id INT PRIMARY KEY, s VARCHAR(100), j JSON, u UUID, i INET6, p POINT, b LONGBLOB)'));
  await attempt('insert', () => conn.query("INSERT INTO jsm (id, s, j, u, i, p) VALUES (1, 'é', '{\"a\": 1}', '123e4567-e89b-12d3-a456-426655440000', '::1', POINT(1, 2))"));
  await attempt('types', async () => {
    const [rows, meta] = await conn.query({ sql: 'SELECT * FROM jsm', rowsAsArray: true, metaAsArray: true });
    return [rows, types(meta)];
  });
  await attempt('types prepared', async () => {
    const [rows, meta] = await conn.execute({ sql: 'SELECT j, u, i, p FROM jsm WHERE id = ?', rowsAsArray: true, metaAsArray: true }, [1]);
    return [rows, types(meta)];
  });
  // The definitions of a prepared statement may be left out where they are cached.
  const stmt = await conn.prepare('SELECT id, s FROM jsm WHERE id >= ? ORDER BY id');
  for (let i = 0; i < 4; i++) await attempt('again', () => stmt.execute([i % 2]));
  await attempt('altered', () => conn.query('ALTER TABLE jsm MODIFY s TEXT'));
  await attempt('behind', () => stmt.execute([0]));
  stmt.close();
  const many = Array.from({ length: 500 }, (_, i) => [i + 100, `row ${i}`, i % 7 ? 'x'.repeat(i) : null]);
  await attempt('bulk', () => conn.batch('INSERT INTO jsm (id, s, b) VALUES (?, ?, ?)', many));
  await attempt('bulk twice', () => conn.batch('INSERT INTO jsm (id, s, b) VALUES (?, ?, ?)', many.slice(0, 3)));
  await attempt('bulk results', () => conn.batch({ sql: 'UPDATE jsm SET s = ? WHERE id = ?', fullResult: true }, [['a', 100], ['b', 101], ['c', 5]]));
  await attempt('bulk large', () => conn.batch('REPLACE INTO jsm (id, b) VALUES (?, ?)', Array.from({ length: 6 }, (_, i) => [i + 2000, Buffer.alloc(1 << 20, i + 65)])));
  await attempt('sum', () => conn.query('SELECT COUNT(*) n, SUM(LENGTH(b)) l, MIN(s) s FROM jsm'));
  // Sent at once, answered in order.
  const all = await Promise.allSettled([
    conn.query('SELECT 1 a'), conn.query('SELECT broken'), conn.execute('SELECT ? b', ['x']), conn.query('SET @v = 5'), conn.query('SELECT @v v'),
    conn.query("INSERT INTO jsm (id) VALUES (9000)"), conn.query('SELECT COUNT(*) n FROM jsm WHERE id = 9000'), conn.query('SELECT 1 a; SELECT 2 b'),
  ]);
  for (const one of all) say('piped', one.status, one.value ?? one.reason.errno);
  await attempt('begin', () => conn.beginTransaction());
  await attempt('in it', () => conn.query('DELETE FROM jsm WHERE id > 2000'));
  await attempt('rollback', () => conn.rollback());
  await attempt('left', () => conn.query('SELECT COUNT(*) n FROM jsm'));
  await attempt('file', () => conn.query(`LOAD DATA LOCAL INFILE '${file}' REPLACE INTO TABLE jsm FIELDS TERMINATED BY ',' (id, s)`));
  await attempt('loaded', () => conn.query('SELECT COUNT(*) n, MAX(id) m FROM jsm'));
  await attempt('17 MB', () => conn.query('SELECT LENGTH(?) l', ['z'.repeat(17 << 20)]));
  await attempt('17 MB back', () => conn.query("SELECT REPEAT('y', 17 << 20) y"));
  await attempt('stream', async () => {
    let rows = 0, bytes = 0;
    for await (const row of conn.queryStream("SELECT REPEAT('r', 1000) r FROM seq_1_to_20000")) {
      rows++;
      bytes += row.r.length;
    }
    return [rows, bytes];
  });
  await attempt('change user', () => conn.changeUser({ user, password, database }));
  await attempt('reset', () => conn.reset());
  await attempt('ping', () => conn.ping());
  await attempt('drop', () => conn.query('DROP TABLE jsm'));
  await conn.end();
  console.log('end');
})();
