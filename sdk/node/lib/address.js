"use strict";
// The URL of a server, read and written: the language is described in sdk/python/hanzo_kv/address.py, and sdk/cases.json holds all
// SDKs to it. No error repeats a part of the URL, for a password that is not percent-encoded may stand in any part.

const FAMILIES = { redis: false, valkey: false, kv: false, rediss: true, valkeys: true, kvs: true }; // name -> TLS
const KINDS = { "": "tcp", sentinel: "sentinel", cluster: "cluster", socket: "unix" }; // what follows the +
const DEFAULT_PORT = 6379;
const SENTINEL_PORT = 26379;
const MAX_DB = 2 ** 31 - 1;
const SCHEMES = "redis, rediss, valkey, valkeys, kv, kvs, unix, and kv+socket, kv+sentinel, kv+cluster";

/** The environment or a URL says something that cannot be meant. The text begins with the name of the variable, or "url". */
class ConfigError extends Error {
  constructor(message) {
    super(message);
    this.name = "ConfigError";
  }
}

/** [before, the separator or "", after] of the first separator. */
function partition(text, separator) {
  const at = text.indexOf(separator);
  return at < 0 ? [text, "", ""] : [text.slice(0, at), separator, text.slice(at + separator.length)];
}

function emptyAddress() {
  return hideSecrets({
    kind: "tcp", tls: false, nodes: [["localhost", DEFAULT_PORT]], path: "", master: "", db: 0, username: "", password: "", options: {},
  });
}

/** console.log() and JSON.stringify() of an address show neither its password nor its options. */
function hideSecrets(address) {
  for (const name of ["password", "options"]) {
    Object.defineProperty(address, name, { value: address[name], enumerable: false, writable: true, configurable: true });
  }
  return address;
}

function parseUrl(url, source = "url") {
  const text = url.trim();
  const [scheme, found, afterScheme] = partition(text, "://");
  const { kind, tls } = parseScheme(found ? scheme : "", source);
  if (afterScheme.includes("#")) throw encodingError(source);
  const [rest, , query] = partition(afterScheme, "?");
  const [authority, slash, path] = partition(rest, "/");
  const at = authority.lastIndexOf("@");
  const userinfo = at < 0 ? "" : authority.slice(0, at);
  const hosts = authority.slice(at + 1);
  if (path.includes("@") || query.includes("@")) throw encodingError(source);
  const options = {};
  for (const [name, value] of splitQuery(query)) options[decode(name, source, true)] = decode(value, source, true);
  const [username, , password] = partition(userinfo, ":");
  let db = take(options, "db");
  if (kind !== "unix") db = db || decode(path, source);
  else if (hosts || !path) throw new ConfigError(`${source}: a unix socket is written as unix:///path`);
  if (kind === "tcp" && hosts.includes(",")) {
    throw new ConfigError(`${source}: several hosts are for kv+sentinel and kv+cluster`);
  }
  const master = take(options, "mastername");
  if (kind === "sentinel" && !master) throw new ConfigError(`${source}: kv+sentinel needs ?mastername=`);
  const [queryUser, queryPassword] = [take(options, "username"), take(options, "password")];
  return hideSecrets({
    kind, tls,
    nodes: kind === "unix" ? [] : parseNodes(hosts, kind === "sentinel" ? SENTINEL_PORT : DEFAULT_PORT, source),
    path: kind === "unix" ? slash + decode(path, source) : "",
    master: kind === "sentinel" ? master : "",
    db: db ? parseDb(db, source) : 0,
    username: decode(username, source) || queryUser,
    password: decode(password, source) || queryPassword,
    options,
  });
}

function take(options, name) {
  const value = options[name] || "";
  delete options[name];
  return value;
}

/** Whether a URL that parseUrl took names a database. */
function saysDb(url) {
  const text = url.trim();
  const [rest, , query] = partition(partition(text, "://")[2], "?");
  if (splitQuery(query).some(([name, value]) => name === "db" && value)) return true;
  return !/^(unix|\w+\+socket):\/\//i.test(text) && partition(rest, "/")[2] !== "";
}

