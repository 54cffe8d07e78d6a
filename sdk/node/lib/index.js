"use strict";
// ioredis for Hanzo KV. `require("@hanzo/kv")` is the class, as `require("ioredis")` is; the rest are its properties.

const ioredis = require("ioredis");
const { ConfigError } = require("./address");
const { KV, cluster } = require("./client");
const { configFromEnv, kmsConfigFromEnv, urlFromEnv } = require("./config");
const { RotatingCredentials } = require("./credentials");
const { KMS, KMSError } = require("./kms");
const { logTo } = require("./logs");

const members = {
  default: KV, KV, Redis: KV, Cluster: ioredis.Cluster, Command: ioredis.Command, ReplyError: ioredis.ReplyError, cluster, urlFromEnv,
  configFromEnv, kmsConfigFromEnv, KMS, KMSError, ConfigError, RotatingCredentials, logTo,
};
for (const [name, value] of Object.entries(members)) Object.defineProperty(KV, name, { value, enumerable: true }); // some are getters above
module.exports = KV;
