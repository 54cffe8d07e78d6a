"""Commands written in Python.

    @command("lastsave", 1, "loading stale fast", group="server", since="1.0.0", ...)
    def lastsave(call):
        return call.server.last_save

The function is given a Call and returns the reply: None for null, int, float, bool, bytes or str for a bulk
string, list or tuple, dict for a map, set for a set (OrderedSet where the order is to be kept), Status for a
simple string (OK is one), Verbatim for text, Encoded for what is ready to be sent (`encode` makes it). It
raises ReplyError for an error reply, whose text begins with the error's code. Anything else it raises is a
bug: it is logged, and the client is told "ERR internal error".
"""
from libc.stdint cimport uint64_t

from kv._core.base.buffer cimport Buffer, buffer_free
from kv._core.resp.reply cimport (
    Reply, reply_array, reply_attribute, reply_big_number, reply_bool, reply_bulk, reply_double, reply_error, reply_i64, reply_map,
    reply_null, reply_null_array, reply_push, reply_raw, reply_set, reply_status, reply_verbatim)
from kv._core.runtime.blocking cimport block_on_answer, context_may_block, wait_end
from kv._core.runtime.propagation cimport propagate_as_came
from kv._core.runtime.registry import set_python_body
from kv._core.runtime.state cimport SESSION_CLOSE_AFTER_REPLY, SESSION_LOOPBACK, SESSION_UNIX, Context


class ReplyError(Exception):
    """An error reply: the text, its code first ("ERR syntax error")."""


class Status(str):
    """A simple string."""


class Verbatim(str):
    """Text for people: verbatim in RESP3, bulk in RESP2."""


class BigNumber(int):
    """An integer of any size."""


class OrderedSet(tuple):
    """A set whose elements are sent in the order given, and may be lists or maps."""


class Encoded(bytes):
    """A reply, or consecutive ones, as they are sent in the client's RESP version."""


class _NullArray:
    """The null array of RESP2."""


class _NoReply:
    """Nothing is sent: the function has seen to it, or the client is to wait."""


OK = Status("OK")
NULL_ARRAY = _NullArray()
NO_REPLY = _NoReply()
SYNTAX_ERROR = "ERR syntax error"


cdef class Later:
    """A reply that is owed to a client: Engine.answer gives it."""


cdef class Call:
    """One call of a command that is written in Python. Good only while the function runs."""

    @property
    def args(self):
        """The words after the command's name (after the subcommand's, for one), as bytes."""
        cdef Context *c = self.alive()
        if self.words is None:
            first = 2 if c.command.parent != NULL else 1
            self.words = tuple([c.argv[i].data[:c.argv[i].length] for i in range(first, c.argc)])
        return self.words

    @property
    def name(self):
        """The command's full name in lower case."""
        return self.alive().command.name.decode()

    @property
    def subcommand(self):
        """The subcommand's name as the client wrote it."""
        cdef Context *c = self.alive()
        return c.argv[1].data[:c.argv[1].length].decode("utf-8", "surrogateescape")

    @property
    def resp(self):
        """The client's RESP version, 2 or 3."""
        return self.alive().session.resp

    @property
    def session_id(self):
        return self.alive().session.id

    @property
    def database(self):
        """The number of the selected database."""
        return self.alive().database.id

    @property
    def engine(self):
        """The Engine that runs the command."""
        return <object> self.alive().runtime.face

    @property
    def server(self):
        """Whoever embeds the engine: the Server, or another program's object."""
        return (<object> self.alive().runtime.face).owner

    def word(self, int index):
        """The argument at an index, in lower-case text: options and subcommands."""
        return self.args[index].decode("latin-1").lower()

    def integer(self, int index, error="ERR value is not an integer or out of range"):
        """The argument at an index as a 64-bit integer; ReplyError where it is none."""
        text = self.args[index]
        try:
            value = int(text)
        except ValueError:
            raise ReplyError(error) from None
        if str(value).encode() != text or not -2**63 <= value < 2**63:
            raise ReplyError(error)
        return value

    def changed(self, int count=1):
        """The command changed the dataset: it goes to the AOF and replicas as it came."""
        self.alive().keyspace.dirty += count

    def push(self, list message):
        """Write an out-of-band message before the reply, to a RESP3 client."""
        if self.alive().session.resp < 3:
            raise ReplyError("ERR RESP2 is not supported by this command")
        reply_push(&self.context.reply, len(message))
        for item in message:
            reply_object(&self.context.reply, item)

    def attribute(self, dict pairs):
        """Write an attribute before the reply; RESP2 has none, so its clients see only the reply."""
        if self.alive().session.resp < 3:
            return
        reply_attribute(&self.context.reply, len(pairs))
        for key, value in pairs.items():
            reply_object(&self.context.reply, key)
            reply_object(&self.context.reply, value)

    def set_resp(self, int version):
        """The reply of this call is already in this RESP version."""
        self.alive().reply.version = version

    def redact(self, *indexes):
        """Arguments (by their index in `args`) that MONITOR and the command log must not show."""
        cdef int first = 2 if self.alive().command.parent != NULL else 1
        for index in indexes:
            if index + first < 64:
                self.context.runtime.redacted |= <uint64_t> 1 << <int> (index + first)

    def close_after_reply(self):
        self.alive().session.flags |= SESSION_CLOSE_AFTER_REPLY

    @property
    def peer_is_local(self):
        """Whether the client is on this machine."""
        return self.alive().session.flags & (SESSION_LOOPBACK | SESSION_UNIX) != 0

    def propagate(self):
        """Send the command to the AOF and replicas although it changed nothing."""
        self.alive().propagated = True
        propagate_as_came(self.context)

    def later(self):
        """Have the client wait for the reply: the function returns NO_REPLY, and whoever has the answer gives it to
        Engine.answer with what this returns. None where the command must not wait (in a transaction, for one)."""
        cdef Later later
        if not context_may_block(self.alive()):
            return None
        later = Later.__new__(Later)
        later.session_id, later.number = self.context.session.id, block_on_answer(self.context)
        return later

    cdef Context *alive(self) except NULL:
        if self.context == NULL:
            raise RuntimeError("the call has ended")
        return self.context


