"""A feed of changes, for a program that embeds the engine: the log of effects from where the feed began.

    with engine.feed() as feed:
        engine.execute("SET", "k", 1)
        feed.commands()                 # [[b"SELECT", b"0"], [b"SET", b"k", b"1"]]

They are the commands that the AOF and replicas are told, so what depends on time or chance stands there as it came out.
"""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.slice cimport Slice
from kv._core.engine.engine cimport Engine
from kv._core.engine.isolation cimport Isolated, isolated_enter
from kv._core.resp.parser cimport (
    PARSE_DONE, Arguments, Parser, parse_request, parser_finish, parser_free, parser_init, parser_resolve)
from kv._core.base.memory cimport memory_free
from kv._core.runtime.propagation cimport (
    propagation_position, propagation_reselect, reader_advance, reader_close, reader_open, reader_view)
from kv._core.runtime.state cimport LogReader


class FeedLost(Exception):
    """The feed was further behind than its limit: what was not read is gone, and a new one is to be begun."""


cdef class Feed:
    """A reader of an engine's log. Made by Engine.feed(); closed by close(), or at the end of a with block."""
    cdef Engine engine
    cdef LogReader reader
    cdef bint open

    def __cinit__(self, Engine engine not None, uint64_t limit):
        self.engine = engine
        engine.enter()
        reader_open(&engine.runtime.propagation, &self.reader, limit)
        self.open = True

    def __dealloc__(self):
        if self.engine is not None:
            self.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """The log is followed no longer."""
        cdef Isolated *before
        if self.open:
            before = self.engine.enter()    # a finalizer may run in the middle of anything
            reader_close(&self.engine.runtime.propagation, &self.reader)
            self.open = False
            isolated_enter(before)

    @property
    def position(self):
        """Up to where the log was read: bytes that were ever propagated."""
        return self.reader.position

    @property
    def pending(self):
        """Bytes that were not read yet."""
        return propagation_position(&self.engine.runtime.propagation) - self.reader.position if self.open else 0

    def restart(self):
        """What follows is to be understood without what came before: its first command is preceded by its SELECT."""
        propagation_reselect(&self.engine.runtime.propagation)

    def read(self):
        """What was not read yet: bytes of whole commands and transactions. Raises FeedLost."""
        cdef Slice view
        self.engine.enter()
        if not self.open:
            return b""
        view = reader_view(&self.engine.runtime.propagation, &self.reader)
        if self.reader.lost:
            raise FeedLost("the feed is more than its limit behind")
        data = view.data[:view.length] if view.length else b""
        reader_advance(&self.engine.runtime.propagation, &self.reader, self.reader.position + view.length)
        return data

    def commands(self):
        """The same as commands, each a list of its words. Raises FeedLost."""
        return split_commands(self.read())


def split_commands(bytes data not None):
    """The commands in bytes of the log, each a list of its words. Raises ValueError."""
    cdef Parser parser
    cdef Arguments arguments
    cdef const char *start = data
    cdef size_t length = len(data)
    cdef size_t at = 0
    cdef size_t i
    cdef list found = []
    arguments.items, arguments.count, arguments.capacity = NULL, 0, 0
    parser_init(&parser)
    parser.authenticated, parser.bulk_limit = True, <int64_t> 1 << 40
    try:
        while at < length:
            arguments.count = 0
            if parse_request(&parser, start + at, length - at, &arguments) != PARSE_DONE:
                raise ValueError(f"no command at byte {at}")
            parser_resolve(&parser, start + at, arguments.items, <int> arguments.count)
            found.append([arguments.items[i].data[:arguments.items[i].length] for i in range(arguments.count)])
            at += parser.position
            parser_finish(&parser)
    finally:
        parser_free(&parser)
        memory_free(arguments.items)
    return found
