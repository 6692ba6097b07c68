"""Turns at something that one thread at a time may use, in the order in which they were asked for."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

WAIT_S = 0.2
"""Interval at which `stop` is looked at."""


class Turns:
    """A lock that is fair: who has had a turn stands behind all who wait."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    @contextmanager
    def turn(self, stop: threading.Event) -> Iterator[bool]:
        """Waits for a turn and holds it; yields False, without one, if `stop` was set first."""
        mine = object()
        with self._changed:
            self._waiting.append(mine)
            while self._waiting[0] is not mine and not stop.is_set():
                self._changed.wait(WAIT_S)
            has_it = self._waiting[0] is mine
        try:
            yield has_it
        finally:
            with self._changed:
                self._waiting.remove(mine)
                self._changed.notify_all()
