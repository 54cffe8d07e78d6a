"""The log of ACL LOG: who was refused. With the one default user that is who failed to log in."""
from __future__ import annotations

from collections import deque

from kv._core.engine.clientlist import client_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .config import Config

LOOKED_AT = 10          # entries that a new refusal may be one more of
ONE_ENTRY_MS = 60000    # ... if its last one is not older


class Entry:
    """Refusals that are alike."""

    def __init__(self, number: int, kind: tuple, now_ms: int) -> None:
        self.number = number
        self.kind = kind                # reason, context, object, user name
        self.count = 0
        self.created_ms = self.updated_ms = now_ms
        self.client = b""               # the line of CLIENT LIST of the last one


class AclLog:
    """What ACL LOG shows, the newest first; acllog-max-len entries at most."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.entries: deque[Entry] = deque()
        self.made = 0                   # entries ever, the next one's id

    def note_failed_login(self, call: Any, user: bytes) -> None:
        """A client gave a name and password that are not right."""
        if self.config.acllog_max_len:
            context = "multi" if call.engine.in_transaction else "toplevel"
            entry = self.take(("auth", context, call.name.upper(), user), call.engine.now_ms)
            entry.count += 1
            entry.updated_ms = call.engine.now_ms
            entry.client = client_lines(call.engine, [call.session_id]).removesuffix(b"\n")
            self.entries.appendleft(entry)
        while len(self.entries) > self.config.acllog_max_len:
            self.entries.pop()

    def take(self, kind: tuple, now_ms: int) -> Entry:
        """The entry of refusals of this kind, taken out of the log, or a new one."""
        for entry in list(self.entries)[:LOOKED_AT]:
            if entry.kind == kind and now_ms - entry.updated_ms <= ONE_ENTRY_MS:
                self.entries.remove(entry)
                return entry
        self.made += 1
        return Entry(self.made - 1, kind, now_ms)

    def reset(self) -> None:
        self.entries.clear()

    def newest(self, count: int, now_ms: int) -> list[dict[str, Any]]:
        """Entries as ACL LOG replies them."""
        shown = []
        for entry in list(self.entries)[:max(0, count)]:
            reason, context, about, user = entry.kind
            shown.append({
                "count": entry.count, "reason": reason, "context": context, "object": about, "username": user,
                "age-seconds": (now_ms - entry.updated_ms) / 1000, "client-info": entry.client,
                "entry-id": entry.number, "timestamp-created": entry.created_ms,
                "timestamp-last-updated": entry.updated_ms})
        return shown
