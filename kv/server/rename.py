"""rename-command: other names for commands, or none.

Which names may a line begin with? Those of the commands that there are, and those that Valkey and Redis have: a file
that takes BGSAVE or EVAL away, as guides to hardening say, means the same whether the release at hand has them or not.
A name that no server has is a mistake, and told.
"""
from __future__ import annotations

from kv._core.runtime.registry import declarations, rename_commands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Config

# Of Valkey 8.1 and 9.1 and Redis 7.0 to 8.0, without those of modules.
NAMES = """
    acl append asking auth bgrewriteaof bgsave bitcount bitfield bitfield_ro bitop bitpos blmove blmpop blpop brpop
    brpoplpush bzmpop bzpopmax bzpopmin client cluster clusterscan command commandlog config copy dbsize debug decr
    decrby del delifeq discard dump echo eval eval_ro evalsha evalsha_ro exec exists expire expireat expiretime
    failover fcall fcall_ro flushall flushdb function geoadd geodist geohash geopos georadius georadius_ro
    georadiusbymember georadiusbymember_ro geosearch geosearchstore get getbit getdel getex getrange getset hdel
    hello hexists hexpire hexpireat hexpiretime hget hgetall hgetdel hgetex hincrby hincrbyfloat hkeys hlen hmget
    hmset hpersist hpexpire hpexpireat hpexpiretime hpttl hrandfield hscan hset hsetex hsetnx hstrlen httl hvals
    incr incrby incrbyfloat info keys lastsave latency lcs lindex linsert llen lmove lmpop lolwut lpop lpos lpush
    lpushx lrange lrem lset ltrim memory mget migrate module monitor move mset msetex msetnx multi object persist
    pexpire pexpireat pexpiretime pfadd pfcount pfdebug pfmerge pfselftest ping psetex psubscribe psync pttl publish
    pubsub punsubscribe quit randomkey readonly readwrite rename renamenx replconf replicaof reset restore
    restore-asking role rpop rpoplpush rpush rpushx sadd save scan scard script sdiff sdiffstore select sentinel set
    setbit setex setnx setrange shutdown sinter sintercard sinterstore sismember slaveof slowlog smembers smismember
    smove sort sort_ro spop spublish srandmember srem sscan ssubscribe strlen subscribe substr sunion sunionstore
    sunsubscribe swapdb sync time touch ttl type unlink unsubscribe unwatch wait waitaof watch xack xadd xautoclaim
    xclaim xdel xgroup xinfo xlen xpending xrange xread xreadgroup xrevrange xsetid xtrim zadd zcard zcount zdiff
    zdiffstore zincrby zinter zintercard zinterstore zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange
    zrangebylex zrangebyscore zrangestore zrank zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange
    zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion zunionstore
"""
ELSEWHERE = frozenset(NAMES.split())


def rename(config: Config) -> None:
    """Apply the rename-command lines, each to what the ones before it left. Raises FatalConfigError."""
    here = {name for name in declarations if "|" not in name}
    owners = {name: name in here for name in here | ELSEWHERE}  # a name of now -> whether its command is one of ours
    renames: list[tuple[str, str]] = []
    for directive in config.renamed_commands:
        old, new = [word.lower() for word in directive.arguments[1:3]]
        if old not in owners:
            raise directive.error("No such command in rename-command")
        ours = owners.pop(old)
        if new in owners:
            raise directive.error("Target command name already exists")
        if new:
            owners[new] = ours
        if ours:
            renames.append((old, new))
    if renames:
        rename_commands(renames)