function parseScheme(scheme, source) {
  const [name, plus, suffix] = partition(scheme.toLowerCase(), "+");
  if (name === "unix" && !plus) return { kind: "unix", tls: false };
  const known = Object.hasOwn(FAMILIES, name) && Object.hasOwn(KINDS, suffix);
  if (!known || (plus && !suffix) || (FAMILIES[name] && suffix === "socket")) {
    throw new ConfigError(`${source}: the scheme is none of ${SCHEMES}`);
  }
  return { kind: KINDS[suffix], tls: FAMILIES[name] };
}

function parseNodes(text, defaultPort, source) {
  return text.split(",").map((part) => parseNode(part, defaultPort, source));
}

/** host, host:port, [IPv6] or [IPv6]:port. */
function parseNode(text, defaultPort, source) {
  let host, port;
  if (text.startsWith("[")) {
    const [inside, bracket, after] = partition(text.slice(1), "]");
    if (!bracket || !inside || (after && !after.startsWith(":"))) {
      throw new ConfigError(`${source}: an IPv6 address is written as [::1]:6379`);
    }
    [host, port] = [inside, after.slice(1)];
  } else {
    [host, , port] = partition(text, ":");
    host = decode(host, source);
  }
  return [host || "localhost", port ? parsePort(port, source) : defaultPort];
}

function parsePort(text, source) {
  const number = Number(text);
  if (!/^[0-9]{1,5}$/.test(text) || number < 1 || number > 65535) {
    throw new ConfigError(`${source}: the port is not a number from 1 to 65535`);
  }
  return number;
}

function parseDb(text, source) {
  if (!/^[0-9]{1,10}$/.test(text) || Number(text) > MAX_DB) {
    throw new ConfigError(`${source}: the database is not a number from 0`);
  }
  return Number(text);
}

function splitQuery(query) {
  return query.split("&").filter(Boolean).map((pair) => { const [name, , value] = partition(pair, "="); return [name, value]; });
}

/** Without percent-encoding; in a query (`plus`) a + is a space. */
function decode(text, source, plus = false) {
  try {
    return decodeURIComponent(plus ? text.replaceAll("+", " ") : text);
  } catch {
    throw encodingError(source);
  }
}

function encodingError(source) {
  return new ConfigError(`${source}: in a user or password @ / ? # % are written %40 %2F %3F %23 %25`);
}

/** All but A-Z a-z 0-9 - . _ ~ percent-encoded, which every reader takes for what it is. */
function encode(text) {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => "%" + char.charCodeAt(0).toString(16).toUpperCase());
}

/** The URL of an address, with another password where one is given. */
function formatUrl(address, password = address.password) {
  let scheme = { tcp: "redis", unix: "unix" }[address.kind] || "kv+" + address.kind;
  if (address.tls) scheme = address.kind === "tcp" ? "rediss" : "kvs+" + address.kind;
  const userinfo = encode(address.username) + (password ? ":" + encode(password) : "");
  const hosts = address.nodes.map(([host, port]) => `${host.includes(":") ? `[${host}]` : encode(host)}:${port}`).join(",");
  const query = Object.keys(address.options).sort().map((name) => `${encode(name)}=${encode(address.options[name])}`);
  if (address.master) query.unshift("mastername=" + encode(address.master));
  const unix = address.kind === "unix";
  if (unix) query.unshift(`db=${address.db}`);
  const path = unix ? address.path.split("/").map(encode).join("/") : `/${address.db}`;
  return `${scheme}://${userinfo && userinfo + "@"}${hosts}${path}${query.length ? "?" + query.join("&") : ""}`;
}

module.exports = {
  ConfigError, DEFAULT_PORT, emptyAddress, encode, formatUrl, parseDb, parseNode, parsePort, parseUrl, saysDb,
};
