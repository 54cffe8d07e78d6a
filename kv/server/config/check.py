"""The rules that single options have beyond their kind: each takes a value and returns a complaint, or ""."""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HOSTNAME_MAX = 256
HOSTNAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")
NODE_NAME_REFUSED = "!#$%&()*+;<>?@[]^{|}~"
TITLE_EXAMPLE = {"title": "", "listen-addr": "*:6379", "server-mode": "", "config-file": "-", "port": "6379",
                 "tls-port": "0", "unixsocket": ""}


def not_empty(option: str) -> Callable[[str], str]:
    return lambda name: "" if name else f"{option} can't be empty"


def base_name(option: str, noun: str = "filename") -> Callable[[str], str]:
    """The check of a name that goes into a directory which another option states."""
    def check(name: str) -> str:
        if not name:
            return f"{option} can't be empty"
        if "/" in name or "\\" in name:
            return f"{option} can't be a path, just a {noun}"
        return ""
    return check


def hostname(name: str) -> str:
    if len(name) >= HOSTNAME_MAX:
        return f"Hostnames must be less than {HOSTNAME_MAX} characters"
    if set(name) <= HOSTNAME_CHARACTERS:
        return ""
    return "Hostnames may only contain alphanumeric characters, hyphens or dots"


def node_name(name: str) -> str:
    if any(character in NODE_NAME_REFUSED for character in name):
        return "Announced human node name contained invalid character"
    return ""


def ipv4(address: str) -> str:
    return "" if not address or is_address("AF_INET", address) else "Invalid IPv4 address"


def ipv6(address: str) -> str:
    return "" if not address or is_address("AF_INET6", address) else "Invalid IPv6 address"


def is_address(family: str, address: str) -> bool:
    import socket  # only those who announce an address pay for loading it

    try:
        socket.inet_pton(getattr(socket, family), address)
    except (OSError, ValueError):
        return False
    return True


def shutdown_words(words: set[str]) -> str:
    if words >= {"save", "nosave"}:
        return "shutdown options SAVE and NOSAVE can't be used simultaneously"
    return ""


def no_tls(port: int) -> str:
    return "TLS is not part of this release" if port else ""


def no_defragmentation(enabled: bool) -> str:
    """The allocator here offers no way to ask which blocks are worth moving."""
    if not enabled:
        return ""
    return ("Active defragmentation cannot be enabled: it requires a server compiled with a modified "
            "Jemalloc like the one shipped by default with the source distribution")


def process_title(template: str) -> str:
    if not expand_process_title(template, TITLE_EXAMPLE):
        return "template format is invalid or contains unknown variables"
    return ""


def expand_process_title(template: str, variables: Mapping[str, str]) -> str:
    """The template with each {variable} replaced and {{ as one brace; empty if it is malformed."""
    parts = []
    while template:
        before, brace, template = template.partition("{")
        parts.append(before)
        if brace and template.startswith("{"):
            parts.append("{")
            template = template[1:]
        elif brace:
            name, closing, template = template.partition("}")
            if not closing or name not in variables:
                return ""
            parts.append(variables[name])
    return "".join(parts).strip(" ")


cluster_file = not_empty("cluster-config-file")
rdb_file = base_name("dbfilename")
aof_file = base_name("appendfilename")
aof_directory = base_name("appenddirname", "dirname")
