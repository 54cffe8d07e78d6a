"use strict";
// sdk/cases.json, which the other SDKs' tests read, too.

const assert = require("node:assert/strict");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const util = require("node:util");
const { after, before, describe, test } = require("node:test");
const { formatUrl } = require("../lib/address");
const { configFromEnv, kmsConfigFromEnv } = require("../lib/config");
const { RotatingCredentials } = require("../lib/credentials");
const { KMS, KMSError } = require("../lib/kms");
const { logTo } = require("../lib/logs");
const { startKms } = require("./fake");

const CASES = JSON.parse(fs.readFileSync(path.join(__dirname, "../../cases.json"), "utf8"));
const SECRETS = ["client-secret", "wrong-secret", "token-1", "first", "second", "mine"];

function seen({ address, passwordFile, kms }) {
  const { password, options } = address; // not enumerable
  return { ...address, password, options: { ...options }, password_file: passwordFile, kms: kms && { ...kms } };
}

describe("resolve", () => {
  for (const each of CASES.resolve) {
    test(each.name, () => {
      const folder = fs.mkdtempSync(path.join(os.tmpdir(), "kv-cases-"));
      for (const [name, content] of Object.entries(each.files || {})) fs.writeFileSync(path.join(folder, name), content);
      const inFolder = (value) => JSON.parse(JSON.stringify(value).replaceAll("$FILES", folder));
      try {
        if (each.error) {
          assert.throws(() => configFromEnv(each.url, inFolder(each.env)), { name: "ConfigError", message: each.error });
          return;
        }
        const config = configFromEnv(each.url, inFolder(each.env));
        const { url, ...expected } = inFolder(each.expect);
        assert.deepEqual(seen(config), { ...CASES.default, ...expected });
        if (url) assert.equal(formatUrl(config.address), url);
        if (config.address.password.length > 2) assert.ok(!util.inspect(config, { depth: 9 }).includes(config.address.password));
      } finally {
        fs.rmSync(folder, { recursive: true });
      }
    });
  }
});

describe("the KMS", () => {
  let kms;
  const lines = [];
  before(async () => {
    kms = await startKms();
    logTo((line) => lines.push(line), { service: "tests", level: "debug" });
  });
  after(() => {
    kms.close();
    logTo(null);
    assert.ok(lines.length > 0);
    for (const line of lines) {
      assert.equal(JSON.parse(line)["db.system"], "redis");
      assert.match(JSON.parse(line).ts, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.ok(!SECRETS.some((secret) => line.includes(secret)), line);
    }
  });

  /** Each step of a case with `ask`, an async function that gives a password. */
  async function walk(each, clock, ask, refused) {
    for (const step of each.steps) {
      if (step.state) await kms.patch(step.state);
      clock.now += (step.seconds || 0) * 1000;
      if (step.password) assert.equal(await ask(), step.password);
      if (step.refused) assert.equal(await refused(step.refused), step.another);
      if (step.error) {
        await assert.rejects(ask, (error) => {
          assert.ok(error instanceof KMSError);
          assert.equal(error.message, step.error);
          assert.ok(!SECRETS.some((secret) => util.inspect(error).includes(secret)));
          return true;
        });
      }
    }
    assert.deepEqual(await kms.requests(), each.requests);
  }

  for (const each of CASES.kms) {
    test(each.name, async () => {
      await kms.put(each.state);
      const clock = { now: 1e6 };
      const client = new KMS(kmsConfigFromEnv({ HANZO_KMS_URL: kms.url, ...each.env }), { now: () => clock.now });
      await walk(each, clock, () => client.password());
      assert.ok(!SECRETS.some((secret) => util.inspect(client, { depth: 9 }).includes(secret)));
    });
  }

  for (const each of CASES.credentials) {
    test("credentials: " + each.name, async () => {
      await kms.put(each.state);
      const clock = { now: 1e6 };
      const client = new KMS(kmsConfigFromEnv({ HANZO_KMS_URL: kms.url, ...each.env }));
      const credentials = new RotatingCredentials(() => client.password(), { now: () => clock.now });
      await walk(each, clock, () => credentials.password(), (password) => credentials.refused(password));
    });
  }
});
