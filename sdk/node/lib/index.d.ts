import { Cluster as IORedisCluster, ClusterOptions, Command, Redis, RedisOptions } from "ioredis";

declare class KV extends Redis {
  /** The server of the environment (KV_URL, REDIS_URL, parts; see sdk/README.md). Throws KV.ConfigError. */
  constructor(options?: KV.Options);
  /** kv://, redis://, valkey://, each with s for TLS; unix://, kv+sentinel://host,host/0?mastername=name. */
  constructor(url: string, options?: KV.Options);
  /** As ioredis' own. */
  constructor(port: number, host?: string, options?: RedisOptions);
  constructor(port: number, options: RedisOptions);

  duplicate(override?: Partial<KV.Options>): KV;

  static readonly default: typeof KV;
  static readonly KV: typeof KV;
  static readonly Redis: typeof KV;
  static readonly Cluster: typeof IORedisCluster;
  static readonly Command: typeof Command;
  static readonly ReplyError: new (...args: any[]) => Error;

  /** A client of the environment, once it is connected; with lazyConnect at once. Rejects with KV.KMSError, KV.ConfigError or ioredis' errors. */
  static fromEnv(options?: KV.Options): Promise<KV>;
}

declare namespace KV {
  interface Options extends RedisOptions {
    /** Where the password comes from, and comes from again when the server refuses it. */
    credentials?: RotatingCredentials;
  }

  interface Address {
    kind: "tcp" | "unix" | "sentinel" | "cluster";
    tls: boolean;
    nodes: [host: string, port: number][];
    path: string;
    master: string;
    db: number;
    username: string;
    /** Not enumerable, so that console.log() does not show it. */
    password: string;
    /** The URL's other options, for ioredis. Not enumerable. */
    options: Record<string, string>;
  }

  /** The secret `name` at `path`, of `environment` in `project` of `org`. */
  interface KMSConfig {
    url: string;
    org: string;
    project: string;
    environment: string;
    path: string;
    name: string;
    clientId: string;
    clientSecret: string;
    token: string;
  }

  interface Config {
    address: Address;
    /** The file that the password was read from, or "". */
    passwordFile: string;
    kms: KMSConfig | null;
    /** The variable that the URL came from, "url" for the argument, "" for parts. */
    source: string;
  }

  type Environment = Record<string, string | undefined>;

  class ConfigError extends Error {}
  class KMSError extends Error {}

  class KMS {
    constructor(config: KMSConfig, options?: { timeout?: number; now?: () => number });
    readonly config: KMSConfig;
    /** Rejects with KMSError. */
    password(): Promise<string>;
  }

  class RotatingCredentials {
    constructor(fetch: () => string | Promise<string>, options?: { username?: string; now?: () => number });
    readonly username: string;
    password(): Promise<string>;
    /** The server did not take this password: whether there is another one now. */
    refused(password: string): Promise<boolean>;
  }

  interface LogOptions {
    service?: string;
    level?: "debug" | "info" | "warn" | "error";
    trace?: () => { trace_id: string; span_id: string } | undefined;
  }

  function cluster(url?: string, options?: ClusterOptions): Promise<IORedisCluster>;
  function configFromEnv(url?: string, env?: Environment): Config;
  function kmsConfigFromEnv(env?: Environment): KMSConfig | null;
  /** The URL for a library that takes one; the password with it where it is known without the KMS. */
  function urlFromEnv(url?: string, env?: Environment): string;
  /** Write JSON lines to `write`, standard error where it is not given; null ends that. */
  function logTo(write?: ((line: string) => void) | null, options?: LogOptions): void;
}

export = KV;
