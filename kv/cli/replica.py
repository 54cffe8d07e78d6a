"""Posing as a replica: --rdb and --functions-rdb download the snapshot that a replica gets, --replica shows
the commands that come after it.

The snapshot is sent either with its size in front (`$<bytes>`) or, by a server that writes it straight to
the socket, between two copies of a random mark (`$EOF:<40 bytes>`), as the size is not known beforehand.
"""

import os
import sys
import time
from collections.abc import Iterator

from kv.cli.errors import Disconnected, Fatal
from kv.cli.format import csv
from kv.cli.options import Options
from kv.cli.resp import Connection
from kv.cli.session import Session, complain, write

MARK_BYTES = 40
CHUNK_BYTES = 64 * 1024


class Snapshot:
    """What the answer to SYNC or PSYNC announced."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.partial = False  # only the commands since some offset come, no snapshot
        self.mark = b""
        self.size = 0
        line = self._announcement()
        if line.startswith((b"+FULLRESYNC", b"+CONTINUE")):
            complain(f"PSYNC replied {line.decode()}")
            self.partial = line.startswith(b"+CONTINUE")
            if self.partial:
                return
            line = self._announcement()
        if line.startswith(b"$EOF:"):
            self.mark = line[5 : 5 + MARK_BYTES]
        else:
            self.size = int(line[1:])

    def _announcement(self) -> bytes:
        """The next line. While the snapshot is being prepared the server sends bare newlines."""
        try:
            line = self.connection.read_line().lstrip(b"\n")
        except Disconnected:
            raise Fatal("Error reading bulk length while SYNCing") from None
        if line.startswith(b"-"):
            raise Fatal(f"SYNC with primary failed: {line.decode('utf-8', 'replace')}")
        return line

    def chunks(self) -> Iterator[bytes]:
        """The snapshot's bytes, without the mark."""
        return self._marked_chunks() if self.mark else self._sized_chunks()

    def _sized_chunks(self) -> Iterator[bytes]:
        missing = self.size
        while missing:
            chunk = self.connection.read_some(min(missing, CHUNK_BYTES))
            missing -= len(chunk)
            yield chunk

    def _marked_chunks(self) -> Iterator[bytes]:
        """The mark may arrive in pieces, so as many bytes as it has are always held back."""
        held = b""
        while not held.endswith(self.mark):
            held += self.connection.read_some(CHUNK_BYTES)
            yield held[:-MARK_BYTES]
            held = held[-MARK_BYTES:]


def _replconf(connection: Connection, name: str, value: str) -> bool:
    complain(f"sending REPLCONF {name} {value}")
    reply = connection.call(b"REPLCONF", name.encode(), value.encode())
    if reply.is_error:  # an older server may not know it
        complain(f"REPLCONF {name} error: {reply.text}")
    return not reply.is_error


def watch(session: Session) -> int:
    """--replica: print the commands that the server would replicate."""
    connection = session.require()
    _replconf(connection, "capa", "eof")
    _replconf(connection, "rdb-filter-only", "")
    connection.send_raw(b"SYNC\r\n")
    try:
        follow(session)
    except Disconnected as error:
        raise Fatal(f"Error: {error}") from None
    return 0


def follow(session: Session) -> None:
    """Skip the snapshot of a SYNC or PSYNC just sent, then print commands until the connection ends."""
    connection = session.require()
    snapshot = Snapshot(connection)
    name = "Partial resync" if snapshot.partial else "Full resync"
    if snapshot.partial:
        complain(f"{name} with primary...")
    else:
        amount = "bytes of bulk transfer until EOF marker" if snapshot.mark else f"{snapshot.size} bytes"
        complain(f"{name} with primary, discarding {amount}...")
        skipped = sum(map(len, snapshot.chunks()))
        complain(f"{name} done after {skipped} bytes. Logging commands from primary.")
    if snapshot.mark:
        time.sleep(1)  # the server's snapshot child must be gone before it takes our acknowledgement
        connection.send(b"REPLCONF", b"ACK", b"0")
    while True:
        write(csv(connection.read()) + b"\n")


def download(session: Session, options: Options) -> int:
    """--rdb and --functions-rdb: write the snapshot to a file, `-` being standard output."""
    connection = session.require()
    functions_only = options.mode == "functions-rdb"
    _replconf(connection, "capa", "eof")
    _replconf(connection, "rdb-only", "1")
    if functions_only and not _replconf(connection, "rdb-filter-only", "functions"):
        raise Fatal("Failed requesting functions only RDB from server, aborting")
    connection.send_raw(b"SYNC\r\n")
    snapshot = Snapshot(connection)
    name = options.rdb_file or "-"
    amount = "bytes of bulk transfer until EOF marker" if snapshot.mark else f"{snapshot.size} bytes"
    complain(f"SYNC sent to primary, writing {amount} to '{name}'")
    try:
        written = _store(snapshot, name)
    except Disconnected:
        raise Fatal("I/O Error reading RDB payload from socket") from None
    complain("Transfer finished with success" + (f" after {written} bytes" if snapshot.mark else "."))
    return 0


def _store(snapshot: Snapshot, name: str) -> int:
    if name == "-":
        return sum(map(_write_out, snapshot.chunks()))
    try:
        with open(name, "wb") as stream:
            written = sum(map(stream.write, snapshot.chunks()))
            snapshot.connection.close()  # before fsync, which may take long: the server holds memory for us
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise Fatal(f"Error writing '{name}': {error.strerror}") from None
    return written


def _write_out(chunk: bytes) -> int:
    return sys.stdout.buffer.write(chunk)
