// The worker that with_bullmq.js kills while it works.
const { Worker } = require("bullmq");
const { connection, connect, run, sleep, SECONDS } = require("./flow");

process.on("disconnect", () => process.exit());

run(async () => {
  const redis = connect();
  new Worker("stalled", async () => {
    await redis.set("working", 1, "EX", SECONDS);
    await sleep(SECONDS * 1000);
  }, { connection, lockDuration: 500, stalledInterval: 200 });
  await sleep(SECONDS * 1000);
});