cdef int reply_object(Reply *reply, object value) except -1:
    """Write a Python value as a reply."""
    cdef bytes text
    if value is None:
        reply_null(reply)
    elif isinstance(value, Encoded):
        reply_raw(reply, <const char *> <bytes> value, len(value))
    elif isinstance(value, bytes):
        reply_bulk(reply, <const char *> <bytes> value, len(value))
    elif isinstance(value, bool):
        reply_bool(reply, value)
    elif isinstance(value, BigNumber):
        text = str(int(value)).encode()
        reply_big_number(reply, text, len(text))
    elif isinstance(value, int):
        reply_i64(reply, value)
    elif isinstance(value, float):
        reply_double(reply, value)
    elif isinstance(value, str):
        reply_text(reply, value)
    elif isinstance(value, dict):
        reply_map(reply, len(value))
        for key, item in value.items():
            reply_object(reply, key)
            reply_object(reply, item)
    elif isinstance(value, OrderedSet):
        reply_set(reply, len(value))
        for item in value:
            reply_object(reply, item)
    elif isinstance(value, (list, tuple)):
        reply_array(reply, len(value))
        for item in value:
            reply_object(reply, item)
    elif isinstance(value, (set, frozenset)):
        reply_set(reply, len(value))
        for item in sorted(value):
            reply_object(reply, item)
    elif value is NULL_ARRAY:
        reply_null_array(reply)
    elif isinstance(value, ReplyError):
        text = str(value).encode("utf-8", "surrogateescape")
        reply_error(reply, text, len(text))
    elif value is not NO_REPLY:
        raise TypeError(f"no reply can be made of {type(value).__name__}")
    return 0


cdef int reply_text(Reply *reply, object value) except -1:
    cdef bytes text = value.encode("utf-8", "surrogateescape")
    if isinstance(value, Status):
        reply_status(reply, text, len(text))
    elif isinstance(value, Verbatim):
        reply_verbatim(reply, b"txt", text, len(text))
    else:
        reply_bulk(reply, text, len(text))
    return 0


def encode(object value, int resp):
    """A reply as it is sent in a RESP version, for replies that are asked for often and do not change."""
    cdef Buffer out
    cdef Reply reply
    out.data = NULL
    out.length = out.capacity = 0
    reply.out, reply.version, reply.errors = &out, resp, 0
    try:
        reply_object(&reply, value)
        return Encoded(out.data[:out.length])
    finally:
        buffer_free(&out)


def report_bug(str command):
    """Log the exception that is being handled; a server puts its own log in place (`bug_log`)."""
    import traceback

    bug_log(f"internal error in {command}:\n{traceback.format_exc()}")


def bug_log(str text):
    import sys

    sys.stderr.write(text)


def trouble_log(str what, error):
    bug_log(f"{what}: {error}\n")


def set_bug_log(log, trouble=trouble_log):
    """Where bugs in commands written in Python are told of: a function of one text. `trouble`, a function of what was done
    and the exception, is told where it is the system that did not let a command do its work."""
    global bug_log, trouble_log
    bug_log, trouble_log = log, trouble


cdef void run_python(Context *c) noexcept nogil:
    """The body of every command that is written in Python."""
    with gil:
        run_handler(c)
        c.runtime.enter(c.runtime)


cdef void run_handler(Context *c) noexcept:
    cdef Call call = Call.__new__(Call)
    cdef size_t start = c.reply.out.length
    call.context = c
    c.runtime.python_ran = True
    c.runtime.redacted = 0
    try:
        reply_object(&c.reply, (<object> c.command.handler)(call))
    except ReplyError as error:
        fail(c, start, str(error))
    except (OSError, MemoryError) as error:
        trouble_log(f"Running {c.command.name.decode()}", error)
        fail(c, start, f"ERR {getattr(error, 'strerror', None) or 'Cannot allocate memory'}")
    except Exception:
        report_bug(c.command.name.decode())
        fail(c, start, "ERR internal error")
    finally:
        call.context = NULL


cdef int fail(Context *c, size_t start, str error) except -1:
    """An error instead of what was replied so far, now though the reply was to come later."""
    cdef bytes text = error.encode("utf-8", "surrogateescape")
    if c.block:
        c.block = False
        wait_end(c.session)
    c.reply.out.length = start
    reply_error(&c.reply, text, len(text))
    return 0


set_python_body(<size_t> run_python)
