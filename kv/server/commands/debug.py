"""DEBUG: what tests and tools ask of a server that no client needs."""
from __future__ import annotations

import time

from kv._core.engine import crash
from kv._core.runtime.call import OK, BigNumber, ReplyError, Status, Verbatim
from kv._core.runtime.registry import command

from ..call import caller
from ..config import ConfigError
from ..config.option import leading_integer, parse_integer, parse_memory
from ..instance import random_id
from ..loading import LoadError
from ..log import log
from ..rdb import SaveError
from .help import subcommand_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..call import Call

SUBCOMMANDS: dict[str, tuple] = {}
USAGES: dict[str, str] = {}  # what HELP shows after a subcommand's name
NO_POSITIVE = "ERR value is out of range, must be positive"
SLEEP_LIMIT_S = 1e6
NO_KEY = "ERR no such key"


def core():
    """The compiled half, imported when it is first asked for: the digest needs OpenSSL."""
    import kv._core.engine.debug

    return kv._core.engine.debug


def subcommand(name: str, least: int = 0, most: int | None = None, usage: str = ""):
    """Decorator: DEBUG <name>, with at least and at most so many further words."""
    def decorate(function):
        SUBCOMMANDS[name] = function, least, least if most is None else most
        USAGES[name] = usage
        return function
    return decorate


def seconds_of(word: bytes) -> float:
    """The number a word begins with, 0 if with none, as C's strtod reads it."""
    for end in range(min(len(word), 32), 0, -1):
        try:
            return float(word[:end])
        except ValueError:
            continue
    return 0.0


def integer_of(word: bytes) -> int:
    return leading_integer(word.decode("latin-1"))


def is_on(word: bytes) -> bool:
    return integer_of(word) != 0


@command("debug", -2, "admin noscript loading stale protected syscmd", group="server", since="1.0.0",
         complexity="Depends on subcommand.", summary="For tests and debugging only.")
def debug(call: Call):
    name = call.word(0)
    function, least, most = SUBCOMMANDS.get(name, (None, 0, 0))
    if function is None or not least <= len(call.args) - 1 <= most:
        raise subcommand_error(call)
    return function(call, *call.args[1:])


@subcommand("sleep", 1, usage="<seconds>")
def debug_sleep(call: Call, seconds):
    duration = seconds_of(seconds)
    if 0 < duration < SLEEP_LIMIT_S:
        time.sleep(duration)
    return OK


@subcommand("log", 1, usage="<message>")
def debug_log(call: Call, text):
    log("warning", f"DEBUG LOG: {text.decode('utf-8', 'replace')}")
    return OK


@subcommand("error", 1, usage="<string>")
def debug_error(call: Call, text):
    raise ReplyError(text.decode("utf-8", "surrogateescape").replace("\r", " ").replace("\n", " "))


@subcommand("populate", 1, 3, usage="<count> [<prefix>] [<size>]")
def debug_populate(call: Call, count, prefix=b"key", size=b"0"):
    count = call.integer(1, NO_POSITIVE)
    room = call.integer(3, NO_POSITIVE) if len(call.args) > 3 else 0
    if count < 0 or room < 0:
        raise ReplyError(NO_POSITIVE)
    if call.engine.loading:
        raise ReplyError("LOADING Valkey is loading the dataset in memory")
    core().populate(call.engine, call.database, count, prefix, room)
    return OK


@subcommand("object", 1, 2, usage="<key> [fast]")
def debug_object(call: Call, key, fast=b""):
    line = core().object_line(call.engine, call.database, key, call.server.config.rdbcompression, fast.lower() == b"fast")
    if line is None:
        raise ReplyError(NO_KEY)
    return Status(line)


@subcommand("sdslen", 1, usage="<key>")
def debug_sdslen(call: Call, key):
    sizes = core().string_sizes(call.engine, call.database, key)
    if sizes is None:
        raise ReplyError(NO_KEY)
    if sizes is False:
        raise ReplyError("ERR Not an sds encoded string.")
    key_bytes, value_bytes, entry_bytes, own_bytes = sizes
    return Status(f"key_sds_len:{key_bytes} key_sds_avail:0 obj_alloc:{entry_bytes} val_sds_len:{value_bytes} "
                  f"val_sds_avail:{max(0, own_bytes - value_bytes - 8)} val_alloc:{own_bytes}")


@subcommand("listpack", 1, usage="<key>")
def debug_listpack(call: Call, key):
    return show(core().listpack_text(call.engine, call.database, key), "listpack")


