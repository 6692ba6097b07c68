"""How the packets of a track of a live source come: evenly, or in bursts. Pure."""

import math
from bisect import bisect_left

MAX_PAUSE_S = 10.0
FORGET_S = 30.0
"""A long pause is forgotten in this time; at once, if none has come for twice as long and a second: bursts come again
and again."""


class Delivery:
    """How evenly the packets of a track come, and how punctual the best of them are."""

    def __init__(self) -> None:
        self._leads: list[tuple[float, float]] = []
        """When the most punctual ones arrived and how early, the earliest first: each is earlier than all after it."""
        self._newest_s = self._paused_s = -math.inf
        """When the newest one came, and the last one before a long pause."""
        self._mean_s = 0.0
        self.pause_s = 0.0
        """The longest of late."""

    @property
    def uneven_s(self) -> float:
        """How much longer than usual a pause may be."""
        return self.pause_s - self._mean_s if self.pause_s > 1.5 * self._mean_s else 0.0

    @property
    def window_s(self) -> float:
        """The most punctual packet of so long stands for the source: that is, the end of the last burst, too."""
        return max(self.pause_s, self._newest_s - self._paused_s) + 0.05

    def add(self, lead_s: float, arrived_s: float) -> None:
        if math.isinf(self._newest_s):
            self._paused_s = arrived_s
        else:
            after_s = arrived_s - self._newest_s
            rare = arrived_s - self._paused_s > 2 * self.pause_s + 1
            faded_s = 0.0 if rare else self.pause_s * max(0.0, 1 - after_s / FORGET_S)
            self.pause_s = min(MAX_PAUSE_S, max(after_s, faded_s))
            self._mean_s += (after_s - self._mean_s) / 25 if self._mean_s else after_s
            if after_s >= self.pause_s / 2:
                self._paused_s = self._newest_s
        self._newest_s = arrived_s
        while self._leads and self._leads[-1][1] <= lead_s:
            self._leads.pop()
        self._leads.append((arrived_s, lead_s))
        old = bisect_left(self._leads, (arrived_s - MAX_PAUSE_S - 1, float("-inf")))
        del self._leads[:old]

    def best_s(self, window_s: float) -> float:
        """The lead of the most punctual packet of the last so many seconds."""
        first = bisect_left(self._leads, (self._leads[-1][0] - window_s, float("-inf")))
        return self._leads[first][1]
