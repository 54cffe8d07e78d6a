// What ioredis does at connect (INFO, AUTH, CLIENT SETINFO) and what its users do; prints one JSON object.
const Redis = require("ioredis");
const [port, password] = process.argv.slice(2);

async function main() {
  const client = new Redis({ port: Number(port), password, connectionName: "ioredis-check" });
  const seen = {};
  await client.set("ioredis", "value", "EX", 100);
  seen.get = await client.get("ioredis");
  const pipeline = client.pipeline();
  for (let i = 0; i < 1000; i++) pipeline.set(`ioredis:${i}`, i).get(`ioredis:${i}`);
  const replies = await pipeline.exec();
  seen.pipeline = replies.filter(([error]) => error === null).length;
  seen.missing = await client.get("no such key");
  seen.error = await client.incr("ioredis").then(() => false, (error) => /not an integer/.test(error.message));
  seen.info = /redis_version:7/.test(await client.info());
  const pool = Array.from({ length: 10 }, () => new Redis({ port: Number(port), password, lazyConnect: true }));
  await client.del("parallel");
  await Promise.all(pool.map(async (each) => { for (let i = 0; i < 50; i++) await each.incr("parallel"); }));
  seen.parallel = Number(await client.get("parallel"));
  pool.forEach((each) => each.disconnect());
  client.disconnect();
  console.log(JSON.stringify(seen));
}

main().catch((error) => { console.error(error); process.exit(1); });
