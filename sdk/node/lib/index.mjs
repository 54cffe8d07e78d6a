// The same objects as require("@hanzo/kv") gives, so that instanceof holds between the two.
import KV from "./index.js";

export default KV;
export const {
  Cluster, Command, ConfigError, KMS, KMSError, Redis, ReplyError, RotatingCredentials, cluster, configFromEnv, kmsConfigFromEnv,
  logTo, urlFromEnv,
} = KV;
export const fromEnv = (options) => KV.fromEnv(options);
export { KV };
