"""AUTH, HELLO, RESET, QUIT: who a connection is, and how it speaks."""
from __future__ import annotations

from kv import VALKEY_VERSION
from kv._core.engine.inspect import note_auth_failure
from kv._core.runtime.call import OK, SYNTAX_ERROR, ReplyError, Status
from kv._core.runtime.registry import command

from ..call import caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..call import Call

WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled."
NO_PASSWORD = ("ERR AUTH <password> called without any password configured for the default user. Are you sure your "
               "configuration is correct?")


def authenticate(call: Call, user: bytes, password: bytes) -> None:
    """Make the session authenticated. Raises ReplyError."""
    if user == b"default" and call.server.default_user.accepts(password):
        caller(call).authenticated = True
        return
    note_auth_failure(call.engine)
    call.server.acl_log.note_failed_login(call, user)
    raise ReplyError(WRONG_PASSWORD)


@command("auth", -2, "noscript loading stale fast no_auth allow_busy", group="connection", since="1.0.0",
         complexity="O(N)", summary="Authenticates the connection.", history=["6.0.0 Takes a username."],
         args="[username@6.0.0] password")
def auth(call: Call):
    if len(call.args) > 2:
        raise ReplyError(SYNTAX_ERROR)
    call.redact(0, 1)
    if len(call.args) == 1:
        if call.server.default_user.nopass:
            raise ReplyError(NO_PASSWORD)
        authenticate(call, b"default", call.args[0])
    else:
        authenticate(call, *call.args)
    return OK


class HelloOptions:
    """HELLO [version [AUTH user password] [SETNAME name]]."""

    def __init__(self, call: Call) -> None:
        self.version = None
        self.auth = None
        self.name = None
        args = call.args
        if not args:
            return
        self.version = call.integer(0, "ERR Protocol version is not an integer or out of range")
        if self.version not in (2, 3):
            raise ReplyError("NOPROTO unsupported protocol version")
        index = 1
        while index < len(args):
            more = len(args) - index - 1
            if call.word(index) == "auth" and more >= 2:
                self.auth = args[index + 1], args[index + 2]
                call.redact(index + 1, index + 2)
                index += 3
            elif call.word(index) == "setname" and more >= 1:
                self.name = args[index + 1]
                check_attribute("Client names", self.name)
                index += 2
            else:
                raise ReplyError(f"ERR Syntax error in HELLO option '{args[index].decode('utf-8', 'surrogateescape')}'")


def check_attribute(what: str, value: bytes) -> None:
    """Names are shown in lists separated by spaces: printable, no spaces. Raises ReplyError."""
    if any(not 33 <= byte <= 126 for byte in value):
        raise ReplyError(f"ERR {what} cannot contain spaces, newlines or special characters.")


@command("hello", -1, "noscript loading stale fast no_auth allow_busy", group="connection", since="6.0.0",
         complexity="O(1)",
         summary="Shakes hands: chooses the RESP version, authenticates, names the connection.",
         history=["8.1.0 Shows availability_zone where the option is set.",
                  "6.2.0 The version may be left out."],
         args="[arguments: protover:integer [AUTH username password] [SETNAME clientname]]")
def hello(call: Call):
    options = HelloOptions(call)
    client = caller(call)
    if options.auth is not None:
        authenticate(call, *options.auth)
    if not client.authenticated:
        raise ReplyError("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH "
                         "<user> <pass> option can be used to authenticate the client and select the RESP protocol version at "
                         "the same time")
    if options.name is not None:
        client.name = options.name
    if options.version is not None:
        client.resp = options.version
        call.set_resp(options.version)
    compatible = call.server.config.extended_redis_compatibility
    from kv import REDIS_VERSION

    reply: dict[str, object] = {
        "server": "redis" if compatible else "valkey", "version": REDIS_VERSION if compatible else VALKEY_VERSION,
        "proto": client.resp, "id": client.id, "mode": "standalone", "role": "master", "modules": []}
    zone = call.server.config.availability_zone
    if zone:
        reply["availability_zone"] = zone
    return reply


@command("reset", 1, "noscript loading stale fast no_auth allow_busy subscribed unqueued", group="connection", since="6.2.0",
         complexity="O(1)", summary="Makes the connection as if it were new.")
def reset(call: Call):
    caller(call).reset()
    call.set_resp(2)
    return Status("RESET")


@command("quit", -1, "noscript loading stale fast no_auth allow_busy subscribed unqueued", group="connection",
         since="1.0.0", complexity="O(1)", summary="Closes the connection.",
         deprecated="7.2.0 just closing the connection")
def quit_(call: Call):
    call.close_after_reply()
    return OK
