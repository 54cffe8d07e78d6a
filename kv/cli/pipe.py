"""--pipe: upload commands in raw protocol from standard input, and count what the server says to them.

Reading and writing must overlap: a server that cannot send its replies stops reading. So the socket is
written without blocking, and replies are read whenever there are some. At the end an ECHO of random bytes is
sent; its reply tells that everything before it was answered, however many commands that was.
"""

import os
import select
import sys
import time

from kv.cli.errors import Disconnected, Fatal
from kv.cli.options import Options
from kv.cli.resp import STRING, Connection, Reply, encode
from kv.cli.session import Session

READ_BYTES = 16 * 1024
MARK_BYTES = 20


class Upload:
    def __init__(self, connection: Connection, timeout: int) -> None:
        self.connection = connection
        self.timeout = timeout  # seconds without a reply after the last byte was sent; 0 waits forever
        self.mark = os.urandom(MARK_BYTES)
        self.unsent = memoryview(b"")
        self.input_ended = False
        self.replies = 0
        self.errors = 0
        self.done = False
        self.last_reply_s = time.monotonic()

    def run(self) -> None:
        sock = self.connection.sock
        while not self.done:
            self._refill()
            writers = [sock] if self.unsent else []
            readable, writable, _ = select.select([sock], writers, [], 1)
            if readable:
                self._read_replies()
            if writable:
                self._write()
            if self._timed_out():
                return

    def _refill(self) -> None:
        if self.unsent or self.input_ended:
            return
        data = os.read(0, READ_BYTES)
        if not data:
            self.input_ended = True
            self.last_reply_s = time.monotonic()
            # The newline first, so that the ECHO stands alone even behind an unfinished line of garbage.
            data = b"\r\n" + encode((b"ECHO", self.mark))
            print("All data transferred. Waiting for the last reply...", flush=True)
        self.unsent = memoryview(data)

    def _write(self) -> None:
        sock = self.connection.sock
        sock.setblocking(False)
        try:
            sent = sock.send(self.unsent)
        except BlockingIOError:
            return
        except OSError as error:
            raise Fatal(f"Error writing to the server: {error.strerror}") from None
        finally:
            sock.setblocking(True)
        self.unsent = self.unsent[sent:]

    def _read_replies(self) -> None:
        while not self.done and self.connection.poll():
            self._count(self.connection.read())
            self.last_reply_s = time.monotonic()
            if not self.connection.buffered():
                return

    def _count(self, reply: Reply) -> None:
        if self.input_ended and reply.kind == STRING and reply.data == self.mark:
            print("Last reply received from server.", flush=True)
            self.done = True
            return
        self.replies += 1
        if reply.is_error:
            print(reply.text, file=sys.stderr)
            self.errors += 1

    def _timed_out(self) -> bool:
        if self.done or not self.input_ended or not self.timeout:
            return False
        if time.monotonic() - self.last_reply_s <= self.timeout:
            return False
        print(f"No replies for {self.timeout} seconds: exiting.", file=sys.stderr)
        self.errors += 1
        return True


def feed(session: Session, options: Options) -> int:
    upload = Upload(session.require(), options.pipe_timeout)
    try:
        upload.run()
    except Disconnected:
        raise Fatal("Error reading replies from server") from None
    print(f"errors: {upload.errors}, replies: {upload.replies}")
    return 1 if upload.errors else 0
