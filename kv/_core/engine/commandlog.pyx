"""The command log: slow commands, large requests, large replies; SLOWLOG is the first of the three.

The engine calls only for a command that passed one of the thresholds. With values of a megabyte that is every command,
so this is compiled: it then costs a hundredth of such a command.
"""
from collections import deque

from libc.stdint cimport int64_t, uint64_t
from libc.time cimport time

from kv._core.runtime.state cimport LOG_LARGE_REPLY, LOG_LARGE_REQUEST, LOG_SLOW

KINDS = ("slow", "large-request", "large-reply")


cdef class CommandLog:
    """The three lists, newest first. Their lengths are those that the configuration says."""
    cdef object config
    cdef readonly dict entries      # by kind, entries as COMMANDLOG GET answers them
    cdef dict next_id               # by kind

    def __init__(self, config not None):
        self.config = config
        self.entries = {kind: deque() for kind in KINDS}
        self.next_id = dict.fromkeys(KINDS, 0)

    def note(self, int passed, list words not None, str peer not None, bytes name not None, int64_t duration_us,
             uint64_t request_bytes, uint64_t reply_bytes):
        """A command passed thresholds (CommandLogKind bits): its words as they are shown, whose it was, and what it took."""
        if passed & LOG_SLOW:
            self.add("slow", self.config.commandlog_slow_execution_max_len, duration_us, words, peer, name)
        if passed & LOG_LARGE_REQUEST:
            self.add("large-request", self.config.commandlog_large_request_max_len, request_bytes, words, peer, name)
        if passed & LOG_LARGE_REPLY:
            self.add("large-reply", self.config.commandlog_large_reply_max_len, reply_bytes, words, peer, name)

    cdef int add(self, str kind, Py_ssize_t most, object value, list words, str peer, bytes name) except -1:
        cdef object entries = self.entries[kind]
        if most <= 0:
            return 0
        entries.appendleft([self.next_id[kind], time(NULL), value, words, peer, name])
        self.next_id[kind] += 1
        while len(entries) > most:
            entries.pop()
        return 0

    def get(self, str kind not None, Py_ssize_t count):
        """The newest `count` entries, all for -1."""
        entries = list(self.entries[kind])
        return entries if count < 0 else entries[:count]
