"""CLIENT: the connections of this server, and the caller's own."""
from __future__ import annotations

from kv._core.engine.clientlist import client_lines
from kv._core.engine.sessions import session, sessions
from kv._core.runtime.call import NO_REPLY, OK, SYNTAX_ERROR, ReplyError, Verbatim
from kv._core.runtime.registry import command, container

from ..call import caller
from ..log import HIDDEN
from .connection import check_attribute
from .help import declare_help

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..call import Call

CONNECTION = {"group": "connection", "complexity": "O(1)"}
PLAIN = "noscript loading stale"
TYPES = {"normal": "normal", "primary": "primary", "master": "primary", "replica": "replica", "slave": "replica",
         "pubsub": "pubsub"}

container("client", since="2.4.0", group="connection", summary="Looks after connections.")


def shown(word: bytes, hide: bool = False) -> str:
    return HIDDEN if hide else word.decode("utf-8", "surrogateescape")


def describe_briefly(client, hide: bool) -> str:
    """Who a client is, for the log; `hide` is hide-user-data-from-log."""
    return (f"id={client.id} addr={client.peer} laddr={client.local} fd={client.fd} name={shown(client.name, hide)} "
            f"user={shown(client.user, hide)} lib-name={shown(client.library_name)} lib-ver={shown(client.library_version)}")


def lines(call: Call, clients: list) -> Verbatim:
    """The lines of CLIENT LIST of these clients."""
    found = client_lines(call.engine, [client.id for client in clients])
    return Verbatim(found.decode("utf-8", "surrogateescape"))


class Filter:
    """The options that CLIENT LIST and CLIENT KILL share: which clients are meant."""

    def __init__(self, call: Call, skip_me: bool) -> None:
        self.call = call
        self.ids: set[int] | None = None
        self.client_type: str | None = None
        self.address: str | None = None
        self.local: str | None = None
        self.user: bytes | None = None
        self.max_age = 0
        self.skip_me = skip_me

    def parse(self) -> Filter:
        """Raises ReplyError."""
        args = self.call.args
        index = 0
        while index < len(args):
            option = self.call.word(index)
            if option == "id":
                index = self.parse_ids(index + 1)
            elif index + 1 < len(args) and option in OPTIONS:
                OPTIONS[option](self, args[index + 1], index + 1)
                index += 2
            else:
                raise ReplyError(SYNTAX_ERROR)
        return self

    def parse_ids(self, index: int) -> int:
        args = self.call.args
        self.ids = self.ids or set()
        while index < len(args):
            try:
                number = self.call.integer(index)
            except ReplyError:
                return index
            if number < 1:
                raise ReplyError("ERR client-id should be greater than 0")
            self.ids.add(number)
            index += 1
        return index

    def set_max_age(self, text: bytes, index: int) -> None:
        self.max_age = self.call.integer(index, "ERR maxage is not an integer or out of range")
        if self.max_age <= 0:
            raise ReplyError("ERR maxage should be greater than 0")

    def set_type(self, text: bytes, index: int) -> None:
        self.client_type = TYPES.get(text.decode("latin-1").lower())
        if self.client_type is None:
            raise ReplyError(f"ERR Unknown client type '{text.decode('utf-8', 'surrogateescape')}'")

    def set_address(self, text: bytes, index: int) -> None:
        self.address = text.decode("utf-8", "surrogateescape")

    def set_local(self, text: bytes, index: int) -> None:
        self.local = text.decode("utf-8", "surrogateescape")

    def set_user(self, text: bytes, index: int) -> None:
        if text != b"default":
            raise ReplyError(f"ERR No such user '{text.decode('utf-8', 'surrogateescape')}'")
        self.user = text

    def set_skip_me(self, text: bytes, index: int) -> None:
        word = text.lower()
        if word not in (b"yes", b"no"):
            raise ReplyError(SYNTAX_ERROR)
        self.skip_me = word == b"yes"

    def matches(self, client) -> bool:
        return ((self.ids is None or client.id in self.ids)
                and (self.client_type is None or client.client_class == self.client_type)
                and (self.address is None or client.peer == self.address)
                and (self.local is None or client.local == self.local)
                and (self.user is None or (client.authenticated and client.user == self.user))
                and (not self.max_age or client.age_seconds >= self.max_age)
                and not (self.skip_me and client.id == self.call.session_id))

    def clients(self) -> list:
        return [client for client in self.candidates() if client.alive and self.matches(client)]

    def candidates(self) -> list:
        """All clients, or those of the ids that were asked for, without a look at the others."""
        if self.ids is None:
            return sessions(self.call.engine)
        found = [session(self.call.engine, number) for number in sorted(self.ids)]
        return [client for client in found if client is not None and client.connected]


OPTIONS = {"maxage": Filter.set_max_age, "type": Filter.set_type, "addr": Filter.set_address, "laddr": Filter.set_local,
           "user": Filter.set_user, "skipme": Filter.set_skip_me}


