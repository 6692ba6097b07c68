"""Ctrl-C while a program loads, and the second one. Imports nothing that takes time to load."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from socket import socket

GRACE_S = 1.0
"""Time that a program has after the second Ctrl-C to end by itself."""
INTERRUPTED = 130
"""The exit status of what was ended by Ctrl-C, as shells have it."""
_SHOW_CURSOR = "\x1b[?25h\n"


@contextmanager
def ending_silently() -> Iterator[None]:
    """Ctrl-C ends the program at once meanwhile: in the middle of an import it would print a traceback of that."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # who started it has other plans
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def ending_at_the_second() -> Iterator[None]:
    """The second Ctrl-C (or SIGTERM, SIGHUP) ends the program meanwhile, whatever its threads wait for.

    Python's handlers run between two instructions of the main thread, which may be in a library that waits for a disk;
    and the interpreter does not end before its threads do. The system writes the signals to a socket at once.
    """
    with ending_silently():
        from socket import socketpair  # takes long enough for a Ctrl-C to come meanwhile

        reading, writing = socketpair()
        writing.setblocking(False)
        before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        over = threading.Event()
        watching = threading.Thread(target=_watch, args=(reading, over), name="second Ctrl-C")
        watching.start()
    try:
        yield
    finally:
        with ending_silently():
            signal.set_wakeup_fd(before)
            over.set()
            writing.close()
            watching.join()
            reading.close()


def leave(status: int) -> None:
    """Ends the program without waiting for its threads. Its child processes end by themselves when it is gone."""
    with suppress(OSError, ValueError):  # who reads may be gone
        if sys.stderr.isatty():
            sys.stderr.write(_SHOW_CURSOR)  # what shows progress hides it
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _watch(reading: "socket", over: threading.Event) -> None:
    asking = {int(number) for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))}
    count = 0
    while came := reading.recv(64):
        count += sum(each in asking for each in came)
        if count >= 2:
            if not over.wait(GRACE_S):
                leave(INTERRUPTED)
            return
