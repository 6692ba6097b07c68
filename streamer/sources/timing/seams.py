"""When to connect again, and how numbers and times go on over a gap. Pure: time and chance are given."""

import random
from collections.abc import Callable, Collection
from dataclasses import replace

from pipeline import Frame
from streamer.errors import Cause

MIN_WAIT_S = 0.5
"""No attempt follows sooner on one that failed."""
MAX_WAIT_S = 10.0
"""None follows later."""
MAX_ABSENT_WAIT_S = 1.0
"""The same where nobody answered: an attempt disturbs nobody, and whoever comes back is seen at once."""
ABSENT = frozenset({Cause.REFUSED, Cause.UNREACHABLE, Cause.TIMEOUT})


class Backoff:
    """How long to wait before the next attempt. Pure: chance is given."""

    def __init__(self, chance: Callable[[], float] = random.random, absent: Collection[Cause] = ABSENT) -> None:
        """
        Args:
            chance: a number in [0, 1), so that not all who lost the same camera come back in the same moment.
            absent: what means that nobody answered.
        """
        self._chance, self._absent = chance, absent
        self._turned_away = 0

    def wait_s(self, cause: Cause) -> float:
        """Seconds to wait after a failure: up to 1, or up to twice as many each time that somebody turned us away."""
        most_s = MAX_ABSENT_WAIT_S
        if cause not in self._absent:
            most_s = min(MAX_WAIT_S, MAX_ABSENT_WAIT_S * 2.0**self._turned_away)
            self._turned_away = min(self._turned_away + 1, 10)
        return MIN_WAIT_S + self._chance() * (most_s - MIN_WAIT_S)

    def reset(self) -> None:
        """It gave a picture."""
        self._turned_away = 0


class Seam:
    """Numbers and times that go on over a gap, with the clock on the wall. Pure.

    Each connection begins where the clock is. Were each gap as long as it was between two frames, the times would run
    ahead by a second and more a connection: its first frames come late, as long as it takes to find out what comes.
    """

    def __init__(self) -> None:
        self.shift_s = 0.0
        """What is added to a connection's own times."""
        self._index_shift = 0
        self._last: Frame | None = None
        self._cut = False
        self._first = True
        self._zero_s = float("inf")
        """What the clock said at time 0, by the most punctual frame of the first connection."""

    def cut(self) -> None:
        """The next frame is another connection's."""
        self._cut = self._last is not None

    def placed(self, frame: Frame) -> Frame:
        """The frame where it belongs among all of them."""
        last = self._last
        if last is not None and self._cut:
            self._index_shift = last.index + 1 - frame.index
            self.shift_s = max(last.pts_s, frame.captured_s - self._zero_s) - frame.pts_s
            self._cut = self._first = False
        if self._first:
            self._zero_s = min(self._zero_s, frame.captured_s - frame.pts_s)
        earliest_s = frame.pts_s if last is None else last.pts_s
        pts_s = max(earliest_s, frame.pts_s + self.shift_s)
        self._last = replace(frame, index=frame.index + self._index_shift, pts_s=pts_s)
        return self._last
