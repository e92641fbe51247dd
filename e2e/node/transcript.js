// What the scripts beside this share: they say what they see, and nothing that differs between two runs on the same data.
// Usage of each: node SCRIPT HOST PORT USER PASSWORD SCHEMA COMPRESS(0|1) FILE
'use strict';

const crypto = require('crypto');

const [, , host, port, user, password, database, compress, file] = process.argv;

// shown makes a value short and comparable.
function shown(v) {
  if (Buffer.isBuffer(v)) v = v.toString('latin1');
  if (typeof v === 'bigint') return `${v}n`;
  if (typeof v === 'string' && v.length > 200) return `<${v.length} characters ${crypto.createHash('md5').update(v).digest('hex')}>`;
  if (Array.isArray(v)) return v.map(shown);
  if (v && typeof v === 'object' && !(v instanceof Date)) return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, shown(x)]));
  return v;
}

function say(what, ...values) {
  console.log(`${what}:`, ...values.map((v) => JSON.stringify(shown(v))));
}

// attempt says what comes of it, or its error.
async function attempt(what, f) {
  try {
    say(what, await f());
  } catch (e) {
    say(`${what} error`, e.errno, e.sqlState, (e.sqlMessage || e.message || '').split(' sql: ')[0]);
  }
}

module.exports = { host, port: Number(port), user, password, database, compress: compress === '1', file, say, attempt };
