"""ACL, as a server answers it whose one user is `default`, who may run every command on every key and channel.

So ACL SETUSER default can change that user's passwords and nothing else: what would take a right away is refused, and
so is another user (kv/server/user.py).
"""
from __future__ import annotations

import copy
import os

from kv._core.runtime.call import OK, OrderedSet, ReplyError
from kv._core.runtime.registry import CATEGORIES, by_id, command, container

from ..call import caller
from ..config.directive import FatalConfigError
from ..config.file import replace_file
from ..log import log
from ..user import ONE_USER, TWO_PASSWORDS, DefaultUser, RuleError
from .clients import shown
from .command import called_by
from .help import declare_help, subcommand_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..call import Call

OPEN = "noscript loading stale"
ADMIN = "admin noscript loading stale"
DOCS = {"group": "server", "since": "6.0.0"}
EVERY_NODE = "request_policy:all_nodes response_policy:all_succeeded"
NO_FILE = ("ERR This instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER "
           "command and then issue a CONFIG REWRITE (assuming you have a configuration file set) in order to store users "
           "in the configuration.")
PASSWORD_BITS, MOST_BITS = 256, 4096     # of ACL GENPASS
SHOWN_ENTRIES = 10      # of ACL LOG where no count is given

container("acl", summary="Users and what they may do.", **DOCS)


# -- who there is -------------------------------------------------------------------------------------------------

@command("acl|whoami", 2, OPEN, complexity="O(1)", summary="The caller's user.", **DOCS)
def acl_whoami(call: Call):
    return caller(call).user


@command("acl|users", 2, ADMIN, complexity="O(N)", summary="The names of all users.", **DOCS)
def acl_users(call: Call):
    return ["default"]


@command("acl|list", 2, ADMIN, complexity="O(N)", summary="All users, as a configuration file has them.", **DOCS)
def acl_list(call: Call):
    return [call.server.default_user.line()]


@command("acl|getuser", 3, ADMIN, complexity="O(N)", summary="What a user may do.",
         history=["6.2.0 Shows patterns of channels.", "7.0.0 Shows selectors; keys and channels as rules."],
         args="username", **DOCS)
def acl_getuser(call: Call):
    if call.args[0] != b"default":
        return None
    user = call.server.default_user
    flags = ["on", *(["nopass"] if user.nopass else []),
             "sanitize-payload" if user.sanitized else "skip-sanitize-payload"]
    return {"flags": OrderedSet(flags), "passwords": user.hashes, "commands": "+@all", "keys": "~*", "channels": "&*",
            "selectors": []}


@command("acl|dryrun", -4, ADMIN, group="server", since="7.0.0", complexity="O(1)",
         summary="Whether a user may run a command, without running it.", args="username command [arg...]")
def acl_dryrun(call: Call):
    name, *words = call.args
    if name != b"default":
        raise ReplyError(f"ERR User '{shown(name)}' not found")
    called = called_by(words)
    if called is None:
        raise ReplyError(f"ERR Command '{shown(words[0])}' not found")
    if len(words) < abs(called.arity) or (called.arity > 0 and len(words) != called.arity):
        raise ReplyError(f"ERR wrong number of arguments for '{called.name}' command")
    return OK


# -- changing it --------------------------------------------------------------------------------------------------

@command("acl|setuser", -3, ADMIN, complexity="O(N)", tips=EVERY_NODE, summary="Makes or changes a user.",
         history=["6.2.0 Takes patterns of channels.", "7.0.0 Takes selectors and patterns with permissions."],
         args="username [rule...]", **DOCS)
def acl_setuser(call: Call):
    call.redact(*range(len(call.args)))
    name, *rules = call.args
    if any(byte in b" \t\n\v\f\r\0" for byte in name):
        raise ReplyError("ERR Usernames can't contain spaces or null characters")
    if name != b"default":
        raise ReplyError(f"ERR {ONE_USER}")
    user = call.server.default_user
    after = changed(user, [shown(rule) for rule in rules])
    if not user.of_file:
        use(call.server, after)
    elif after.line() != user.line():
        raise ReplyError(f"ERR {TWO_PASSWORDS}")
    return OK


def changed(user: DefaultUser, rules: list[str]) -> DefaultUser:
    """The user with further rules. Raises ReplyError."""
    after = copy.copy(user)
    try:
        after.apply([*user.line().split()[2:], *rules])
    except RuleError as error:
        raise ReplyError(f"ERR Error in ACL SETUSER modifier '{error.rule}': {error}") from None
    except ValueError as error:
        raise ReplyError(f"ERR {error}") from None
    return after


