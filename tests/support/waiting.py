"""Waiting for something to become true, with a deadline."""

import time
from collections.abc import Callable

PATIENCE_S = 10.0


def eventually(happened: Callable[[], bool], within_s: float = PATIENCE_S) -> bool:
    """Waits for something to be true, looking again and again; False if it never is."""
    deadline = time.monotonic() + within_s
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
