"""kv-check-rdb: says whether an RDB file is sound, and what is in it.

    kv-check-rdb dump.rdb
    kv-check-rdb dump.rdb --stats --format table|info|csv|json [--output file] [--separator :] [--depth 1] [--top 20]

The lines and the exit status (0: sound, 1: not) are those of valkey-check-rdb 8.1, the options --stats, --format and --output with
the figures by type those of 9.1. Figures by prefix, and json, are ours: with json nothing else is written to the standard output.

Every value is decoded by the core, with the checks of a load, and dropped (kv/_core/persist/rdbscan), so a file may be of any size.
With --quick values are only read over: where they begin and end, and the checksum of everything.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
import time

from kv._core.persist.rdbscan import RdbScan, ScanFault
from kv.about import version_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from kv._core.persist.rdbscan import Profile

SERVER_VERSION = 11         # the newest that a server reads without being told to
TYPE_NAMES = (
    "string", "list-linked", "set-hashtable", "zset-v1", "hash-hashtable", "zset-v2", "module-pre-release", "module-value", "",
    "hash-zipmap", "list-ziplist", "set-intset", "zset-ziplist", "hash-ziplist", "quicklist", "stream", "hash-listpack",
    "zset-listpack", "quicklist-v2", "stream-v2", "set-listpack", "stream-v3", "hash-v2")
TYPES = ("string", "list", "set", "zset", "hash", "module", "stream")
PREFIXES_MOST = 10_000      # prefixes that are told apart
OTHERS = "(others)"         # ... and where the rest is counted
PREFIX_FIELDS = ("keys", "expires", "elements", "key_bytes", "rdb_bytes")


# -- figures ----------------------------------------------------------------------------------------------------------

def field_values(profile: Profile | None) -> dict[str, str]:
    """The figures of a type, as Valkey 9.1 names and prints them."""
    if profile is None:
        whole = dict.fromkeys(("keys.total", "expire_keys.total", "already_expired.total", "keys.size", "keys.value_size",
                               "elements.total", "elements.size", "elements.num.max"), "0")
        return {**whole, **percentages("num", 0, 0, None), "elements.size.max": "0", **percentages("size", 0, 0, None)}
    return {"keys.total": str(profile.keys), "expire_keys.total": str(profile.expires),
            "already_expired.total": str(profile.expired), "keys.size": str(profile.key_bytes),
            "keys.value_size": str(profile.value_bytes), "elements.total": str(profile.elements),
            "elements.size": str(profile.value_bytes), "elements.num.max": str(profile.most_elements),
            **percentages("num", profile.elements, profile.keys, profile.elements_percentile),
            "elements.size.max": str(profile.largest_element),
            **percentages("size", profile.value_bytes, profile.elements, profile.size_percentile)}


def percentages(kind: str, total: int, count: int, percentile: Any) -> dict[str, str]:
    return {f"elements.{kind}.avg": f"{total / count if count else 0:.2f}",
            **{f"elements.{kind}.p{percent}": f"{percentile(percent) if percentile else 0:.2f}" for percent in (99, 90, 50)}}


class Prefixes:
    """Figures by the beginnings of keys, up to and with a separator."""

    def __init__(self, separator: str, depth: int) -> None:
        self.separator = os.fsencode(separator)
        self.depth = depth
        self.found: dict[tuple[str, str], list[int]] = {}   # (prefix, type) -> figures in the order of PREFIX_FIELDS

    def prefix(self, key: bytes) -> str:
        """Keys without a separator have the prefix ""."""
        parts = key.split(self.separator, self.depth)[:-1]
        return shown(self.separator.join([*parts, b""])) if parts else ""

    def note(self, key: bytes, kind: str, expiry: int, elements: int, size: int) -> None:
        place = self.prefix(key), kind
        figures = self.found.get(place)
        if figures is None:
            if len(self.found) >= PREFIXES_MOST:
                place = OTHERS, kind
            figures = self.found.setdefault(place, [0] * len(PREFIX_FIELDS))
        figures[0] += 1
        figures[1] += expiry != -1
        figures[2] += elements
        figures[3] += len(key)
        figures[4] += size

    def largest(self, count: int) -> list[dict[str, Any]]:
        """Those that take most of the file."""
        rows = sorted(self.found.items(), key=lambda row: (-row[1][-1], row[0]))[:count]
        return [{"prefix": prefix, "type": kind, **dict(zip(PREFIX_FIELDS, figures, strict=True))}
                for (prefix, kind), figures in rows]


def shown(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")


# -- the check --------------------------------------------------------------------------------------------------------

class Check:
    """One file."""

    def __init__(self, path: str, options: argparse.Namespace, out: TextIO) -> None:
        self.path = path
        self.options = options
        self.out = out
        self.scan: RdbScan | None = None
        self.prefixes = Prefixes(options.separator, options.depth)
        self.aux: dict[str, str] = {}
        self.fault: dict[str, Any] | None = None

    def say(self, line: str) -> None:
        if self.options.format != "json":
            self.out.write(line + "\n")

    def note(self, text: str, offset: int) -> None:
        self.say(f"[offset {offset}] {text}")

    def run(self) -> int:
        """Check it; the exit status. Raises OSError where it can't be opened."""
        self.note(f"Checking RDB file {self.path}", 0)
        with open(self.path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            self.scan = scan = RdbScan(file.fileno(), now_ms=int(time.time() * 1000), rows=self.options.stats, size=size,
                                       quick=self.options.quick)
            try:
                self.read(scan)
            except (ScanFault, OSError) as error:
                self.tell_fault(scan, error)
                return 1
            if scan.offset < size:
                self.note(f"{size - scan.offset} bytes follow the end of the RDB", scan.offset)
        self.note("\\o/ RDB looks OK! \\o/", scan.offset)
        self.say_totals(scan)
        return 0

    def read(self, scan: RdbScan) -> None:
        more = True
        while more:
            try:
                more = scan.step()
            finally:
                self.take(scan.take_events())

    def take(self, events: list[tuple[Any, ...]]) -> None:
        for offset, kind, *what in events:
            if kind == "key":
                _, name, type_, expiry, elements, size = what
                self.prefixes.note(name, type_, expiry, elements, size)
            elif kind == "aux":
                name, value = shown(what[0]), shown(what[1])
                self.aux[name] = value
                self.note(f"AUX FIELD {name} = '{value}'", offset)
            elif kind == "database":
                self.note(f"Selecting DB ID {what[0]}", offset)
            elif kind == "module":
                self.note(f"MODULE AUX for: {what[0]}", offset)
            elif kind == "checksum":
                self.note("Checksum OK" if what[0] else "RDB file was saved with checksum disabled: no check performed.", offset)
            elif kind == "version" and what[0] > SERVER_VERSION:
                self.note(f"RDB version {what[0]} is newer than {SERVER_VERSION}: a server loads the file only with "
                          "rdb-version-check relaxed", offset)

    def tell_fault(self, scan: RdbScan, error: Exception) -> None:
        text = (error.strerror if isinstance(error, OSError) else None) or str(error)
        kind = TYPE_NAMES[scan.type] if 0 <= scan.type < len(TYPE_NAMES) else "unknown"
        self.fault = {"message": text, "offset": scan.offset, "doing": scan.doing,
                      "key": None if scan.key is None else shown(scan.key), "type": None if scan.type < 0 else kind}
        self.say("--- RDB ERROR DETECTED ---")
        self.note(text, scan.offset)
        self.say(f"[additional info] While doing: {scan.doing}")
        if scan.key is not None:
            self.say(f"[additional info] Reading key '{shown(scan.key)}'")
        if scan.type >= 0:
            self.say(f"[additional info] Reading type {scan.type} ({kind})")
        self.say_totals(scan)

    def say_totals(self, scan: RdbScan) -> None:
        self.say(f"[info] {scan.keys} keys read")
        self.say(f"[info] {scan.expires} expires")
        self.say(f"[info] {scan.expired} already expired")
        if scan.empty:
            self.say(f"[info] {scan.empty} keys without elements, which a server leaves out")
        if scan.libraries or self.options.stats:
            self.say(f"[info] {scan.libraries} functions")

    # -- figures ------------------------------------------------------------------------------------------------------

    def report(self) -> str:
        """What --stats and --format ask for."""
        if self.scan is None or not (self.options.stats or self.options.format == "json"):
            return ""
        if self.options.format == "json":
            return json.dumps(self.as_json(self.scan), indent=1) + "\n"
        lines = {"table": self.table_lines, "csv": self.csv_lines, "info": self.info_lines}[self.options.format](self.scan)
        return "".join([line + "\n" for line in lines])

    def databases(self, scan: RdbScan) -> list[tuple[int, list[dict[str, str]]]]:
        """(number, figures of each of TYPES), for all databases up to the last that has keys."""
        last = max((number for number, _ in scan.profiles), default=0)
        numbers = sorted({number for number, _ in scan.profiles} | set(range(min(last, 15) + 1)))
        return [(number, [field_values(scan.profiles.get((number, kind))) for kind in TYPES]) for number in numbers]

    def table_lines(self, scan: RdbScan) -> list[str]:
        lines = []
        for number, columns in self.databases(scan):
            lines.append(f"db.{number}.type.name".ljust(30) + "".join([f"\t{kind:<5}" for kind in TYPES]))
            lines += [f"db.{number}.{field}".ljust(30) + "".join([f"\t{column[field]:<5}" for column in columns])
                      for field in columns[0]]
        rows = self.prefixes.largest(self.options.top)
        if rows:
            width = max(len(row["prefix"]) for row in rows)
            lines += ["", f"{'prefix':<{max(width, 6)}}\ttype\t" + "\t".join(PREFIX_FIELDS)]
            lines += [f"{row['prefix']:<{max(width, 6)}}\t{row['type']}\t"
                      + "\t".join([f"{row[field]:<{len(field)}}" for field in PREFIX_FIELDS]) for row in rows]
        return lines

    def csv_lines(self, scan: RdbScan) -> list[str]:
        lines = []
        for number, columns in self.databases(scan):
            lines.append(",".join([f"db.{number}.type.name", *TYPES]))
            lines += [",".join([f"db.{number}.{field}", *[column[field] for column in columns]]) for field in columns[0]]
        rows = self.prefixes.largest(self.options.top)
        if rows:
            lines.append(",".join(["prefix", "type", *PREFIX_FIELDS]))
            lines += [",".join([quoted(row["prefix"]), row["type"], *[str(row[field]) for field in PREFIX_FIELDS]])
                      for row in rows]
        return lines

    def info_lines(self, scan: RdbScan) -> list[str]:
        lines = [f"[info] db.{number}.type.{kind}.{field}:{column[field]}" for number, columns in self.databases(scan)
                 for field in columns[0] for kind, column in zip(TYPES, columns, strict=True)]
        return lines + [f"[info] prefix.{row['prefix']}.type.{row['type']}.{field}:{row[field]}"
                        for row in self.prefixes.largest(self.options.top) for field in PREFIX_FIELDS]

    def as_json(self, scan: RdbScan) -> dict[str, Any]:
        told: dict[str, Any] = {
            "file": self.path, "ok": self.fault is None, "error": self.fault, "version": scan.version,
            "magic": "VALKEY" if scan.valkey else "REDIS", "bytes": scan.offset, "aux": self.aux, "keys": scan.keys,
            "expires": scan.expires, "already_expired": scan.expired, "empty": scan.empty, "functions": scan.libraries}
        if self.options.stats:
            told["types"] = [{"database": number, "type": kind, **{field: number_of(text) for field, text in column.items()}}
                             for number, columns in self.databases(scan) for kind, column in zip(TYPES, columns, strict=True)
                             if column["keys.total"] != "0"]
            told["prefixes"] = self.prefixes.largest(self.options.top)
        return told


def quoted(text: str) -> str:
    """A field of CSV."""
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\r\n') else text


def number_of(text: str) -> float:
    return float(text) if "." in text else int(text)


# -- the program ------------------------------------------------------------------------------------------------------

def parser(program: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog=program, description="Checks an RDB file, and shows what is in it.", allow_abbrev=False,
        usage=f"{program} <rdb-file-name> [--format table|info|csv|json] [--stats] [--output <file>] [--separator <text>] "
              "[--depth <n>] [--top <n>] [--quick]")
    made.add_argument("file", help="the RDB file")
    made.add_argument("--quick", action="store_true", help="read over values: look at what is around them, and the checksum")
    made.add_argument("--stats", action="store_true", help="keys, bytes, expiries and elements by type, and by prefix of keys")
    made.add_argument("--format", choices=["table", "info", "csv", "json"], default="table", help="of what --stats shows")
    made.add_argument("--output", help="a file for what --stats shows")
    made.add_argument("--separator", default=":", help="what ends a prefix")
    made.add_argument("--depth", type=positive, default=1, help="how many separators a prefix has, at most")
    made.add_argument("--top", type=positive, default=20, help="how many prefixes are shown, the largest first")
    return made


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def main() -> int:
    """Run the program; the exit status."""
    if sys.argv[1:2] in (["-v"], ["--version"]):
        print(version_line("kv-check-rdb"))
        return 0
    made = parser("kv-check-rdb")
    if len(sys.argv) < 2:
        print(f"Usage: {made.usage}", file=sys.stderr)
        return 1
    try:
        options = made.parse_args()
    except SystemExit as stop:      # 0 for --help; else its own words were said
        return 1 if stop.code else 0
    if not options.separator or (options.quick and options.stats):
        made.print_usage(sys.stderr)
        return 1
    sys.stdout.reconfigure(errors="backslashreplace")   # type: ignore[union-attr]
    try:
        return check(options)
    except BrokenPipeError:
        os._exit(141)


def check(options: argparse.Namespace) -> int:
    one = Check(options.file, options, sys.stdout)
    try:
        status = one.run()
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        print(f"Cannot open file '{options.file}': {error.strerror}", file=sys.stderr)
        return 1
    report = one.report()
    if not options.output or not report:
        sys.stdout.write(report)
        sys.stdout.flush()
        return status
    try:
        with open(options.output, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(report)
    except OSError as error:
        print(f"Cannot open output file: '{options.output}': {error.strerror}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
