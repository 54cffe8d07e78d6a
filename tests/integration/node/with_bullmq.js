// BullMQ: queues, workers, flows and the relay, until each of its scripts has run; a process is killed with a job.
const path = require("node:path");
const { fork } = require("node:child_process");
const { Queue, Worker, QueueEvents, FlowProducer, Relay, DelayedError, WaitingChildrenError, RateLimitError,
  UnrecoverableError } = require("bullmq");
const { assert, connection, connect, sleep, until, run, SECONDS } = require("./flow");
const scripts = require("./bullmq_scripts");

const WAIT = SECONDS * 1000;
const redis = connect();
const opened = [];
const keep = (each) => { opened.push(each); return each; };
const queueOf = (name) => keep(new Queue(name, { connection })).setMaxListeners(100);
const eventsOf = (name) => keep(new QueueEvents(name, { connection }));
const workerOf = (name, processor, options) => keep(new Worker(name, processor, { connection, ...options }));

async function jobs() {
  const queue = queueOf("jobs");
  const events = eventsOf("jobs");
  const seen = [];
  for (const name of ["added", "active", "progress", "completed", "failed"]) events.on(name, () => seen.push(name));
  await events.waitUntilReady();
  const worker = workerOf("jobs", async (job) => {
    await job.updateProgress(50);
    await job.log("at work");
    if (job.name === "unrecoverable") throw new UnrecoverableError("never again");
    if (job.name === "flaky" && job.attemptsMade < 2) throw new Error("not yet");
    if (job.name === "fails") throw new Error("as told");
    await job.updateData({ ...job.data, touched: true });
    return job.data.number + 1;
  }, { concurrency: 4, metrics: { maxDataPoints: 100 } });
  const sum = await queue.add("sum", { number: 1 });
  assert.equal(await sum.waitUntilFinished(events, WAIT), 2);
  const numbers = [...Array(50).keys()];
  const bulk = await queue.addBulk(numbers.map((number) => ({ name: "sum", data: { number } })));
  const sums = await Promise.all(bulk.map((job) => job.waitUntilFinished(events, WAIT)));
  assert.deepEqual(sums, numbers.map((number) => number + 1));
  const flaky = await queue.add("flaky", { number: 1 }, { attempts: 5, backoff: { type: "exponential", delay: 20 } });
  assert.equal(await flaky.waitUntilFinished(events, WAIT), 2);
  const immediately = await queue.add("flaky", { number: 2 }, { attempts: 5 });
  assert.equal(await immediately.waitUntilFinished(events, WAIT), 3);
  const failed = await queue.add("fails", { number: 1 }, { attempts: 2 });
  await assert.rejects(failed.waitUntilFinished(events, WAIT), /as told/);
  const unrecoverable = await queue.add("unrecoverable", {}, { attempts: 9 });
  await assert.rejects(unrecoverable.waitUntilFinished(events, WAIT), /never again/);
  assert.equal(await failed.getState(), "failed");
  const found = await queue.getJob(failed.id);
  assert.equal(found.attemptsMade, 2);
  assert.equal(found.stacktrace.length, 2);
  assert.equal((await queue.getJob(sum.id)).data.touched, true);
  assert.deepEqual((await queue.getJobLogs(sum.id)).logs, ["at work"]);
  await found.retry("failed");
  await assert.rejects(failed.waitUntilFinished(events, WAIT), /as told/);
  await queue.retryJobs({ state: "failed" });
  await until(async () => (await queue.getJobCounts("failed")).failed === 2, "the failures after the retry");
  assert((await queue.getMetrics("completed")).meta.count >= 53);
  for (const name of ["added", "active", "progress", "completed", "failed"]) assert(seen.includes(name), name);
  const big = { number: 41, text: "ü".repeat(200000) };
  assert.equal(await (await queue.add("sum", big)).waitUntilFinished(events, WAIT), 42);
  assert.equal((await queue.clean(0, 1000, "completed")).length, 54);
  await worker.close();
}

