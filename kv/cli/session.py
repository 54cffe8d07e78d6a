"""A session: one server at a time, the connection to it, and what the commands sent so far did to both.

The server keeps state for a connection - selected database, open transaction, subscriptions, protocol - and
never reports it. So the session watches the commands that go by and their replies, and knows from them what
the prompt must show, what a lost connection must be brought back to, and whether the next thing to arrive is
the answer to a command or a message nobody asked for just now.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence

from kv.cli.errors import Disconnected, Fatal, ProtocolError
from kv.cli.format import formatter, invalidation, raw
from kv.cli.options import STANDARD, Options
from kv.cli.resp import (
    ARRAY,
    ERROR,
    MAP,
    NIL,
    PUSH,
    Connection,
    Reply,
    Wait,
    connect_tcp,
    connect_unix,
    ignore_push,
)

PRODUCT = "KV"

UNSHARDED = frozenset((b"subscribe", b"psubscribe", b"unsubscribe", b"punsubscribe"))
SHARDED = frozenset((b"ssubscribe", b"sunsubscribe"))

# Commands whose reply is a text laid out by the server, shown as it is even at a terminal: the command,
# its subcommands if only some do so, and how many words it may have in all.
ANY_LENGTH = range(1, 1 << 30)
REPORTS: dict[bytes, dict[bytes, range] | None] = {
    b"info": None,
    b"lolwut": None,
    b"debug": dict.fromkeys((b"htstats", b"htstats-key", b"client-eviction"), ANY_LENGTH),
    b"memory": dict.fromkeys((b"malloc-stats", b"doctor"), ANY_LENGTH),
    b"cluster": dict.fromkeys((b"nodes", b"info"), range(2, 3)),
    b"client": dict.fromkeys((b"list", b"info"), ANY_LENGTH),
    b"latency": {b"graph": range(3, 4), b"doctor": range(2, 3)},
    b"proxy": {b"info": ANY_LENGTH},
}


def is_report(words: Sequence[bytes]) -> bool:
    command = words[0].lower()
    if command not in REPORTS:
        return False
    subcommands = REPORTS[command]
    if subcommands is None:
        return True
    return len(words) > 1 and len(words) in subcommands.get(words[1].lower(), ())


class Session:
    def __init__(self, options: Options, takeovers: Mapping[str, Callable[..., None]] | None = None) -> None:
        """`takeovers`: what shows the answers that are no replies, where a person may ask for them: help(session,
        words), follow(session) after SYNC, debug(session) after SCRIPT DEBUG. Each knows the session, so they are handed
        in."""
        self.options = options
        self.takeovers = takeovers or {}
        self.host = options.host
        self.port = options.port
        self.render = formatter(options)
        self.item_delimiter = options.item_delimiter.encode("utf-8", "surrogateescape")
        self.connection: Connection | None = None
        self.wait: Wait | None = None  # of every connection, see Connection
        self.interactive = False
        self.wanted_db = options.db  # where a new connection goes
        self.debug_next_eval = False  # SCRIPT DEBUG YES or SYNC was sent
        self.debug_sync = False  # ... SYNC: the server itself runs the script, not a child of it
        self.debugging = False  # inside the server's Lua debugger
        self.debug_ended = False
        self.redirected = False  # the last reply named another node: connect there and send again
        self.asking = False  # ... and it wants ASKING first
        self._forget()

    def _forget(self) -> None:
        """The state of a connection that has just been made."""
        self.db = 0
        self.resp3 = False
        self.in_multi = False
        self.db_before_multi = 0
        self.subscribed = False
        self.channels = 0  # channels and patterns
        self.shard_channels = 0
        self.monitoring = False
        self.shutting_down = False

    # ---- connection

    def connect(self, quiet: bool = False) -> bool:
        """Connect (again), authenticate, select the database, switch protocol; False if any of it failed.

        Where only a later step fails, the connection stays usable, as in valkey-cli: the user may AUTH.
        """
        self.close()
        try:
            self.connection = self.open()
        except Disconnected as error:
            if not quiet:
                complain(f"Could not connect to {PRODUCT} at {self.address()}: {error}")
            return False
        self.connection.wait = self.wait
        self._restore_push_handler()
        try:
            return self._authenticate(self.connection) and self._select() and self._switch_protocol()
        except Disconnected:
            complain("\nI/O error")
            return False

    def wait_with(self, wait: Wait) -> None:
        """Call `wait` before every read that may block, on this connection and those to come."""
        self.wait = wait
        if self.connection is not None:
            self.connection.wait = wait

    def open(self) -> Connection:
        """A bare connection to the present server. Raises Disconnected."""
        options = self.options
        if options.unix_socket is not None:
            sock = connect_unix(options.unix_socket, options.connect_timeout)
        else:
            sock = connect_tcp(self.host, self.port, options.connect_timeout, options.prefer_ipv6)
        if options.tls:
            from kv.cli.tls import secure

            sock = secure(sock, self.host, options)
        return Connection(sock)

    def open_beside(self) -> Connection | None:
        """A second connection, logged in, for a question that must not disturb the first one."""
        try:
            connection = self.open()
            if self.options.password is not None and connection.call(*self._auth_words()).is_error:
                connection.close()
                return None
        except Disconnected:
            return None
        return connection

    def require(self) -> Connection:
        """The connection, made if there is none; for modes that cannot do without."""
        if self.connection is None and not self.connect():
            raise SystemExit(1)
        assert self.connection is not None
        return self.connection

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        self._forget()

    def address(self) -> str:
        if self.options.unix_socket is not None:
            return self.options.unix_socket
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def prompt(self) -> str:
        if self.debugging:
            return "lua debugger> "
        if self.connection is None:
            return "not connected> "
        text = self.address() if self.options.unix_socket is None else f"kv {self.address()}"
        if self.db:
            text += f"[{self.db}]"
        if self.in_multi:
            text += "(TX)"
        if self.subscribed:
            text += "(subscribed mode)"
        return text + "> "

    def _auth_words(self) -> list[bytes]:
        names = [name for name in (self.options.user, self.options.password) if name is not None]
        return [b"AUTH", *(name.encode("utf-8", "surrogateescape") for name in names)]

    def _authenticate(self, connection: Connection) -> bool:
        if self.options.password is None:
            return True
        reply = connection.call(*self._auth_words())
        if reply.is_error:
            complain(f"AUTH failed: {reply.text}")
        return not reply.is_error

    def _select(self) -> bool:
        if self.wanted_db == self.db or self.connection is None:
            return True
        reply = self.connection.call(b"SELECT", b"%d" % self.wanted_db)
        if reply.is_error:
            complain(f"SELECT {self.wanted_db} failed: {reply.text}")
            return False
        self.db = self.wanted_db
        return True

    def _switch_protocol(self) -> bool:
        if not self.options.wants_resp3 or self.connection is None:
            return True
        reply = self.connection.call(b"HELLO", b"3")
        if reply.is_error:
            complain(f"HELLO 3 failed: {reply.text}")
            return not self.options.resp3
        self.resp3 = True
        return True

    # ---- commands

    def run(self, words: Sequence[bytes], repeat: int = 1) -> bool:
        """Send a command (again and again, without end if `repeat` is negative) and print what comes.

        False where the server could not be reached. An error reply counts as an answer.
        """
        if not self.debugging and words[0].lower() in (b"help", b"?"):
            self.takeovers["help"](self, words[1:])
            return True
        try:
            return self._run(words, repeat)
        except Disconnected as error:
            self.close()
            if not self.interactive or isinstance(error, ProtocolError):
                raise Fatal(f"Error: {error}") from None
            complain(f"Error: {error}")
            return False

    def _run(self, words: Sequence[bytes], repeat: int) -> bool:
        while True:
            if (self.redirected or self.connection is None) and not self.connect():
                self.redirected = False
                return False
            self.redirected = False
            if self.asking and not self._ask():
                return False
            self._send(words, repeat)
            if not self.redirected:
                return True

    def _ask(self) -> bool:
        self.asking = False
        reply = self._call(b"ASKING")
        if reply.is_error:
            complain(f"ASKING failed: {reply.text}")
        return not reply.is_error

    def _call(self, *words: bytes) -> Reply:
        assert self.connection is not None
        return self.connection.call(*words)

    def _send(self, words: Sequence[bytes], repeat: int) -> None:
        command = words[0].lower()
        verbatim = is_report(words) and not self.in_multi
        self.shutting_down = command == b"shutdown"
        self._note_debugging(command, words)
        while repeat < 0 or repeat > 0:
            repeat -= repeat > 0
            assert self.connection is not None
            self.connection.send(*words)
            if command == b"monitor":
                return self._monitor()
            if command in (b"sync", b"psync"):
                print("Entering replica output mode...  (press Ctrl-C to quit)", flush=True)
                return self.takeovers["follow"](self)
            reply = self._await_answer(command, words, verbatim)
            if reply is None or self.redirected:
                return None
            self._track(command, words, reply)
            if self.options.interval:
                time.sleep(self.options.interval)

    def read_reply(self, verbatim: bool = False) -> Reply | None:
        """Read one reply and print it. None if the server shut down as it was told to."""
        assert self.connection is not None
        try:
            reply = self.connection.read()
        except Disconnected:
            if not self.shutting_down:
                raise
            self.close()
            return None
        if reply.kind == ERROR and self.options.cluster and self._follow_redirection(reply):
            return reply
        if reply.kind == ERROR and self.options.exit_on_error and not self.interactive:
            raise Fatal(reply.text)
        write(raw(reply, self.item_delimiter) if verbatim else self.render(reply))
        return reply

    def _monitor(self) -> None:
        """Print what the server sees until it ends or, at the prompt, Ctrl-C does."""
        self.monitoring = True
        try:
            while self.monitoring:
                reply = self.read_reply()
                if reply is None or reply.is_error:
                    self.monitoring = False
        except KeyboardInterrupt:
            if not self.interactive:
                raise
            self.connect()

    def _await_answer(self, command: bytes, words: Sequence[bytes], verbatim: bool) -> Reply | None:
        """Print replies up to the one that answers `command`.

        (P|S)(UN)SUBSCRIBE is answered once for each channel, in RESP3 by pushes; and once subscribed,
        messages may come before any answer.
        """
        assert self.connection is not None
        confirmations = 0
        if command in UNSHARDED or command in SHARDED:
            confirmations = max(len(words) - 1, 1)
            self.connection.on_push = None
        while True:
            reply = self.read_reply(verbatim)
            if reply is None or not (self.subscribed or confirmations):
                return reply
            if self.is_pubsub(reply):
                self.count_subscriptions(reply)
                if confirmations and reply.items[0].data.lower() == command:
                    confirmations -= 1
                    if not confirmations:
                        return reply
            elif reply.kind != PUSH:
                return reply

    # ---- what replies tell

    def is_pubsub(self, reply: Reply) -> bool:
        """A message, or the confirmation of a subscription."""
        if reply.kind != (PUSH if self.resp3 else ARRAY) or len(reply.items) < 3:
            return False
        return reply.items[0].data.endswith((b"message", b"subscribe"))

    def count_subscriptions(self, reply: Reply) -> None:
        kind = reply.items[0].data
        if kind in UNSHARDED:
            self.channels = reply.items[2].integer()
        elif kind in SHARDED:
            self.shard_channels = reply.items[2].integer()
        self.subscribed = self.channels + self.shard_channels > 0

    def _track(self, command: bytes, words: Sequence[bytes], reply: Reply) -> None:
        """Learn from a command and its reply what the connection's state now is."""
        failed = reply.is_error
        if command == b"hello" and reply.kind in (MAP, ARRAY):
            self.resp3 = reply.kind == MAP
        elif command == b"auth" and len(words) in (2, 3):
            self._select()  # the database of -n could not be selected before
        elif command == b"exec" and len(words) == 1 and self.in_multi:
            self.in_multi = False
            if failed or reply.kind == NIL:
                self._set_db(self.db_before_multi)
        elif failed:
            pass
        elif command == b"select" and len(words) == 2:
            self._set_db(int(words[1]))
        elif len(words) == 1:
            self._track_plain(command)
        if (command in UNSHARDED or command in SHARDED) and not self.subscribed:
            self._restore_push_handler()

    def _track_plain(self, command: bytes) -> None:
        if command == b"multi":
            self.in_multi = True
            self.db_before_multi = self.db
        elif command == b"discard" and self.in_multi:
            self.in_multi = False
            self._set_db(self.db_before_multi)
        elif command == b"reset":
            self._forget()
            self.wanted_db = 0
            self._restore_push_handler()

    def _set_db(self, db: int) -> None:
        self.db = self.wanted_db = db

    def _follow_redirection(self, reply: Reply) -> bool:
        """Take in `MOVED slot host:port` or `ASK slot host:port`; an empty host stays the same."""
        words = reply.text.split(" ")
        if words[0] not in ("MOVED", "ASK") or len(words) != 3:
            return False
        host, _, port = words[2].rpartition(":")
        self.host = host or self.host
        self.port = int(port)
        if self.interactive:
            print(f"-> Redirected to slot [{words[1]}] located at {self.address()}", flush=True)
        self.redirected = True
        self.asking = words[0] == "ASK"
        return True

    # ---- pushes

    def _restore_push_handler(self) -> None:
        if self.connection is not None:
            self.connection.on_push = self._show_push if self.options.show_pushes else ignore_push

    def _show_push(self, reply: Reply) -> None:
        short = invalidation(reply) if self.options.output == STANDARD else None
        write(short or self.render(reply))

    # ---- Lua debugger

    def _note_debugging(self, command: bytes, words: Sequence[bytes]) -> None:
        """SCRIPT DEBUG YES turns the next EVAL into a debugging session, which has its own look."""
        if command == b"script" and len(words) == 3 and words[1].lower() == b"debug":
            self.debug_next_eval = words[2].lower() in (b"yes", b"sync")
            self.debug_sync = words[2].lower() == b"sync"
        elif command == b"eval" and self.debug_next_eval and not self.debugging:
            self.takeovers["debug"](self)


def write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def complain(text: str) -> None:
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)
