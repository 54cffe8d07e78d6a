"""Hanzo KV: a key-value server compatible with Valkey 8.1 and Redis 7.2."""

__version__ = "0.1.0"
VALKEY_VERSION = "8.1.7"  # the Valkey release whose behaviour this one reproduces
REDIS_VERSION = "7.2.4"  # what clients that parse redis_version are told, as Valkey tells them
