"use strict";
// What the environment says of the server and of where its password is: the order is that of sdk/python/hanzo_kv/config.py.

const fs = require("node:fs");
const { ConfigError, DEFAULT_PORT, emptyAddress, formatUrl, parseDb, parseNode, parsePort, parseUrl, saysDb } = require("./address");

const URL_NAMES = ["KV_URL", "HANZO_KV_URL", "REDIS_URL"];
const PASSWORD_NAMES = ["KV_PASSWORD", "HANZO_KV_PASSWORD", "REDIS_PASSWORD"];
const USER_NAMES = ["KV_USERNAME", "REDIS_USERNAME"];
const TRUE = ["1", "true", "yes", "on"];
const FALSE = ["0", "false", "no", "off"];

/** {address, passwordFile, kms, source}; `url` is what the program itself says, if it does. Throws ConfigError. */
function configFromEnv(url, env = process.env) {
  if (url) return { address: parseUrl(url), passwordFile: "", kms: null, source: "url" };
  const source = URL_NAMES.find((name) => isOurs(name, env)) || "";
  const address = source ? parseUrl(env[source], source) : addressOfParts(env);
  if (source && !saysDb(env[source])) address.db = dbOf(env);
  if (!address.username && !address.password) address.username = first(env, USER_NAMES)[0];
  if (address.password) return { address, passwordFile: "", kms: null, source };
  const [password, passwordFile] = secret(env, PASSWORD_NAMES);
  address.password = password;
  return { address, passwordFile, kms: password ? null : kmsConfigFromEnv(env), source };
}

/** Where the password is kept, or null where the environment has no credentials of a KMS. */
function kmsConfigFromEnv(env = process.env) {
  const token = secret(env, ["HANZO_KMS_TOKEN", "KMS_TOKEN"])[0];
  const clientId = secret(env, ["HANZO_KMS_CLIENT_ID", "KMS_CLIENT_ID"])[0];
  const clientSecret = secret(env, ["HANZO_KMS_CLIENT_SECRET", "KMS_CLIENT_SECRET"])[0];
  if (Boolean(clientId) !== Boolean(clientSecret)) {
    const [missing, there] = clientId ? ["SECRET", "ID"] : ["ID", "SECRET"];
    throw new ConfigError(`HANZO_KMS_CLIENT_${missing}: not set, but HANZO_KMS_CLIENT_${there} is`);
  }
  if (!token && !clientId) return null;
  const org = env.HANZO_KMS_ORG || "hanzo";
  const config = {
    url: (env.HANZO_KMS_URL || "https://kms.hanzo.ai").trim().replace(/\/+$/, ""),
    org,
    project: env.HANZO_KMS_PROJECT || org,
    environment: env.HANZO_KMS_ENV || "prod",
    path: env.HANZO_KMS_PATH || "/kv",
    name: env.HANZO_KMS_SECRET || "redis-password",
  };
  if (!isPlainHttp(config.url)) throw new ConfigError("HANZO_KMS_URL: not an http:// or https:// URL without a user");
  for (const [name, value] of Object.entries({ token, clientId, clientSecret })) {
    Object.defineProperty(config, name, { value, enumerable: false }); // so that no console.log() shows them
  }
  return config;
}

function isPlainHttp(text) {
  try {
    const url = new URL(text);
    return /^https?:\/\//i.test(text) && url.hostname !== "" && !url.username && !url.password;
  } catch {
    return false;
  }
}

/** The URL for a library that takes one; the password with it where it is known without the KMS. */
function urlFromEnv(url, env = process.env) {
  return formatUrl(configFromEnv(url, env).address);
}

function isOurs(name, env) {
  const value = (env[name] || "").trim();
  return value !== "" && !(name === "HANZO_KV_URL" && /^https?:\/\//i.test(value));
}

/** [value, name] of the first that is set, else two empty ones. */
function first(env, names) {
  const name = names.find((each) => env[each]);
  return name ? [env[name], name] : ["", ""];
}

function addressOfParts(env) {
  // Kubernetes sets KV_PORT=tcp://10.0.0.1:6379 for a Service named kv, REDIS_PORT for one named redis: these are no ports
  const [port, portName] = first(env, ["KV_PORT", "REDIS_PORT"].filter((name) => !(env[name] || "").includes("://")));
  const number = port ? parsePort(port, portName) : DEFAULT_PORT;
  const address = emptyAddress();
  if (env.HANZO_KV_ADDR) {
    address.nodes = [parseNode(env.HANZO_KV_ADDR, number, "HANZO_KV_ADDR")];
  } else {
    const host = first(env, ["KV_HOST", "REDIS_HOST"])[0];
    address.nodes = [[host || (env.KUBERNETES_SERVICE_HOST ? "redis-master" : "localhost"), number]];
  }
  const [tls, tlsName] = first(env, ["KV_TLS", "REDIS_TLS"]);
  if (tls && ![...TRUE, ...FALSE].includes(tls.toLowerCase())) throw new ConfigError(`${tlsName}: neither true nor false`);
  address.tls = TRUE.includes(tls.toLowerCase());
  address.db = dbOf(env);
  return address;
}

function dbOf(env) {
  const [db, name] = first(env, ["KV_DB", "REDIS_DB"]);
  return db ? parseDb(db, name) : 0;
}

/** [value, the file that it came from] of the first of these variables or of its _FILE form. */
function secret(env, names) {
  for (const name of names) {
    if (env[name]) return [env[name], ""];
    const file = env[name + "_FILE"];
    if (file) return [readSecret(file, name + "_FILE"), file];
  }
  return ["", ""];
}

/** A file's content without the line end that editors add. */
function readSecret(path, source) {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(fs.readFileSync(path));
  } catch {
    throw new ConfigError(`${source}: the file cannot be read`);
  }
  text = text.replace(/\n$/, "").replace(/\r$/, "");
  if (!text) throw new ConfigError(`${source}: the file is empty`);
  return text;
}

module.exports = { configFromEnv, kmsConfigFromEnv, readSecret, urlFromEnv };