@subcommand("quicklist", 1, 2, usage="<key> [0|1]")
def debug_quicklist(call: Call, key, full=b"0"):
    text = core().quicklist_text(call.engine, call.database, key, (parse_integer(full.decode("latin-1")) or 0) != 0)
    return show(text, "quicklist")


def show(text: str | None | bool, encoding: str) -> Status:
    """Print a value's structure, where there is one (None: no such key; False: another encoding)."""
    if text is None:
        raise ReplyError(NO_KEY)
    if not isinstance(text, str):
        raise ReplyError(f"ERR Not a {encoding} encoded object.")
    print(text, end="", flush=True)
    return Status(f"{encoding.capitalize()} structure printed on stdout")


@subcommand("quicklist-packed-threshold", 1, usage="<size>")
def debug_quicklist_packed_threshold(call: Call, size):
    count = parse_memory(size.decode("latin-1"))
    if count is None or count > (1 << 32) - (1 << 20):
        raise ReplyError("ERR argument must be a memory value bigger than 1 and smaller than 4gb")
    core().set_packed_threshold(count)
    return OK


@subcommand("digest", 0)
def debug_digest(call: Call):
    return Status(core().digest(call.engine))


@subcommand("digest-value", 0, 1 << 20, usage="<key> [<key> ...]")
def debug_digest_value(call: Call, *keys):
    return [Status(core().digest_value(call.engine, call.database, key)) for key in keys]


@subcommand("config-rewrite-force-all", 0)
def debug_config_rewrite_force_all(call: Call):
    try:
        call.server.config.rewrite(everything=True)
    except ConfigError as error:
        raise ReplyError(str(error)) from None
    return OK


@subcommand("set-active-expire", 1, usage="<0|1>")
def debug_set_active_expire(call: Call, switch):
    call.engine.configure(active_expire=is_on(switch))
    return OK


@subcommand("set-skip-checksum-validation", 1, usage="<0|1>")
def debug_set_skip_checksum_validation(call: Call, switch):
    call.engine.configure(skip_checksum_validation=is_on(switch))
    return OK


@subcommand("set-disable-deny-scripts", 1, usage="<0|1>")
def debug_set_disable_deny_scripts(call: Call, switch):
    call.engine.configure(scripts_unrestricted=is_on(switch))
    return OK


@subcommand("dict-resizing", 1, usage="<0|1>")
def debug_dict_resizing(call: Call, switch):
    call.engine.configure(hash_resize=is_on(switch))
    return OK


@subcommand("pause-cron", 1, usage="<0|1>")
def debug_pause_cron(call: Call, switch):
    call.server.loop.cron_paused = is_on(switch)
    return OK


@subcommand("client-enforce-reply-list", 1, usage="<0|1>")
def debug_client_enforce_reply_list(call: Call, switch):
    call.engine.configure(enforce_reply_list=is_on(switch))
    return OK


@subcommand("replybuffer", 2, usage="<PEAK-RESET-TIME NEVER|RESET|<ms>|RESIZING <0|1>>")
def debug_replybuffer(call: Call, option, value):
    """How the room of clients' replies follows what they are sent (CLIENT LIST: rbs, rbp)."""
    name, word = option.lower(), value.lower()
    if name == b"resizing":
        call.engine.configure(reply_resizing=is_on(value))
    elif name == b"peak-reset-time":
        times = {b"never": -1, b"reset": None}
        call.engine.configure(reply_peak_reset_ms=times[word] if word in times else call.integer(2))
    else:
        raise subcommand_error(call)
    return OK


@subcommand("htstats", 1, 2, usage="<dbid> [full]")
def debug_htstats(call: Call, number, full=b""):
    database = call.integer(1)
    if not 0 <= database < call.server.config.databases:
        raise ReplyError("ERR Out of range database")
    figures = core().table_figures(call.engine, database)
    text = tables_text(figures, full.lower() == b"full") if figures[0][0] else ""
    return Verbatim(f"[Dictionary HT]\n{text}[Expires HT]\n")


@subcommand("htstats-key", 1, 2, usage="<key> [full]")
def debug_htstats_key(call: Call, key, full=b""):
    figures = core().value_table_figures(call.engine, call.database, key)
    if figures is None:
        raise ReplyError(NO_KEY)
    if not figures:
        raise ReplyError("ERR The value stored at the specified key is not represented using an hash table")
    return Verbatim(tables_text(figures, full.lower() == b"full"))


def capacity(buckets: int) -> int:
    """How many elements a table of so many buckets holds before it grows (FILL in containers/hashtable)."""
    return buckets * 115 // 16


