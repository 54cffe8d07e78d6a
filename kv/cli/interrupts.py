"""Ctrl-C that is never missed.

Python's own handler only notes that a signal came; the exception is raised by the next instruction. A signal
between the last instruction and the system call that then blocks would therefore be noticed when that call
ends, which a subscription or BLPOP may never do. Where Ctrl-C has nothing to clean up the system's default
action ends the program, as it does a C program; at the prompt, where the exception is wanted, a wait also
watches a pipe that a signal writes to.
"""

import functools
import os
import select
import signal


def die_of_interrupts() -> None:
    """Let Ctrl-C end the program at once, unless whoever started it has SIGINT ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raise_interrupts() -> None:
    """Let Ctrl-C raise KeyboardInterrupt, though whoever started the program may have it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_readable(*files: int) -> list[int]:
    """Those of `files` that can be read, at least one; Ctrl-C raises KeyboardInterrupt, however it falls."""
    woken, wake = _pipe()
    before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    try:
        while True:
            ready, _, _ = select.select([*files, woken], [], [])
            if woken in ready:
                os.read(woken, 4096)
                ready.remove(woken)
            if ready:
                return ready
    finally:
        signal.set_wakeup_fd(before)


@functools.cache
def _pipe() -> tuple[int, int]:
    """The process has one place for signals, so one pipe does; its ends never block."""
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    return woken, wake