@command("client|id", 2, PLAIN, since="5.0.0", summary="The caller's id.", **CONNECTION)
def client_id(call: Call):
    return call.session_id


@command("client|info", 2, PLAIN, since="6.2.0", tips="nondeterministic_output",
         summary="The caller's line of CLIENT LIST.", **CONNECTION)
def client_info(call: Call):
    return lines(call, [caller(call)])


@command("client|list", -2, "admin noscript loading stale", group="connection", since="2.4.0",
         complexity="O(N)", tips="nondeterministic_output", summary="A line for each connection.",
         history=["2.8.12 Shows id.", "5.0.0 Takes TYPE.", "6.0.0 Shows user.",
                  "6.2.0 Takes ID; shows argv-mem, tot-mem, laddr and redir.",
                  "7.0.0 Shows resp, multi-mem, rbs and rbp.", "7.0.3 Shows ssub.",
                  "8.0.0 TYPE takes primary, which master also means.",
                  "8.1.0 Takes USER, ADDR, LADDR, SKIPME and MAXAGE."],
         args="[TYPE@5.0.0 client-type: NORMAL | MASTER | REPLICA | PUBSUB] [ID@6.2.0 client-id:integer...] "
              "[USER@8.1.0 username] [ADDR@8.1.0 addr<ip:port>] [LADDR@8.1.0 laddr<ip:port>] [SKIPME@8.1.0: "
              "YES | NO] [MAXAGE@8.1.0 maxage:integer]")
def client_list(call: Call):
    if len(call.args) == 1:
        raise ReplyError(SYNTAX_ERROR)
    return lines(call, Filter(call, skip_me=False).parse().clients())


@command("client|kill", -3, "admin noscript loading stale", group="connection", since="2.4.0",
         complexity="O(N)", summary="Closes connections.",
         history=["2.8.12 Takes filters.", "2.8.12 Takes ID.", "3.2.0 TYPE takes master.",
                  "5.0.0 TYPE takes replica, which slave also means.", "6.2.0 Takes LADDR.",
                  "8.0.0 Takes MAXAGE.", "8.0.0 TYPE takes primary, which master also means.",
                  "8.1.0 ID takes several ids."],
         args="(filter: old-format<ip:port>@-2.8.12 | (new-format: [ID@2.8.12 client-id:integer...] | "
              "[TYPE@2.8.12 client-type: NORMAL | MASTER@3.2.0 | PRIMARY@8.0.0 | SLAVE | REPLICA@5.0.0 | "
              "PUBSUB] | [USER username] | [ADDR addr<ip:port>] | [LADDR@6.2.0 laddr<ip:port>] | [SKIPME: "
              "YES | NO] | [MAXAGE@8.0.0 maxage:integer])...)")
def client_kill(call: Call):
    chosen = Filter(call, skip_me=True)
    old_form = len(call.args) == 1
    if old_form:
        chosen.skip_me = False
        chosen.set_address(call.args[0], 0)
    else:
        chosen.parse()
    killed = chosen.clients()
    for client in killed:
        client.kill()
    if not old_form:
        return len(killed)
    if not killed:
        raise ReplyError("ERR No such client")
    return OK


@command("client|setname", 3, PLAIN, since="2.6.9",
         tips="request_policy:all_nodes response_policy:all_succeeded",
         summary="Names the caller's connection.", args="connection-name", **CONNECTION)
def client_setname(call: Call):
    check_attribute("Client names", call.args[0])
    caller(call).name = call.args[0]
    return OK


@command("client|getname", 2, PLAIN, since="2.6.9", summary="The name of the caller's connection.", **CONNECTION)
def client_getname(call: Call):
    return caller(call).name or None


@command("client|setinfo", 4, PLAIN, since="7.2.0",
         tips="request_policy:all_nodes response_policy:all_succeeded",
         summary="Says which client library is in use.", args="(attr: LIB-NAME libname | LIB-VER libver)",
         **CONNECTION)
def client_setinfo(call: Call):
    option = call.word(0)
    shown = call.args[0].decode("utf-8", "surrogateescape")
    if option not in ("lib-name", "lib-ver"):
        raise ReplyError(f"ERR Unrecognized option '{shown}'")
    check_attribute(shown, call.args[1])
    setattr(caller(call), "library_name" if option == "lib-name" else "library_version", call.args[1])
    return OK


def switch(call: Call) -> bool:
    word = call.word(0)
    if word not in ("on", "off"):
        raise ReplyError(SYNTAX_ERROR)
    return word == "on"


@command("client|no-evict", 3, "admin noscript loading stale", since="7.0.0",
         summary="Keeps the caller from being closed for want of memory.", args="(enabled: ON | OFF)",
         **CONNECTION)
def client_no_evict(call: Call):
    caller(call).set_flag("no-evict", switch(call))
    return OK


@command("client|no-touch", 3, PLAIN, since="7.2.0",
         summary="Has the caller's commands leave the access clock of keys alone.",
         args="(enabled: ON | OFF)", **CONNECTION)