def tables_text(figures: list[tuple], full: bool) -> str:
    text = ""
    for index, (buckets, children, elements, chains) in enumerate(figures):
        text += f"Hash table {index} stats ({'rehashing target' if index else 'main hash table'}):\n"
        text += f" table size: {capacity(buckets)}\n number of entries: {elements}\n"
        if full:
            text += (f" top-level buckets: {buckets}\n child buckets: {children}\n"
                     " chain length distribution, in entries:\n")
            text += "".join([f"   {length}: {count} ({100 * count / buckets:.2f}%)\n"
                             for length, count in enumerate(chains) if count])
    return text


@subcommand("change-repl-id", 0)
def debug_change_repl_id(call: Call):
    log("notice", "Changing replication IDs after receiving DEBUG change-repl-id")
    call.server.instance.replication_id = random_id()
    return OK


@subcommand("restart", 0, 1, usage="[<milliseconds>]")
def debug_restart(call: Call, delay=b"0"):
    """As after SHUTDOWN: what is to be saved is."""
    if not call.server.shutdown.put_on_disk():
        log("warning", "Can't restart: error preparing for shutdown")
        raise ReplyError("ERR failed to restart the server. Check server logs.")
    return start_again(call, delay)


@subcommand("crash-and-recover", 0, 1, usage="[<milliseconds>]")
def debug_crash_and_recover(call: Call, delay=b"0"):
    """As after a crash, but what clients were told is in the append-only file."""
    call.server.shutdown.put_on_disk(nosave=True, force=True)
    return start_again(call, delay)


def start_again(call: Call, delay: bytes):
    time.sleep(max(0, integer_of(delay)) / 1000)
    call.server.restart()
    return OK


@subcommand("segfault", 0)
def debug_segfault(call: Call):
    crash.crash_by_fault()


@subcommand("panic", 0)
def debug_panic(call: Call):
    crash.crash_by_panic(f"DEBUG PANIC called at Unix time {int(time.time())}")


@subcommand("assert", 0)
def debug_assert(call: Call):
    crash.crash_by_assertion()


@subcommand("oom", 0)
def debug_oom(call: Call):
    crash.crash_by_memory()


@subcommand("protocol", 1, usage="<type>")
def debug_protocol(call: Call, kind):
    kinds = {
        b"string": b"Hello World", b"integer": 12345, b"double": 3.141, b"null": None, b"array": [0, 1, 2],
        b"set": {0, 1, 2}, b"map": {0: False, 1: True, 2: False}, b"bignum": BigNumber(
            1234567999999999999999999999999999999), b"true": True, b"false": False,
        b"verbatim": Verbatim("This is a verbatim\nstring")}
    name = kind.lower()
    if name == b"push":
        call.push([b"server-cpu-usage", 42])
        return b"Some real reply following the push reply"
    if name == b"attrib":
        call.attribute({b"key-popularity": [b"key:123", 90]})
        return b"Some real reply following the attribute"
    if name not in kinds:
        raise ReplyError("ERR Wrong protocol type name. Please use one of the following: "
                         "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false")
    return kinds[name]


@subcommand("loadaof", 0)
def debug_loadaof(call: Call):
    caller(call)        # no script replaces the dataset that it works on
    try:
        call.server.aof.reload()
    except LoadError as error:
        log("warning", str(error))
        raise ReplyError("ERR Error trying to load the AOF files, check server logs.") from None
    return OK


@subcommand("reload", 0, 3, usage="[option ...]")
def debug_reload(call: Call, *options):
    caller(call)        # as for LOADAOF
    words = [word.lower() for word in options]
    if any(word not in (b"merge", b"noflush", b"nosave") for word in words):
        raise ReplyError("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    try:
        call.server.snapshots.reload(save=b"nosave" not in words, flush=b"noflush" not in words, merge=b"merge" in words)
    except SaveError as error:
        raise ReplyError(str(error)) from None
    except LoadError as error:
        log("warning", str(error))
        raise ReplyError("ERR Error trying to load the RDB dump, check server logs.") from None
    return OK


@subcommand("aof-flush-sleep", 1, usage="<microsec>")
def debug_aof_flush_sleep(call: Call, us):
    call.server.aof.writer.appender.sleep_us = max(0, integer_of(us))
    return OK


@subcommand("help", 0)
def debug_help(call: Call):
    return [Status("DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"),
            *[Status(f"{name.upper()} {USAGES[name]}".rstrip()) for name in sorted(SUBCOMMANDS)]]