def use(server, user: DefaultUser) -> None:
    """From now on this is the default user."""
    server.default_user.become(user)
    server.settings.require_password()


@command("acl|deluser", -3, ADMIN, complexity="O(1)", tips=EVERY_NODE, summary="Deletes users.", args="username...", **DOCS)
def acl_deluser(call: Call):
    call.redact(*range(len(call.args)))
    if b"default" in call.args:
        raise ReplyError("ERR The 'default' user cannot be removed")
    return 0


@command("acl|load", 2, ADMIN, complexity="O(N)", summary="Reads the ACL file again.", **DOCS)
def acl_load(call: Call):
    config = call.server.config
    if not config.aclfile:
        raise ReplyError(NO_FILE)
    try:
        use(call.server, DefaultUser(config))
    except FatalConfigError as error:
        complaint = str(error).rpartition("\n")[2].removesuffix(".")
        raise ReplyError(f"ERR {complaint}. WARNING: ACL errors detected, no change to the previously active ACL rules was "
                         "performed") from None
    return OK


@command("acl|save", 2, ADMIN, complexity="O(N)", tips=EVERY_NODE, summary="Writes the users to the ACL file.", **DOCS)
def acl_save(call: Call):
    config = call.server.config
    if not config.aclfile:
        raise ReplyError(NO_FILE)
    try:
        replace_file(config.aclfile, call.server.default_user.line() + "\n")
    except OSError as error:
        log("warning", f"The ACL file can't be written for ACL SAVE: {error.strerror}")
        raise ReplyError("ERR There was an error trying to save the ACLs. Please check the server logs for more "
                         "information") from None
    return OK


# -- around them --------------------------------------------------------------------------------------------------

@command("acl|cat", -2, OPEN, complexity="O(1)", summary="The categories, or the commands of one.", args="[category]", **DOCS)
def acl_cat(call: Call):
    if not call.args:
        return CATEGORIES
    if len(call.args) > 1:
        raise subcommand_error(call)
    category = call.word(0)
    if category not in CATEGORIES:
        raise ReplyError(f"ERR Unknown category '{shown(call.args[0])}'")
    return [one.name for one in by_id if category in one.categories]


@command("acl|genpass", -2, OPEN, complexity="O(1)", summary="A password that nobody can guess.", args="[bits:integer]", **DOCS)
def acl_genpass(call: Call):
    if len(call.args) > 1:
        raise subcommand_error(call)
    bits = call.integer(0) if call.args else PASSWORD_BITS
    if not 1 <= bits <= MOST_BITS:
        raise ReplyError("ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up "
                         f"to {MOST_BITS}")
    digits = (bits + 3) // 4
    return os.urandom((digits + 1) // 2).hex()[:digits]


@command("acl|log", -2, ADMIN, complexity="O(N)", summary="Who was refused, and what.",
         history=["7.2.0 Shows entry-id, timestamp-created and timestamp-last-updated."],
         args="[operation: count:integer | RESET]", **DOCS)
def acl_log(call: Call):
    if len(call.args) > 1:
        raise subcommand_error(call)
    if call.args and call.word(0) == "reset":
        call.server.acl_log.reset()
        return OK
    count = call.integer(0) if call.args else SHOWN_ENTRIES
    return call.server.acl_log.newest(count, call.engine.now_ms)


declare_help("acl", "server", "6.0.0", "loading stale", [
    "CAT [<category>]", "    The categories of commands, or the commands of one.",
    "DELUSER <username> [<username> ...]", "    Delete users.",
    "DRYRUN <username> <command> [<arg> ...]", "    Whether a user may run a command, without running it.",
    "GENPASS [<bits>]", "    A password of 256 random bits, or of so many, in hexadecimal.",
    "GETUSER <username>", "    What a user may do.",
    "LIST", "    All users, as a configuration file has them.",
    "LOAD", "    Read the users from the ACL file again.",
    "LOG [<count> | RESET]", "    Who was refused lately, or forget it.",
    "SAVE", "    Write the users to the ACL file.",
    "SETUSER <username> <rule> [<rule> ...]", "    Make a user, or change one.",
    "USERS", "    The names of all users.",
    "WHOAMI", "    The caller's user."])
