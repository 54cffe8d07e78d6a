"""MEMORY: what takes the memory. MEMORY USAGE is in the core."""
from __future__ import annotations

from kv._core.engine.inspect import database_figures, purge, table_bytes
from kv._core.runtime.call import OK, Verbatim
from kv._core.runtime.registry import command

from ..info import memory_figures, ratio
from .help import declare_help

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..call import Call

SMALL = 5 << 20         # bytes in use below which there is nothing to advise
MUCH = 10 << 20         # bytes above which a bad ratio is worth a word
RATIOS = {              # names of MEMORY STATS -> of INFO
    "allocator-fragmentation.ratio": "allocator_frag_ratio", "allocator-fragmentation.bytes": "allocator_frag_bytes",
    "allocator-rss.ratio": "allocator_rss_ratio", "allocator-rss.bytes": "allocator_rss_bytes",
    "rss-overhead.ratio": "rss_overhead_ratio", "rss-overhead.bytes": "rss_overhead_bytes",
    "fragmentation": "mem_fragmentation_ratio", "fragmentation.bytes": "mem_fragmentation_bytes"}
ADVICE = (              # the ratio of INFO, above what it is bad, its bytes, what to say
    ("mem_fragmentation_ratio", 1.4, "mem_fragmentation_bytes",
     "High total RSS: the resident set is more than 1.4 times the memory in use, through fragmentation or memory that was "
     "freed. MEMORY PURGE may help."),
    ("allocator_frag_ratio", 1.1, "allocator_frag_bytes",
     "High allocator fragmentation: the allocator's pages are more than 1.1 times what is in use. That is so after many keys "
     "were deleted, or changed their size; new keys of the same sizes fill the holes."),
    ("allocator_rss_ratio", 1.1, "allocator_rss_bytes",
     "High allocator RSS overhead: the allocator keeps more than 1.1 times the pages that are in use, usually after a peak. "
     "MEMORY PURGE gives them back."),
    ("rss_overhead_ratio", 1.1, "rss_overhead_bytes",
     "High process RSS overhead: the process takes more than 1.1 times what the allocator holds. The rest is the program "
     "itself and its Python objects."),
)


@command("memory|stats", 2, "", group="server", since="4.0.0", complexity="O(1)",
         tips="nondeterministic_output request_policy:all_shards response_policy:special",
         summary="Figures of memory.")
def memory_stats(call: Call):
    server = call.server
    memory = server.figures.memory
    derived = memory_figures(memory)
    used, startup = memory.used_memory, memory.used_memory_startup
    keys = sum(keys for keys, _, _ in database_figures(call.engine))
    dataset = used - memory.used_memory_overhead
    tables = [table_bytes(call.engine, number) for number in range(server.config.databases)]
    stats = {
        "peak.allocated": memory.used_memory_peak, "total.allocated": used, "startup.allocated": startup,
        "replication.backlog": 0, "clients.slaves": 0, "clients.normal": memory.mem_clients_normal, "cluster.links": 0,
        "aof.buffer": memory.mem_aof_buffer, "lua.caches": memory.used_memory_scripts_eval,
        "functions.caches": memory.used_memory_functions}
    for number, (count, _, _) in enumerate(database_figures(call.engine)):
        if count:
            stats[f"db.{number}"] = {"overhead.hashtable.main": tables[number][0], "overhead.hashtable.expires": 0}
    stats.update({
        "overhead.db.hashtable.lut": sum(whole for whole, _ in tables),
        "overhead.db.hashtable.rehashing": sum(old for _, old in tables), "overhead.total": memory.used_memory_overhead,
        "db.dict.rehashing.count": sum(old > 0 for _, old in tables),
        "keys.count": keys, "keys.bytes-per-key": max(0, used - startup) // keys if keys else 0,
        "dataset.bytes": dataset, "dataset.percentage": 100 * ratio(dataset, max(1, used - startup)),
        "peak.percentage": 100 * ratio(used, memory.used_memory_peak),
        "allocator.allocated": memory.allocator_allocated, "allocator.active": memory.allocator_active,
        "allocator.resident": memory.allocator_resident, "allocator.muzzy": memory.allocator_muzzy,
        **{name: derived[field] for name, field in RATIOS.items()}})
    return stats


@command("memory|purge", 2, "loading", group="server", since="4.0.0", complexity="O(N)",
         tips="request_policy:all_shards response_policy:all_succeeded", summary="Gives unused memory back.")
def memory_purge(call: Call):
    purge(call.engine)
    return OK


@command("memory|malloc-stats", 2, "loading", group="server", since="4.0.0", complexity="O(1)",
         tips="nondeterministic_output request_policy:all_shards response_policy:special",
         summary="The allocator's figures.")
def memory_malloc_stats(call: Call):
    memory = call.server.figures.memory
    return Verbatim("___ Begin slab allocator statistics ___\n"
                    f"Allocated: {memory.allocator_allocated}, active: {memory.allocator_active}, "
                    f"resident: {memory.allocator_resident}\n--- End slab allocator statistics ---\n")


@command("memory|doctor", 2, "", group="server", since="4.0.0", complexity="O(1)",
         tips="nondeterministic_output request_policy:all_shards response_policy:special",
         summary="What is wrong with memory.")
def memory_doctor(call: Call):
    """The checks are Valkey's: peak, fragmentation, what is kept for reuse, clients' buffers."""
    memory = call.server.figures.memory
    used = memory.used_memory
    if used < SMALL:
        return Verbatim("Hi, this instance is empty or is using very little memory, so there is nothing to diagnose yet. "
                        "Fill it with data and ask again.")
    advice = []
    if memory.used_memory_peak > used * 1.5:
        advice.append("Peak memory: in the past this instance used more than 150% of the memory it uses now. The allocator may "
                      "not be able to give all of that back to the system; that is harmless unless the system is short of it.")
    derived = memory_figures(memory)
    advice += [text for name, most, size, text in ADVICE if derived[name] > most and derived[size] > MUCH]
    clients = call.engine.session_count
    if clients and memory.mem_clients_normal / clients > 200 << 10:
        advice.append("Big client buffers: the clients' buffers take more than 200 KB each on average. A client that does not read "
                      "its replies, or very large pipelines, may be the reason: see omem in CLIENT LIST.")
    if not advice:
        return Verbatim("Hi, I can't find any memory issue in your instance. I can only account for what occurs on this base.")
    return Verbatim("I detected a few issues in this instance's memory:\n\n" + "".join([f" * {line}\n\n" for line in advice]))


declare_help("memory", "server", "4.0.0", "loading stale", [
    "DOCTOR", "    What is wrong with memory.", "MALLOC-STATS", "    The allocator's figures.",
    "PURGE", "    Give unused memory back to the system.", "STATS", "    Figures of memory.",
    "USAGE <key> [SAMPLES <count>]", "    Bytes that a key and its value take; <count> elements are sampled (5; 0: all)."])