async function waiting() {
  const queue = queueOf("waiting");
  const events = eventsOf("waiting");
  const order = [];
  const processor = async (job) => { order.push(job.name); };
  const names = [["low", 10], ["high", 1], ["middle", 5], ["none", 0], ["high again", 1]];
  for (const [name, priority] of names) await queue.add(name, {}, { priority });
  await queue.add("last", {}, { lifo: false });
  await queue.add("front", {}, { lifo: true });
  assert.deepEqual(await queue.getCountsPerPriority([0, 1, 5, 10]), { 0: 3, 1: 2, 5: 1, 10: 1 });
  const raised = await queue.add("raised", {}, { priority: 100 });
  await raised.changePriority({ priority: 2 });
  assert.equal(await queue.getPrioritizedCount(), 5);
  const worker = workerOf("waiting", processor);
  await until(() => order.length === 8, "all of them");
  assert.deepEqual(order, ["front", "none", "last", "high", "high again", "raised", "middle", "low"]);

  const begin = Date.now();
  const delayed = await queue.add("delayed", {}, { delay: 300 });
  assert.equal(await delayed.getState(), "delayed");
  await delayed.waitUntilFinished(events, WAIT);
  assert(Date.now() - begin >= 300);
  const [first, second] = await Promise.all(["a", "b"].map((name) => queue.add(name, {}, { delay: 600000 })));
  await first.promote();
  await second.changeDelay(50);
  await Promise.all([first, second].map((job) => job.waitUntilFinished(events, WAIT)));
  await queue.add("c", {}, { delay: 600000 });
  await queue.promoteJobs();
  await until(() => order.includes("c"), "the job that was promoted");

  await queue.pause();
  assert(await queue.isPaused());
  const paused = await queue.add("paused", {});
  await sleep(50);
  assert(!order.includes("paused"));
  assert(await paused.isWaiting());
  await queue.resume();
  await paused.waitUntilFinished(events, WAIT);

  const same = { deduplication: { id: "same", ttl: 60000 }, delay: 60000 };
  const once = await Promise.all([1, 2].map(() => queue.add("once", {}, same)));
  assert.equal(once[0].id, once[1].id);
  assert.equal(await queue.getDeduplicationJobId("same"), once[0].id);
  assert.equal(await queue.removeDeduplicationKey("same"), 1);
  const other = await queue.add("once", {}, { deduplication: { id: "other" }, delay: 60000 });
  assert.equal(await other.removeDeduplicationKey(), true);
  await Promise.all([once[0], other].map((job) => queue.remove(job.id)));
  assert.equal((await queue.getJobs(["completed"], 0, 100)).length, order.length);
  assert((await queue.getRanges(["completed"], 0, 3)).length > 0);
  await worker.close();
  for (let number = 0; number < 5; number++) await queue.add("left", {}, { delay: number % 2 ? 60000 : 0 });
  await queue.drain(true);
  assert.equal(await queue.count(), 0);
  await queue.obliterate();
  assert.deepEqual(await redis.keys("bull:waiting:*"), []);
}

async function limits() {
  const queue = queueOf("limits");
  const starts = [];
  let running = 0;
  let most = 0;
  let limited = 0;
  const processor = async (job) => {
    if (job.name === "limit me" && limited++ === 0) {
      await queue.rateLimit(100);
      throw new RateLimitError();
    }
    running += 1;
    most = Math.max(most, running);
    starts.push(Date.now());
    await sleep(10);
    running -= 1;
  };
  await queue.addBulk([...Array(9).keys()].map(() => ({ name: "job", data: {} })));
  const begin = Date.now();
  const worker = workerOf("limits", processor, { limiter: { max: 3, duration: 200 }, concurrency: 5 });
  await until(() => starts.length === 9, "nine jobs");
  assert(starts[8] - begin >= 400, "three in 200 ms");
  await queue.getRateLimitTtl(3);
  await queue.add("limit me", {});
  await until(() => starts.length === 10, "the job that was limited");
  assert.equal(limited, 2);
  await worker.close();
  most = 0;
  await queue.setGlobalConcurrency(1);
  await queue.addBulk([...Array(6).keys()].map(() => ({ name: "job", data: {} })));
  const workers = [1, 2].map(() => workerOf("limits", processor, { concurrency: 3 }));
  await until(() => starts.length === 16, "six more");
  assert.equal(most, 1);
  await until(async () => !await queue.isMaxed(), "room for another job");
  await Promise.all(workers.map((each) => each.close()));
}

