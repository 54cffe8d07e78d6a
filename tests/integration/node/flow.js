// What the flows have in common: the server's address, waiting for a condition, and an end with status 0 or an error.
const assert = require("node:assert");
const Redis = require("ioredis");

const url = process.argv[2] || "redis://127.0.0.1:6379";
const { hostname, port } = new URL(url);
const connection = { host: hostname, port: Number(port || 6379) };
const SECONDS = 60;  // a deadline, not a time that anything takes

const clients = [];

function connect(options = {}) {
  clients.push(new Redis({ ...connection, ...options }));
  return clients.at(-1);
}

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

async function until(holds, what) {
  const deadline = Date.now() + SECONDS * 1000;
  for (;;) {
    const found = await holds();
    if (found) return found;
    assert(Date.now() < deadline, `it did not come about: ${what}`);
    await sleep(20);
  }
}

function run(main) {
  const fail = (error) => { console.error(error); process.exit(1); };
  main().then(() => { clients.forEach((client) => client.disconnect()); }, fail);
}

module.exports = { assert, url, connection, connect, sleep, until, run, SECONDS };
