"""CLIENT TRACKING and its kin, as a server answers them that does not track which keys clients have cached.

A client that turns tracking off, or asks how it stands, is told the truth. One that turns it on is refused: it
would go on to serve stale values from its cache.
"""
from __future__ import annotations

from kv._core.engine.sessions import session
from kv._core.runtime.call import OK, SYNTAX_ERROR, OrderedSet, ReplyError
from kv._core.runtime.registry import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..call import Call

CONNECTION = {"group": "connection", "complexity": "O(1)"}
PLAIN = "noscript loading stale"
ABSENT = "ERR Client tracking is not part of this release"


class TrackingOptions:
    """The options of CLIENT TRACKING (ON|OFF): REDIRECT, PREFIX, BCAST, OPTIN, OPTOUT, NOLOOP. Raises ReplyError."""

    def __init__(self, call: Call) -> None:
        self.redirect = 0
        self.prefixes: list[bytes] = []
        self.words: set[str] = set()
        index = 1
        while index < len(call.args):
            word = call.word(index)
            more = index + 1 < len(call.args)
            if word == "redirect" and more:
                self.take_redirect(call, index + 1)
                index += 1
            elif word == "prefix" and more:
                self.prefixes.append(call.args[index + 1])
                index += 1
            elif word in ("bcast", "optin", "optout", "noloop"):
                self.words.add(word)
            else:
                raise ReplyError(SYNTAX_ERROR)
            index += 1

    def take_redirect(self, call: Call, index: int) -> None:
        if self.redirect:
            raise ReplyError("ERR A client can only redirect to a single other client")
        self.redirect = call.integer(index)
        if self.redirect < 0 or session(call.engine, self.redirect) is None:
            raise ReplyError("ERR The client ID you want redirect to does not exist")

    def check(self) -> None:
        """What may stand together. Raises ReplyError."""
        if self.prefixes and "bcast" not in self.words:
            raise ReplyError("ERR PREFIX option requires BCAST mode to be enabled")
        if "bcast" in self.words and self.words & {"optin", "optout"}:
            raise ReplyError("ERR OPTIN and OPTOUT are not compatible with BCAST")
        if {"optin", "optout"} <= self.words:
            raise ReplyError("ERR You can't specify both OPTIN mode and OPTOUT mode")


@command("client|tracking", -3, PLAIN, since="6.0.0",
         summary="Has the server tell the caller of changes to keys that it read.",
         args="(status: ON | OFF) [REDIRECT client-id:integer] [PREFIX prefix]... [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
         **CONNECTION)
def client_tracking(call: Call):
    options = TrackingOptions(call)
    status = call.word(0)
    if status == "off":
        return OK
    if status != "on":
        raise ReplyError(SYNTAX_ERROR)
    options.check()
    raise ReplyError(ABSENT)


@command("client|trackinginfo", 2, PLAIN, since="6.2.0", summary="How tracking stands on the caller's connection.",
         **CONNECTION)
def client_trackinginfo(call: Call):
    return {"flags": OrderedSet(["off"]), "redirect": -1, "prefixes": []}


@command("client|getredir", 2, PLAIN, since="6.0.0",
         summary="The client that the caller's tracking messages are redirected to.", **CONNECTION)
def client_getredir(call: Call):
    return -1


@command("client|caching", 3, PLAIN, since="6.0.0", summary="Whether the next command's keys are tracked.",
         args="(mode: YES | NO)", **CONNECTION)
def client_caching(call: Call):
    raise ReplyError("ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode "
                     "enabled")
