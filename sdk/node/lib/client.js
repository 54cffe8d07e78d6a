"use strict";
// ioredis' client with an address and a password as Hanzo's services have them.

const Redis = require("ioredis");
const { ConfigError } = require("./address");
const { configFromEnv } = require("./config");
const { credentialsOf } = require("./credentials");
const { log } = require("./logs");

const CLOSED = "Connection is closed."; // ioredis' text
const REFUSED = /^(WRONGPASS|NOAUTH)\b/;

const OWN = ["host", "port", "path", "sentinels", "Connector"]; // options that say where the server is: ioredis' alone count then

/** new KV(url, options), new KV(options), new KV() for the environment; new KV(port, host, options) and new KV({host}) as ioredis' own. */
class KV extends Redis {
  constructor(...args) {
    const [first, second] = args;
    const own = typeof first === "object" && first !== null && OWN.some((name) => name in first);
    if (own || typeof first === "number" || (typeof first === "string" && first.startsWith("/"))) {
      super(...args);
    } else {
      const [url, options] = typeof first === "string" ? [first, second] : [undefined, first ?? undefined];
      super(optionsOf(configFromEnv(url), options));
    }
  }

  /** A client of the environment, once it is connected; rejects with what keeps it from that. */
  static async fromEnv(options = {}) {
    const client = new KV({ ...options, lazyConnect: true });
    if (options.lazyConnect) return client;
    let cause; // connect() itself says only that the connection is closed
    const note = (error) => (cause = error);
    client.on("error", note);
    try {
      await client.connect();
      return client;
    } catch (error) {
      client.disconnect();
      throw cause ?? error;
    } finally {
      client.off("error", note);
    }
  }

  duplicate(override) {
    return new KV({ ...this.options, ...override });
  }

  /** ioredis' connect(), with the password of the moment. ioredis calls it for each connection, the first and later ones. */
  connect(callback) {
    const { credentials } = this.options;
    if (!credentials) return super.connect(callback);
    this.condition ??= { select: this.options.db, auth: undefined, subscriber: false }; // commands that wait are noted with it
    this._opening ??= this._open(credentials).finally(() => (this._opening = null));
    if (callback) this._opening.then(() => callback(null), callback);
    return this._opening;
  }

  async _open(credentials) {
    const started = performance.now();
    for (let attempt = 0; ; attempt++) {
      await this._orGiveUp(async () => {
        this.options.password = await credentials.password();
        if (credentials.username) this.options.username = credentials.username;
      });
      if (this.status === "end" || this.manuallyClosing) this._closed();
      try {
        await super.connect();
        log("info", "connected", { latency_ms: performance.now() - started });
        return;
      } catch (error) {
        const refusal = this._refusal;
        this._refusal = null;
        if (!refusal) throw error;
        this._cancelReconnect();
        await this._orGiveUp(async () => {
          if (attempt || !(await credentials.refused(this.options.password))) throw refusal;
        });
      }
    }
  }

  _closed() {
    this.manuallyClosing = false;
    this.setStatus("end");
    this.flushQueue(new Error(CLOSED));
    throw new Error(CLOSED);
  }

  _cancelReconnect() {
    clearTimeout(this.reconnectTimeout);
    this.reconnectTimeout = null;
  }

  async _orGiveUp(work) {
    try {
      await work();
    } catch (error) {
      this._giveUp(error);
      throw error;
    }
  }

  /** No password is to be had: commands that wait are refused, as ioredis does when AUTH is, and it is tried again later. */
  _giveUp(error) {
    this.flushQueue(error);
    this.silentEmit("error", error);
    const delay = typeof this.options.retryStrategy === "function" ? this.options.retryStrategy(++this.retryAttempts) : null;
    if (this.options.lazyConnect && this.status === "wait") return; // the next connect(), or command, asks again
    if (typeof delay !== "number") {
      this.setStatus("end");
      return;
    }
    this.setStatus("reconnecting", delay);
    this.reconnectTimeout = setTimeout(() => {
      this.reconnectTimeout = null;
      this.connect().catch(() => {});
    }, delay);
  }

  /**
   * ioredis comes here when AUTH, or its ready check, fails, and rejects every command that waits. A refused password is no reason for
   * that while the source may have another one: connect() looks.
   */
  recoverFromFatalError(commandError, error, options) {
    if (this.options.credentials && REFUSED.test(error.message)) {
      this._refusal = error;
      this.disconnect(true);
      return;
    }
    super.recoverFromFatalError(commandError, error, options);
  }
}

/** ioredis' options: ours, then the URL's query, then the caller's. */
function optionsOf(config, given = {}) {
  const { address } = config;
  if (address.kind === "cluster") throw new ConfigError(`${config.source || "url"}: a kv+cluster URL is for cluster()`);
  const options = { db: address.db, ...libraryOptions(address.options) };
  if (address.tls) options.tls = {};
  if (address.kind === "unix") options.path = address.path;
  else if (address.kind === "sentinel") {
    Object.assign(options, { sentinels: sentinels(address), name: address.master, enableTLSForSentinelMode: address.tls });
    if (address.tls) options.sentinelTLS = {};
  } else [options.host, options.port] = address.nodes[0];
  return { ...options, ...passwordOptions(config, given), ...given };
}

function passwordOptions(config, given) {
  if (given.password || given.username || given.credentials) return {};
  const credentials = credentialsOf(config);
  if (!credentials) return { username: config.address.username || undefined, password: config.address.password || undefined };
  return { credentials, reconnectOnError: (error) => (/^NOAUTH\b/.test(error.message) ? 2 : false) }; // 2: and send it again
}

function sentinels(address) {
  return address.nodes.map(([host, port]) => ({ host, port }));
}

/** The URL's other options: numbers and true or false are of that type, as ioredis reads them from a URL. */
function libraryOptions(query) {
  const typed = (text) => (/^\d+$/.test(text) ? Number(text) : { true: true, false: false }[text] ?? text);
  return Object.fromEntries(Object.entries(query).map(([name, value]) => [name, typed(value)]));
}

/** ioredis' cluster client for a kv+cluster URL, or for the environment's. The password is the one of the moment. */
async function cluster(url, options = {}) {
  const config = configFromEnv(url);
  const { address } = config;
  const credentials = credentialsOf(config);
  const password = credentials ? await credentials.password() : address.password || undefined;
  const redisOptions = { username: address.username || undefined, password, ...(address.tls ? { tls: {} } : {}) };
  return new Redis.Cluster(sentinels(address), { ...options, redisOptions: { ...redisOptions, ...options.redisOptions } });
}

module.exports = { KV, cluster };
