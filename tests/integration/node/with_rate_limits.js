// rate-limiter-flexible by its script and without one, with ioredis and node-redis; redlock's locks.
const { createClient } = require("redis");
const { RateLimiterRedis, RateLimiterRedisNonAtomic, RateLimiterQueue, BurstyRateLimiter,
  RateLimiterRes } = require("rate-limiter-flexible");
const Redlock = require("redlock");
const { assert, url, connect, sleep, until, run, SECONDS } = require("./flow");

const redis = connect({ enableOfflineQueue: true });

async function limiter(kind, storeClient, options, keyPrefix) {
  const limit = new kind({ storeClient, keyPrefix, points: 5, duration: 60, ...options });
  const crowd = kind === RateLimiterRedis ? 8 : 1;  // how many ask at a time; without a script they would all be let in
  const results = [];
  while (results.length < 8) {
    results.push(...await Promise.allSettled([...Array(crowd)].map(() => limit.consume("user"))));
  }
  const refused = results.filter((each) => each.status === "rejected").map((each) => each.reason);
  assert.equal(refused.length, 3, keyPrefix);
  const told = (each) => each instanceof RateLimiterRes && each.msBeforeNext > 0 && each.msBeforeNext <= 60000;
  assert(refused.every(told), keyPrefix);
  assert.equal((await limit.get("user")).remainingPoints, 0);
  assert.equal((await limit.penalty("other", 2)).consumedPoints, 2);
  assert.equal((await limit.reward("other")).consumedPoints, 1);
  await limit.block("blocked", 60);
  await assert.rejects(limit.consume("blocked"));
  await limit.set("given", 3, 60);
  assert.equal((await limit.consume("given")).remainingPoints, 1);
  assert.equal(await limit.delete("user"), true);
  assert.equal((await limit.consume("user", 5)).remainingPoints, 0);
  assert.equal(await limit.get("nobody"), null);

  const brief = { storeClient, points: 1, duration: 1, ...options };
  const short = new kind({ ...brief, keyPrefix: `${keyPrefix} short` });
  await short.consume("user");
  await until(() => short.consume("user").then(() => true, () => false), "the next second");
  const blocking = new kind({ ...brief, keyPrefix: `${keyPrefix} block`, blockDuration: 60 });
  await until(() => blocking.consume("user").then(() => false, () => true), "a block");
  assert((await blocking.get("user")).msBeforeNext > 2000);
}

async function queued() {
  const limited = (keyPrefix, points, duration) => new RateLimiterRedis({ storeClient: redis, keyPrefix, points, duration });
  const queue = new RateLimiterQueue(limited("queue", 3, 1));
  const begin = Date.now();
  await Promise.all([...Array(7).keys()].map(() => queue.removeTokens(1)));
  assert(Date.now() - begin > 900, "three in a second");
  const bursty = new BurstyRateLimiter(limited("even", 2, 60), limited("burst", 3, 600));
  for (let number = 0; number < 5; number++) await bursty.consume("user");
  await assert.rejects(bursty.consume("user"));
}

async function locks() {
  const redlock = new Redlock([redis], { retryCount: SECONDS * 100, retryDelay: 10, retryJitter: 5 });
  const hasty = new Redlock([redis], { retryCount: 0 });
  const lock = await redlock.lock(["one", "two"], 60000);
  await assert.rejects(hasty.lock("two", 1000), Redlock.LockError);
  const longer = await lock.extend(120000);
  assert(await redis.pttl("one") > 60000);
  await longer.unlock();
  await assert.rejects(longer.unlock());
  let [running, most] = [0, 0];
  await redis.set("sum", 0);
  await Promise.all([...Array(20).keys()].map(async () => {
    const mine = await redlock.lock("crowd", 60000);
    most = Math.max(most, ++running);
    await redis.set("sum", Number(await redis.get("sum")) + 1);
    running -= 1;
    await mine.unlock();
  }));
  assert.deepEqual([most, await redis.get("sum")], [1, "20"]);
  await redlock.lock("short", 50);
  await (await redlock.lock("short", 60000)).unlock();
}

async function limitersOf(client, options, name) {
  await Promise.all([limiter(RateLimiterRedis, client, options, name),
    limiter(RateLimiterRedisNonAtomic, client, options, `${name} without a script`)]);
}

run(async () => {
  const nodeRedis = await Promise.all([2, 3].map((RESP) => (
    createClient({ url, RESP, maintNotifications: "disabled" }).connect())));
  const itsPackage = { useRedisPackage: true };
  await Promise.all([limitersOf(redis, {}, "ioredis"), queued(), locks(),
    ...nodeRedis.map((client, index) => limitersOf(client, itsPackage, `node-redis, RESP${index + 2}`))]);
  await Promise.all(nodeRedis.map((client) => client.close()));
});