async function repeated() {
  const queue = queueOf("repeated");
  let ran = 0;
  const worker = workerOf("repeated", async () => { ran += 1; });
  await queue.upsertJobScheduler("often", { every: 100 }, { name: "tick", data: { by: "scheduler" } });
  await queue.upsertJobScheduler("nightly", { pattern: "0 3 * * *", tz: "Europe/Berlin" }, { name: "night" });
  await until(() => ran >= 3, "three ticks");
  await queue.upsertJobScheduler("often", { every: 50 }, { name: "tick", data: { by: "another" } });
  await until(() => ran >= 6, "three more");
  assert.deepEqual((await queue.getJobSchedulers()).map((each) => each.key).sort(), ["nightly", "often"]);
  assert.equal((await queue.getJobScheduler("nightly")).pattern, "0 3 * * *");
  assert.equal(await queue.removeJobScheduler("often"), true);
  assert.equal(await queue.getJobSchedulersCount(), 1);
  await worker.close();
}

async function families() {
  const queue = queueOf("parents");
  const children = queueOf("children");
  const events = eventsOf("parents");
  const flows = keep(new FlowProducer({ connection }));
  const workers = [
    workerOf("children", async (job) => {
      if (job.data.fail) throw new Error("as told");
      return job.data.number * 2;
    }, { concurrency: 3 }),
    workerOf("parents", async (job, token) => {
      if (job.name === "steps" && job.data.step === 0) {
        await children.add("child", { number: 21 }, { parent: { id: job.id, queue: job.queueQualifiedName } });
        await job.updateData({ step: 1 });
        if (await job.moveToWaitingChildren(token)) throw new WaitingChildrenError();
      }
      if (job.name === "later" && !job.data.moved) {
        await job.updateData({ moved: true });
        await job.moveToDelayed(Date.now() + 50, token);
        throw new DelayedError();
      }
      return Object.values(await job.getChildrenValues()).reduce((left, right) => left + right, 0);
    })];
  const child = (number, opts) => ({ name: "child", queueName: "children", data: { number, fail: number < 0 }, opts });
  const tree = await flows.add({ name: "sum", queueName: "parents", children: [child(1), child(2),
    { name: "inner", queueName: "parents", children: [child(10)] }] });
  assert.equal(await tree.job.waitUntilFinished(events, WAIT), 2 + 4 + 20);
  assert.equal(Object.keys((await tree.job.getDependencies()).processed).length, 3);
  assert.equal((await tree.job.getDependenciesCount()).processed, 3);
  assert.equal((await queue.getDependencies(tree.job.id, "processed", 0, 1)).items.length, 2);
  const steps = await queue.add("steps", { step: 0 });
  assert.equal(await steps.waitUntilFinished(events, WAIT), 42);
  await (await queue.add("later", {})).waitUntilFinished(events, WAIT);
  const doomed = await flows.add({ name: "doomed", queueName: "parents",
    children: [child(-1, { failParentOnFailure: true })] });
  await assert.rejects(doomed.job.waitUntilFinished(events, WAIT));
  const ignoring = await flows.add({ name: "sum", queueName: "parents",
    children: [child(-1, { ignoreDependencyOnFailure: true }), child(3)] });
  assert.equal(await ignoring.job.waitUntilFinished(events, WAIT), 6);
  assert.equal(Object.keys(await ignoring.job.getIgnoredChildrenFailures()).length, 1);

  await children.pause();
  const orphaning = await flows.add({ name: "sum", queueName: "parents", children: [child(1), child(2), child(3)] });
  assert.equal(await orphaning.job.getState(), "waiting-children");
  assert.equal((await queue.getWaitingChildren()).length, 1);
  assert.equal(await orphaning.children[0].job.removeChildDependency(), true);
  await orphaning.children[1].job.remove();
  await orphaning.job.removeUnprocessedChildren();
  assert.equal(await orphaning.job.waitUntilFinished(events, WAIT), 0);
  await Promise.all(workers.map((each) => each.close()));
}

