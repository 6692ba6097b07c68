"""The latest parsings, from the thread that makes them to the one that shows them."""

import threading
import time
from collections import deque

import numpy as np

from pipeline import Parsing

MAX_PARSINGS = 64
"""Parsings kept for frames that wait to be shown: more than can wait."""
MEASURED = 9
"""Number of parsings from which the time of the next one is estimated."""


class LatestParsings:
    """One thread begins and ends parsings, another asks for them or waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._kept: deque[Parsing] = deque(maxlen=MAX_PARSINGS)
        self._ready = False
        self._begun = -1
        self._begun_s = 0.0
        self._took_s: deque[float] = deque(maxlen=MEASURED)
        self._closed = False

    def ready(self) -> None:
        """Announces that the next frame will be parsed at once."""
        with self._changed:
            self._ready = True

    def begin(self, frame_index: int) -> None:
        """Announces that this frame is being parsed."""
        with self._changed:
            self._ready, self._begun, self._begun_s = False, frame_index, time.monotonic()
            self._changed.notify_all()

    def end(self, parsing: Parsing | None) -> None:
        """Ends what `begin` announced; None if it could not be parsed."""
        with self._changed:
            if parsing is not None:
                self._kept.append(parsing)
                if parsing.frame_index == self._begun:
                    self._took_s.append(time.monotonic() - self._begun_s)
            self._begun = -1
            self._changed.notify_all()

    def close(self) -> None:
        """No more will come."""
        with self._changed:
            self._closed, self._ready = True, False
            self._changed.notify_all()

    def get(self) -> Parsing | None:
        """The newest parsing, or None before the first."""
        with self._changed:
            return self._kept[-1] if self._kept else None

    def since(self, frame_index: int) -> list[Parsing]:
        """The parsings of later frames than this one, in order."""
        with self._changed:
            return [parsing for parsing in self._kept if parsing.frame_index > frame_index]

    def wait_for(self, frame_index: int, timeout_s: float) -> Parsing | None:
        """The parsing of this very frame if it is on its way and comes in time, else the newest of an earlier one.

        There is no waiting for what as a rule takes longer than the time given.
        """
        with self._changed:
            if not self._took_s or np.median(self._took_s) <= timeout_s:
                self._changed.wait_for(lambda: not self._coming(frame_index), timeout_s)
            return next((each for each in reversed(self._kept) if each.frame_index <= frame_index), None)

    def wait_closed(self, timeout_s: float) -> bool:
        """Waits for the last parsing; False if more may come after this time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, timeout_s)

    def _coming(self, frame_index: int) -> bool:
        done = bool(self._kept) and self._kept[-1].frame_index >= frame_index
        return not done and (self._ready or self._begun == frame_index)