def client_no_touch(call: Call):
    caller(call).set_flag("no-touch", switch(call))
    return OK


@command("client|import-source", 3, PLAIN, group="connection", since="8.1.0", complexity="O(1)",
         summary="Lets the caller see keys whose time has come, while keys are imported.",
         args="(enabled: ON | OFF)")
def client_import_source(call: Call):
    if call.word(0) != "off" and not call.server.config.import_mode:
        raise ReplyError("ERR Server is not in import mode")
    caller(call).set_flag("import-source", switch(call))
    return OK


@command("client|reply", 3, PLAIN, since="3.2.0", summary="Turns the caller's replies on or off.",
         args="(action: ON | OFF | SKIP)", **CONNECTION)
def client_reply(call: Call):
    word = call.word(0)
    client = caller(call)
    if word == "on":
        client.set_flag("reply-off", False)
        return OK
    if word == "off":
        client.set_flag("reply-off", True)
    elif word == "skip":
        client.set_flag("reply-skip", True)
    else:
        raise ReplyError(SYNTAX_ERROR)
    return NO_REPLY


@command("client|pause", -3, "admin noscript loading stale", since="3.0.0",
         summary="Holds commands back for a while.", history=["6.2.0 Takes a mode: WRITE or ALL."],
         args="timeout:integer [mode@6.2.0: WRITE | ALL]", **CONNECTION)
def client_pause(call: Call):
    writes_only = False
    if len(call.args) == 2:
        mode = call.word(1)
        if mode not in ("write", "all"):
            raise ReplyError("ERR CLIENT PAUSE mode must be WRITE or ALL")
        writes_only = mode == "write"
    elif len(call.args) > 2:
        raise ReplyError(SYNTAX_ERROR)
    timeout = call.integer(0, "ERR timeout is not an integer or out of range")
    if timeout < 0:
        raise ReplyError("ERR timeout is negative")
    if timeout > 2**63 - 1 - call.engine.now_ms:
        raise ReplyError("ERR timeout is out of range")
    call.engine.pause(writes_only, call.engine.now_ms + timeout)
    return OK


@command("client|unpause", 2, "admin noscript loading stale", since="6.2.0", summary="Ends CLIENT PAUSE.",
         group="connection", complexity="O(N)")
def client_unpause(call: Call):
    call.engine.unpause()
    return OK


@command("client|unblock", -3, "admin noscript loading stale", group="connection", since="5.0.0",
         complexity="O(log N)", summary="Ends the wait of a blocked client.",
         args="client-id:integer [unblock-type: TIMEOUT | ERROR]")
def client_unblock(call: Call):
    reason = call.word(1) if len(call.args) > 1 else "timeout"
    if reason not in ("timeout", "error") or len(call.args) > 2:
        raise ReplyError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    return call.engine.unblock(call.integer(0), reason == "error")


@command("client|capa", -3, PLAIN, since="8.0.0", summary="Says what the client is able to do.",
         args="capability...", **CONNECTION)
def client_capa(call: Call):
    """What is not known is no mistake: a later server may know it."""
    if any(word.lower() == b"redirect" for word in call.args):
        caller(call).set_flag("redirect", True)
    return OK


declare_help("client", "connection", "5.0.0", "loading stale", [
    "CAPA <option> [<option> ...]", "    What the client is able to do: REDIRECT.",
    "CACHING (YES|NO)", "    Whether the keys of the next command are tracked.",
    "GETNAME", "    The name of the caller's connection.",
    "GETREDIR", "    The client that tracking messages are redirected to, -1 for none.",
    "ID", "    The id of the caller's connection.",
    "IMPORT-SOURCE (ON|OFF)", "    Let the caller see keys whose time has come, while keys are imported.",
    "INFO", "    The caller's line of CLIENT LIST.",
    "KILL <ip:port>", "    Close the connection from an address.",
    "KILL <option> <value> [<option> <value> ...]",
    "    Close connections by ID, ADDR, LADDR, TYPE, USER, MAXAGE; SKIPME (YES|NO): not the caller's own (default: yes).",
    "LIST [<option> <value> ...]", "    A line for each connection; options as for KILL.",
    "NO-EVICT (ON|OFF)", "    Keep the caller from being closed for want of memory.",
    "NO-TOUCH (ON|OFF)", "    Leave the access clock of keys alone.",
    "PAUSE <timeout> [WRITE|ALL]", "    Hold back all commands, or those that write, for so many milliseconds.",
    "REPLY (ON|OFF|SKIP)", "    Whether the caller gets replies; SKIP: not the next one.",
    "SETINFO <LIB-NAME|LIB-VER> <value>", "    Say which client library is in use.",
    "SETNAME <name>", "    Name the caller's connection.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]",
    "    Have the server tell the caller of changes to keys that it read.",
    "TRACKINGINFO", "    How tracking stands on the caller's connection.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]", "    End the wait of a blocked client.",
    "UNPAUSE", "    End CLIENT PAUSE.",
])