async function byHand() {
  const queue = queueOf("hand");
  const worker = workerOf("hand", null);
  const job = await queue.add("taken", {});
  const token = "mine";
  const taken = await worker.getNextJob(token);
  assert.equal(taken.id, job.id);
  assert.equal(await taken.extendLock(token, 30000), 1);
  assert.deepEqual(await worker.extendJobLocks([taken.id], [token], 30000), []);
  await assert.rejects(taken.moveToCompleted(1, "not mine"), /lock/i);
  assert.equal(await taken.moveToWait(token), 0);
  await (await worker.getNextJob(token)).moveToFailed(new Error("by hand"), token);
  assert(await job.isFailed());
  await queue.add("orphan", {}, { jobId: "orphan" });
  await redis.lrem("bull:hand:wait", 0, "orphan");
  assert.equal(await queue.removeOrphanedJobs(), 1);
  await worker.close();
}

// A process works on a job and is killed; another one finds that the job has stalled.
async function stalled() {
  const queue = queueOf("stalled");
  const events = eventsOf("stalled");
  await events.waitUntilReady();
  const told = new Promise((resolve) => { events.on("stalled", resolve); });
  const job = await queue.add("long", {});
  const other = fork(path.join(__dirname, "bullmq_worker.js"), [process.argv[2]]);
  await until(() => redis.exists("working"), "the other process's work");
  other.kill("SIGKILL");
  const worker = workerOf("stalled", async () => "by another", { stalledInterval: 200 });
  assert.equal(await job.waitUntilFinished(events, WAIT), "by another");
  assert.equal((await told).jobId, job.id);
  assert.equal((await queue.getJob(job.id)).stalledCounter, 1);
  await worker.close();
}

async function sandboxed() {
  const queue = queueOf("sandbox");
  const events = eventsOf("sandbox");
  const worker = workerOf("sandbox", path.join(__dirname, "bullmq_processor.js"));
  assert.equal(await (await queue.add("square", { number: 12 })).waitUntilFinished(events, WAIT), 144);
  await worker.close();
}

async function relay() {
  const [one, two] = [1, 2].map((number) => keep(new Relay({ connection, name: `node ${number}`, heartbeatInterval: 100,
    leaseDuration: 1000, sweepInterval: 100 })));
  await Promise.all([one, two].map((each) => each.waitUntilReady()));
  const heard = [];
  await one.publish("news.old", { text: "kept" }, { retain: 60000 });
  const subscription = await two.subscribe("news.*", (message) => heard.push(message.data.text));
  const hello = () => one.publish("news.today", { text: "hello" });
  await until(async () => (await hello()).endpoints > 0 && heard.length, "a message");
  await until(() => heard.includes("hello"), "the message that was heard");
  await two.subscribe("news.old", (message) => heard.push(message.data.text));
  await until(() => heard.includes("kept"), "what was retained");
  assert.equal((await one.getCounts()).nodes, 2);
  assert.equal((await one.getNodes()).length, 2);
  assert.deepEqual((await one.getPatterns()).map((each) => each.pattern).sort(), ["news.*", "news.old"]);
  assert.equal((await one.getSubscriptions()).length, 2);
  assert.equal((await one.getRetained()).length, 1);
  assert.equal(await one.deleteRetained("news.old"), true);
  assert.deepEqual(await one.getNamespaces(), ["default"]);
  await sleep(250);
  await subscription.unsubscribe();
  await Promise.all([one, two].map((each) => each.close()));
}

run(async () => {
  for (const part of [jobs, waiting, limits, repeated, families, byHand, stalled, sandboxed, relay]) await part();
  const ran = await redis.script("EXISTS", ...scripts.map((script) => script.sha1));
  // Nothing in the package calls these, unless the server is older than Redis 6.0.6.
  assert.deepEqual(scripts.filter((_, index) => !ran[index]).map((script) => script.name),
    ["getState", "isJobInList", "relayAckInbox", "releaseLock", "saveStacktrace"]);
  await Promise.all(opened.map((each) => each.close()));
});
