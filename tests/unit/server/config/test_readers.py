"""Options that nothing reads: each waits for what it belongs to, or is what only other builds of Valkey have.

An option is read where the attribute of a configuration is (config.maxmemory), where its value is asked for by name, and
where the table of the compiled core has its name. Not where it is only refused or warned of. The list
below shrinks with everything that comes: the test fails where an option has got a reader and still stands in it, and where
one has lost its reader.
"""
import ast
import re
from pathlib import Path

import pytest

from kv._core.engine.settings import SETTINGS
from kv.server import absent
from kv.server.config import table
from kv.server.settings import CORE_OPTIONS, WORKED_OUT

ROOT = Path(__file__).parents[4] / "kv"
WAITING = {
    "ACL": "acl-pubsub-default",
    "tracking": "tracking-table-max-keys",
    "replication": """replicaof repl-backlog-size
        primaryuser primaryauth replica-serve-stale-data replica-read-only replica-priority replica-announced
        replica-announce-ip replica-announce-port replica-ignore-maxmemory replica-lazy-flush replica-ignore-disk-write-errors
        repl-ping-replica-period repl-timeout repl-disable-tcp-nodelay repl-backlog-ttl repl-diskless-sync repl-diskless-sync-delay
        repl-diskless-sync-max-replicas repl-diskless-load dual-channel-replication-enabled bind-source-addr shutdown-timeout
        rdb-del-sync-files""",
    "TLS": """tls-port
        max-new-tls-connections-per-cycle tls-cert-file tls-key-file tls-key-file-pass tls-client-cert-file tls-client-key-file
        tls-client-key-file-pass tls-dh-params-file tls-ca-cert-file tls-ca-cert-dir tls-auth-clients tls-replication tls-cluster
        tls-protocols tls-ciphers tls-ciphersuites tls-prefer-server-ciphers tls-session-caching tls-session-cache-size
        tls-session-cache-timeout""",
    "cluster": """cluster-enabled
        cluster-config-file cluster-port cluster-node-timeout cluster-require-full-coverage cluster-allow-reads-when-down
        cluster-allow-pubsubshard-when-down cluster-replica-no-failover cluster-replica-validity-factor
        cluster-allow-replica-migration cluster-migration-barrier cluster-manual-failover-timeout cluster-blacklist-ttl
        cluster-link-sendbuf-limit cluster-slot-stats-enabled cluster-preferred-endpoint-type cluster-announce-ip
        cluster-announce-port cluster-announce-tls-port cluster-announce-bus-port cluster-announce-hostname
        cluster-announce-human-nodename cluster-announce-client-ipv4 cluster-announce-client-ipv6 cluster-ping-interval""",
    "I/O threads": "io-threads prefetch-batch-max-size events-per-io-thread",
    "active defragmentation": """activedefrag active-defrag-ignore-bytes active-defrag-threshold-lower active-defrag-threshold-upper
        active-defrag-cycle-min active-defrag-cycle-max active-defrag-cycle-us active-defrag-max-scan-fields""",
    # Valkey, too, reads these in some builds only: with jemalloc, with RDMA
    "other builds": "jemalloc-bg-thread rdma-rx-size rdma-completion-vector",
}
# Of these, whose own feature is not there, other files show what is set, or check it.
SHOWN_ONLY = {"replicaof": {"source.py"}, "cluster-enabled": {"source.py", "file.py", "title.py"},
              "repl-backlog-size": {"figures.py"}, "tls-port": {"title.py"}}
SWITCHES = {"requires_password", "few_replicas", "enforce_reply_list", "reply_resizing", "reply_peak_reset_ms", "active_expire",
            "hash_resize", "save_failed", "skip_checksum_validation", "scripts_unrestricted",
            "payloads_trusted", "clock_shift_us", "clock_stopped_us"}     # of the core: of DEBUG, or worked out
LISTED = {name for names in WAITING.values() for name in names.split()}


def readers() -> dict[str, set[str]]:
    """Attribute -> the files that read it, of anything that is called config; absent.py, which only warns, is none."""
    found: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.pyx"):
        for name in re.findall(r"\bconfig\.(\w+)", path.read_text()):
            found.setdefault(name, set()).add(path.name)
    for path in ROOT.rglob("*.py"):
        if path.name == "absent.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                owner = node.value
                name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
                if name == "config" or (name == "self" and path.name in ("config.py", "values.py")):
                    found.setdefault(node.attr, set()).add(path.name)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" \
                    and ast.unparse(node.func.value).endswith("config") and isinstance(node.args[0], ast.Constant):
                found.setdefault(str(node.args[0].value).replace("-", "_"), set()).add(path.name)
    return found


@pytest.fixture(scope="module")
def unread() -> set[str]:
    found = readers()
    core = {*SETTINGS, "debug_context"}     # which debug_lines() finds by its flag

    def is_read(option) -> bool:
        files = found.get(option.attribute, set()) | (found.get(option.alias.replace("-", "_"), set()) if option.alias else set())
        return option.attribute in core or bool(files - SHOWN_ONLY.get(option.name, set()))

    return {option.name for option in table.OPTIONS if not is_read(option)}


def test_every_option_has_a_reader_or_waits_for_something(unread):
    assert sorted(unread - LISTED) == []


def test_what_has_a_reader_waits_no_longer(unread):
    assert sorted(LISTED - unread) == []


def test_the_list_names_options_once():
    names = [name for group in WAITING.values() for name in group.split()]
    assert len(names) == len(set(names)) and {option.name for option in table.OPTIONS} >= LISTED


def test_every_setting_of_the_core_is_an_option_or_a_known_switch():
    """A name in the core's table that is spelled wrong would be none of them."""
    options = {name.replace("-", "_") for name in (*CORE_OPTIONS, *WORKED_OUT)}
    assert set(SETTINGS) - options == SWITCHES and options <= set(SETTINGS)


def test_what_is_warned_of_is_what_nothing_reads(unread):
    assert set(absent.WITHOUT_EFFECT) <= unread
