// node-resque: a scheduler and workers with delayed jobs, retries, locks and failures, and a worker that is lost.
const path = require("node:path");
const { fork } = require("node:child_process");
const { Queue, Scheduler, Worker, MultiWorker, Plugins } = require("node-resque");
const { assert, connection, sleep, until, run } = require("./flow");

let flaky = 0;
let most = 0;
let running = 0;
const done = [];

const jobs = {
  add: { perform: async (left, right) => { done.push(left + right); return left + right; } },
  flaky: {
    plugins: [Plugins.Retry],
    pluginOptions: { Retry: { retryLimit: 5, retryDelay: 10 } },
    perform: async () => {
      flaky += 1;
      if (flaky < 3) throw new Error("not yet");
      done.push("flaky");
    },
  },
  fails: { perform: async () => { throw new Error("as told"); } },
  alone: {
    plugins: [Plugins.JobLock],
    pluginOptions: { JobLock: { reEnqueue: true, enqueueTimeout: 10, lockTimeout: 60 } },
    perform: async () => {
      running += 1;
      most = Math.max(most, running);
      await sleep(20);
      running -= 1;
      done.push("alone");
    },
  },
  once: { plugins: [Plugins.QueueLock, Plugins.DelayQueueLock], perform: async () => { done.push("once"); } },
};

const loud = (each) => each.on("error", (error) => { console.error(error); process.exit(1); });

async function joined(each) {
  await loud(each).connect();
  await each.start();
  return each;
}

run(async () => {
  const queue = loud(new Queue({ connection }, jobs));
  await queue.connect();
  const scheduler = await joined(new Scheduler({ connection, timeout: 50 }));

  for (let number = 0; number < 5; number++) await queue.enqueue("math", "add", [number, 1]);
  await queue.enqueueIn(300, "math", "add", [100, 1]);
  await queue.enqueueAt(Date.now() + 3600000, "math", "add", [1, 1]);
  assert.equal(await queue.length("math"), 5);
  assert.equal((await queue.timestamps()).length, 2);
  assert.equal((await queue.scheduledAt("math", "add", [1, 1])).length, 1);
  assert.equal(await queue.enqueue("locks", "once", [1]), true);
  assert.equal(await queue.enqueue("locks", "once", [1]), false, "it is in the queue already");

  const worker = await joined(new Worker({ connection, queues: ["math", "locks"], timeout: 20 }, jobs));
  await until(() => done.length === 7, "seven jobs");
  assert.deepEqual(done.filter((each) => each !== "once").sort((a, b) => a - b), [1, 2, 3, 4, 5, 101]);
  assert.equal((await queue.delDelayed("math", "add", [1, 1])).length, 1);
  await queue.enqueue("math", "flaky", []);
  await until(() => done.includes("flaky"), "the third try");
  await queue.enqueue("math", "fails", []);
  await until(async () => await queue.failedCount() === 1, "the failure");
  const [failure] = await queue.failed(0, 1);
  assert.equal(failure.error, "as told");
  await queue.retryAndRemoveFailed(failure);
  await until(async () => await queue.failedCount() === 1, "the failure of the retry");

  const three = { connection, queues: ["crowd"], minTaskProcessors: 3, maxTaskProcessors: 3, timeout: 20 };
  const many = loud(new MultiWorker(three, jobs));
  await many.start();
  for (let number = 0; number < 5; number++) await queue.enqueue("crowd", "alone", ["same"]);
  await until(() => done.filter((each) => each === "alone").length === 5, "five jobs with one lock");
  assert.equal(most, 1);
  await many.end();

  // Another process dies with a job in its hands; what it was at goes to the failures, and from there to who is left.
  await queue.enqueue("hold", "add", [1000, 1]);
  const other = fork(path.join(__dirname, "resque_worker.js"), [process.argv[2]]);
  const working = async () => Object.entries(await queue.allWorkingOn()).find(([, job]) => job.queue === "hold");
  const [lost] = await until(working, "its work");
  other.kill("SIGKILL");
  await sleep(20);
  assert.deepEqual(Object.keys(await queue.cleanOldWorkers(10)), [lost]);
  const [left] = (await queue.failed(0, 9)).filter((each) => each.worker === lost);
  assert.equal(left.error, "Worker Timeout (killed manually)");
  await queue.retryAndRemoveFailed(left);
  const heir = await joined(new Worker({ connection, queues: ["hold"], timeout: 20 }, jobs));
  await until(() => done.includes(1001), "the job of the worker that was lost");
  await heir.end();
  const stats = await queue.stats();
  assert(Number(stats.processed) >= 9, JSON.stringify(stats));
  assert((await queue.leader()).length > 0);
  await worker.end();
  await scheduler.end();
  await queue.end();
});
