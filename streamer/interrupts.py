"""Ctrl-C while a program loads. Imports nothing that takes time to load."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


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
