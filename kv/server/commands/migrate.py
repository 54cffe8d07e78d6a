"""MIGRATE: keys move to another server, which has them when this one deletes them.

    AUTH, SELECT, RESTORE key ttl payload, RESTORE ...      in one go over a link (link.py)
    +OK, +OK, +OK, -BUSYKEY ...                             each key that was taken is deleted here, and propagated as DEL

Nobody else is served meanwhile, so no key changes between its payload and its deletion. A cached link may have been closed by the
other side since its last use: where no reply came at all, and that was no timeout, everything is sent once more over a new one.
"""
from __future__ import annotations

from kv._core.engine.migration import migration_delete, migration_find, migration_requests
from kv._core.runtime.call import OK, SYNTAX_ERROR, ReplyError, Status
from kv._core.runtime.registry import command

from ..config.option import leading_integer
from ..link import LinkRefusal, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..call import Call
    from ..link import Link, LinkCache

DEFAULT_TIMEOUT_MS = 1000       # where the client says 0 or less
TIMEOUT_MOST_S = 1e8            # what a socket can be told
NO_KEY = Status("NOKEY")
FIRST_OPTION = 5                # index in call.args
KEYS_AND_KEY = "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"


class Options:
    """What follows the timeout."""

    def __init__(self, call: Call) -> None:
        self.copy = self.replace = False
        self.auth: tuple[bytes, ...] = ()       # (password) or (user, password)
        self.keys = range(2, 3)                 # indexes in call.args
        index, count = FIRST_OPTION, len(call.args)
        while index < count:
            word = call.word(index)
            if word == "copy":
                self.copy = True
            elif word == "replace":
                self.replace = True
            elif word in ("auth", "auth2"):
                index = self.take_auth(call, index + 1, 1 if word == "auth" else 2)
            elif word == "keys":
                if call.args[2]:
                    raise ReplyError(KEYS_AND_KEY)
                self.keys = range(index + 1, count)
                break
            else:
                raise ReplyError(SYNTAX_ERROR)
            index += 1

    def take_auth(self, call: Call, index: int, count: int) -> int:
        """The index of the last of so many words."""
        if index + count > len(call.args):
            raise ReplyError(SYNTAX_ERROR)
        self.auth = call.args[index:index + count]
        call.redact(*range(index, index + count))
        return index + count - 1


@command("migrate", -6, "write", acl="dangerous", group="generic", since="2.6.0", complexity="O(N)",
         keys="3 RW access delete; KEYS@-2..-1 RW access delete incomplete", tips="nondeterministic_output",
         summary="Moves keys to another server.",
         history=["3.0.0 Added the `COPY` and `REPLACE` options.", "3.0.6 Added the `KEYS` option.",
                  "4.0.7 Added the `AUTH` option.", "6.0.0 Added the `AUTH2` option."],
         args='host port:integer (key-selector: key | empty-string="") destination-db:integer timeout:integer '
              "[COPY@3.0.0] [REPLACE@3.0.0] "
              "[authentication: AUTH@4.0.7 auth<password> | (AUTH2@6.0.0 auth2: username password)] "
              "[KEYS@3.0.6 keys<key>:key#1...]")
def migrate(call: Call):
    options = Options(call)
    timeout = call.integer(4)
    database = call.integer(3)
    found = migration_find(call, options.keys)
    if not found:
        return NO_KEY
    seconds = min((timeout if timeout > 0 else DEFAULT_TIMEOUT_MS) / 1000, TIMEOUT_MOST_S)
    host, port = call.args[0].decode("utf-8", "surrogateescape"), leading_integer(call.args[1].decode("utf-8", "surrogateescape"))
    transfer = Transfer(call, options, database, found)
    if not transfer.attempt(host, port, seconds):
        transfer.attempt(host, port, seconds, last=True)
    return OK


class Transfer:
    """The keys of one call on their way."""

    def __init__(self, call: Call, options: Options, database: int, found: list[int]) -> None:
        self.call = call
        self.options = options
        self.database = database
        self.found = found          # of `options.keys`, those that there are
        self.links: LinkCache = call.server.links

    def attempt(self, host: str, port: int, timeout: float, last: bool = False) -> bool:
        """Send all keys and delete those that were taken. False: the link failed before anything can have happened, and may be
        tried anew, unless this was the last time. Raises ReplyError."""
        try:
            link = self.links.get(host, port, timeout)
        except OSError:
            raise ReplyError("IOERR error or timeout connecting to the client") from None
        selects = link.database != self.database
        requests, keys = migration_requests(self.call, self.found, self.options.replace)
        try:
            link.send([*self.greeting(selects), *requests])
        except OSError as error:
            self.links.drop(host, port)
            return self.failed("writing", last or isinstance(error, TimeoutError))
        refusal, read, failure = self.read_replies(link, selects, keys)
        if failure is not None:
            self.links.drop(host, port)
            if refusal is None:
                return self.failed("reading", last or read > 0 or isinstance(failure, TimeoutError))
        if refusal is not None:
            link.database = -1
            raise ReplyError(f"ERR Target instance replied with error: {refusal}")
        link.database = self.database
        return True

    def failed(self, what: str, final: bool) -> bool:
        if final:
            raise ReplyError(f"IOERR error or timeout {what} to target instance")
        return False

    def greeting(self, selects: bool) -> list[bytes]:
        """What stands before the keys."""
        auth = self.options.auth
        return [*([words(b"AUTH", *auth)] if auth else []), *([words(b"SELECT", b"%d" % self.database)] if selects else [])]

    def read_replies(self, link: Link, selects: bool, keys: list[int]) -> tuple[LinkRefusal | None, int, OSError | None]:
        """Delete what was taken: (the first error reply, how many keys were answered, what the link failed of)."""
        refusal: LinkRefusal | None = None
        taken: list[int] = []
        read, failure = 0, None
        try:
            for _ in self.greeting(selects):
                reply = link.read_reply()
                refusal = refusal or (reply if isinstance(reply, LinkRefusal) else None)
            greeted = refusal is None
            for key in keys:
                reply = link.read_reply()
                read += 1
                if isinstance(reply, LinkRefusal):
                    refusal = refusal or reply
                elif greeted and not self.options.copy:
                    taken.append(key)
        except OSError as error:
            failure = error
        if taken:
            migration_delete(self.call, taken)
        return refusal, read, failure
