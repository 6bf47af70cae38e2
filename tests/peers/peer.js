// mysql2 or mariadb (npm), on the work of poolbench. Usage: see build; the library comes first.
'use strict';
const [, , library, callers, connections, seconds, mode] = process.argv;
const url = new URL(process.env.MYPOOL_URL);
const driver = require(library === 'mysql2' ? 'mysql2/promise' : 'mariadb');
const pool = driver.createPool({
  host: url.hostname, port: +url.port, user: url.username, password: url.password,
  database: url.pathname.slice(1), connectionLimit: +connections,
});
let stop, operations, latencies;

async function queries() {
  while (!stop) {
    const start = process.hrtime.bigint();
    const key = Math.floor(Math.random() * 100000) + 1;
    const reply = await pool.execute('SELECT id, name, v FROM poolbench WHERE id = ?', [key]);
    const row = library === 'mysql2' ? reply[0][0] : reply[0];
    if (Number(row.id) !== key) throw new Error('wrong row');
    latencies.push(Number(process.hrtime.bigint() - start));
    operations++;
  }
}

// Borrowing an idle connection never yields to a timer, so the count is what is given.
async function cycles(count) {
  for (; operations < count; operations++) (await pool.getConnection()).release();
}

// One batch after the other; an operation is a row. `callers` are the rows of a batch.
async function batches() {
  const rows = Array.from({ length: +callers }, (_, i) =>
    [i, `name-${i}`, i + 0.25, i % 3 === 0 ? null : `name-${i}`]);
  const into = 'INSERT INTO poolbench_rows (id, name, v, note) VALUES ';
  while (!stop) {
    const start = process.hrtime.bigint();
    const reply = library === 'mysql2' ? (await pool.query(into + '?', [rows]))[0]
      : await pool.batch({ sql: into + '(?, ?, ?, ?)', fullResult: false }, rows);
    if (reply.affectedRows !== rows.length) throw new Error('wrong number of rows');
    latencies.push(Number(process.hrtime.bigint() - start));
    operations += rows.length;
  }
}

async function measure(ms, print) {
  stop = false; operations = 0; latencies = [];
  const cpu = process.cpuUsage(), start = process.hrtime.bigint();
  if (mode === 'query') {
    setTimeout(() => { stop = true; }, ms);
    await Promise.all(Array.from({ length: +callers }, queries));
  } else if (mode === 'batch') {
    setTimeout(() => { stop = true; }, ms);
    await batches();
  } else if (mode === 'cycle') {
    await cycles(200 * ms);
  } else {
    throw new Error(`no such work: ${mode}`);
  }
  const elapsed = Number(process.hrtime.bigint() - start) / 1e9;
  const used = process.cpuUsage(cpu);
  if (!print) return;
  latencies.sort((a, b) => a - b);
  const at = (part) => ((latencies[Math.floor(latencies.length * part)] || 0) / 1e3).toFixed(1);
  console.log(`${library} ${(operations / elapsed).toFixed(0)} ${at(0.5)} ${at(0.99)} ` +
              ((used.user + used.system) / operations).toFixed(2));
}

(async () => {
  const open = await Promise.all(Array.from({ length: +connections }, () => pool.getConnection()));
  for (const connection of open) connection.release();
  await measure(1000, false);
  await measure(seconds * 1000, true);
  await pool.end();
})().catch((error) => { console.error(error); process.exit(1); });
