"""When the pictures of a live source are shown: steadily, however they arrive. Pure: times are given.

A picture that comes punctually is shown at once. What comes in pieces or bursts is shown so much later, all of it
alike, that the next burst is there before the last picture of this one was shown.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Latency = float | Literal["auto"]
"""Seconds that pictures are kept back, or as many as their arrival makes necessary."""

TOLERATED_S = 0.25
"""Pictures that come so unevenly are shown as they come: waiting would make all of them late."""
MARGIN_S, MARGIN = 0.05, 0.1
"""Added to the delay that would just have been enough, and this share of it."""
HELD_S = 2.0
"""A picture that is due waits for its taker for so long, if nothing else is said."""
REMEMBERED_S = 60.0
"""A delay that was not necessary for so long is reduced."""
BIN_S = 5.0
SHRINK = 0.02
"""Speed of that: so many seconds a second, which nobody sees."""


@dataclass(frozen=True, slots=True)
class Playing:
    """How the pictures of a live source are given."""

    latency_s: Latency = "auto"
    ready: Callable[[], bool] | None = None
    """False while whoever takes the pictures has no room for another; None is not asked."""
    held_s: float = HELD_S
    """A picture that is due waits for room for so long at most."""


@dataclass(slots=True)
class _Bin:
    """Of some seconds, how late the packets were that came the most and the least punctually."""

    since_s: float
    min_s: float
    max_s: float


class Playout:
    """The delay of one source."""

    def __init__(self, latency_s: Latency, *, in_pieces: bool = False) -> None:
        """
        Args:
            in_pieces: the first pictures come some pieces ahead, and are not to be hurried through.
        """
        self._latency_s, self._in_pieces = latency_s, in_pieces
        self._bins: deque[_Bin] = deque()
        self._began_s: float | None = None
        self._newest_s = 0.0
        self._offset_s = -math.inf
        """A picture is shown at its time and this, by the clock of the arrivals."""

    @property
    def delay_s(self) -> float:
        """From the arrival of a punctual picture until it is shown; 0 where nothing is kept back."""
        if math.isinf(self._offset_s) or not self._bins:
            return 0.0
        return max(0.0, self._offset_s - self._punctual_s)

    @property
    def uneven_s(self) -> float:
        """How much later than the most punctual packet of the last minute the least punctual one was."""
        return self._latest_s - self._punctual_s if self._bins else 0.0

    def add(self, time_s: float, arrived_s: float) -> None:
        """A packet of pictures has arrived."""
        late_s = arrived_s - time_s
        if self._began_s is None:
            self._began_s = self._newest_s = arrived_s
            if self._in_pieces:
                self._offset_s = late_s
        after_s, self._newest_s = arrived_s - self._newest_s, arrived_s
        self._note(late_s, arrived_s)
        if self._latency_s != "auto":
            self._offset_s = self._punctual_s + self._latency_s if self._latency_s else -math.inf
        elif late_s > self._offset_s and late_s - self._punctual_s > TOLERATED_S:
            self._offset_s = self._enough_s(late_s)
        elif arrived_s - self._began_s > REMEMBERED_S:
            self._shrink(after_s)

    def due_s(self, time_s: float) -> float:
        """When a picture is to be shown; long ago where nothing is kept back."""
        return time_s + self._offset_s

    @property
    def _punctual_s(self) -> float:
        return min(each.min_s for each in self._bins)

    @property
    def _latest_s(self) -> float:
        return max(each.max_s for each in self._bins)

    def _enough_s(self, late_s: float) -> float:
        return late_s + MARGIN_S + MARGIN * (late_s - self._punctual_s)

    def _note(self, late_s: float, arrived_s: float) -> None:
        if not self._bins or arrived_s - self._bins[-1].since_s > BIN_S:
            self._bins.append(_Bin(arrived_s, late_s, late_s))
        newest = self._bins[-1]
        newest.min_s, newest.max_s = min(newest.min_s, late_s), max(newest.max_s, late_s)
        while arrived_s - self._bins[0].since_s > REMEMBERED_S + BIN_S:
            self._bins.popleft()

    def _shrink(self, after_s: float) -> None:
        needed_s = self._enough_s(self._latest_s) if self.uneven_s > TOLERATED_S else self._punctual_s
        if self._offset_s > needed_s:
            self._offset_s = max(needed_s, self._offset_s - SHRINK * after_s)
        elif self._offset_s == needed_s and self.uneven_s <= TOLERATED_S:
            self._offset_s = -math.inf
