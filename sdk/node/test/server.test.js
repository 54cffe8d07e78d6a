"use strict";
// Against a server: KV_TEST_PORT is its port, KV_TEST_PASSWORD its password, which these tests change and put back.

const assert = require("node:assert/strict");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { after, before, describe, test } = require("node:test");
const { startKms } = require("./fake");

let KV = null;
try {
  KV = require("..");
} catch (error) {
  if (error.code !== "MODULE_NOT_FOUND") throw error;
}
const { KV_TEST_PORT: PORT, KV_TEST_PASSWORD: PASSWORD } = process.env;
const reason = !KV ? "ioredis is not installed" : !PORT ? "KV_TEST_PORT names no server" : false;

describe("a server", { skip: reason }, () => {
  let kms, admin;
  const lines = [];
  const environment = { ...process.env };
  before(async () => {
    kms = await startKms();
    admin = new KV(Number(PORT), "127.0.0.1", { password: PASSWORD });
    KV.logTo((line) => lines.push(line), { level: "debug" });
  });
  after(async () => {
    await admin.config("SET", "requirepass", PASSWORD);
    admin.disconnect();
    kms.close();
    KV.logTo(null);
    for (const secret of [PASSWORD, "client-secret", "token-1", "rotated-"]) {
      assert.ok(!lines.some((line) => line.includes(secret)));
    }
    process.env = environment;
  });

  async function useKms(password, more = {}) {
    await kms.put({ secrets: { "/kv/redis-password": password } });
    process.env = {
      ...environment, KV_HOST: "127.0.0.1", KV_PORT: PORT, HANZO_KMS_URL: kms.url, HANZO_KMS_CLIENT_ID: "id",
      HANZO_KMS_CLIENT_SECRET: "client-secret", ...more,
    };
  }

  /** Change it at the server and in the KMS, and end all connections that still stand. */
  async function rotate(password) {
    await kms.patch({ secrets: { "/kv/redis-password": password } });
    await admin.config("SET", "requirepass", password);
    await admin.client("KILL", "TYPE", "normal", "SKIPME", "yes");
  }

  test("a URL", async () => {
    const client = new KV(`kv://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${PORT}/3`);
    await client.set("node", "value");
    assert.equal(await client.get("node"), "value");
    assert.equal(client.options.db, 3);
    client.disconnect();
  });

  test("fromEnv, rotation, no command refused", async () => {
    await useKms(PASSWORD);
    const client = await KV.fromEnv();
    const copy = client.duplicate();
    await client.set("count", 0);
    assert.equal(await copy.get("count"), "0");
    for (const password of ["rotated-1", "rotated-2", PASSWORD]) {
      await rotate(password);
      const values = await Promise.all(Array.from({ length: 20 }, () => client.get("count")));
      assert.deepEqual(values, Array(20).fill("0"));
      assert.equal(await copy.get("count"), "0");
    }
    assert.equal((await kms.requests()).filter((line) => line.startsWith("GET")).length, 4); // the two clients share one source
    client.disconnect();
    copy.disconnect();
  });

  test("commands wait for the KMS", async () => {
    await useKms(PASSWORD);
    const client = new KV();
    assert.equal(await client.ping(), "PONG");
    client.disconnect();
    const lazy = new KV({ lazyConnect: true });
    assert.deepEqual(await Promise.all([lazy.ping(), lazy.echo("x")]), ["PONG", "x"]);
    await lazy.quit();
  });

  test("a KMS that refuses us refuses the commands", async () => {
    await useKms(PASSWORD, { HANZO_KMS_CLIENT_SECRET: "wrong" });
    await assert.rejects(KV.fromEnv(), { name: "KMSError", message: "KMS: the client id or secret was refused (401)" });
    const client = new KV({ retryStrategy: () => null });
    client.on("error", () => {});
    await assert.rejects(client.ping(), { name: "KMSError" });
    await assert.rejects(client.ping(), { message: "Connection is closed." });
  });

  test("a server that is not there is what fromEnv says", async () => {
    await useKms(PASSWORD, { KV_PORT: "9" });
    await assert.rejects(KV.fromEnv(), { code: "ECONNREFUSED" });
  });

  test("a password that nobody knows is an error", async () => {
    await useKms("not the password");
    await assert.rejects(KV.fromEnv(), { message: /^WRONGPASS/ });
    const client = new KV();
    client.on("error", () => {});
    await assert.rejects(client.ping(), { message: /^WRONGPASS/ });
    client.disconnect();
  });

  test("a client that is closed while the KMS is asked stays closed", async () => {
    await useKms(PASSWORD);
    const client = new KV();
    const pending = assert.rejects(client.ping(), { message: "Connection is closed." });
    client.disconnect();
    await pending;
    assert.equal(client.status, "end");
  });

  test("a password file that is written anew", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "kv-file-"));
    const file = path.join(folder, "redis-password");
    fs.writeFileSync(file, PASSWORD + "\n");
    process.env = { ...environment, REDIS_HOST: "127.0.0.1", REDIS_PORT: PORT, REDIS_PASSWORD_FILE: file };
    const client = await KV.fromEnv();
    fs.writeFileSync(file, "rotated-3\n");
    await rotate("rotated-3");
    assert.equal(await client.ping(), "PONG");
    await rotate(PASSWORD);
    fs.writeFileSync(file, PASSWORD);
    assert.equal(await client.ping(), "PONG");
    client.disconnect();
    fs.rmSync(folder, { recursive: true });
  });

  test("ESM gives the same class", async () => {
    const esm = await import("../lib/index.mjs");
    assert.equal(esm.default, KV);
    assert.equal(esm.KMSError, KV.KMSError);
    assert.equal(typeof esm.fromEnv, "function");
  });

  test("a cluster's URL names cluster()", () => {
    assert.throws(() => new KV("kv+cluster://a,b"), { message: "url: a kv+cluster URL is for cluster()" });
  });
});
