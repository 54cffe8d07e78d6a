// The worker that with_resque.js kills while it works.
const { Worker } = require("node-resque");
const { connection, run, sleep, SECONDS } = require("./flow");

process.on("disconnect", () => process.exit());

run(async () => {
  const jobs = { add: { perform: () => sleep(SECONDS * 1000) } };
  const worker = new Worker({ connection, queues: ["hold"], timeout: 20 }, jobs);
  await worker.connect();
  await worker.start();
  await sleep(SECONDS * 1000);
});
