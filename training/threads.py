"""How many processor threads a step takes, on a machine that does other things too.

A step with a thread on each core is as slow as its slowest thread: where another program holds one of two cores,
training at low priority on both goes at a tenth of its pace, on the other one alone at half of it.
"""

from collections.abc import Callable
from pathlib import Path

_SLOW = 2.0
"""So many times the best time of a step with all threads means that a core is taken."""
_MIN_IDLE = 0.8
"""Cores that must have been idle during a step with one thread before all are tried again."""

Idle = Callable[[], float]
"""Seconds that the machine's cores have been idle so far, all of them together."""


def idle_seconds() -> float:
    """From Linux, which counts them; elsewhere always 0, so that nothing is ever changed back."""
    uptime = Path("/proc/uptime")
    return float(uptime.read_text().split()[1]) if uptime.exists() else 0.0


class Pace:
    """Says how many threads the next step should take."""

    def __init__(self, most: int, idle: Idle = idle_seconds) -> None:
        self.threads = most
        self._most = most
        self._idle = idle
        self._idled = idle()
        self._best = float("inf")

    def after(self, seconds: float, pictures: int) -> int:
        """Threads for the next step, after one that took so long for so many pictures."""
        idled, before = self._idle(), self._idled
        self._idled = idled
        if self.threads == self._most:
            self._best = min(self._best, seconds / pictures)
            # The first steps are slow for other reasons; the best is known after a few.
            if seconds / pictures > _SLOW * self._best:
                self.threads = max(1, self._most // 2)
        elif (idled - before) / max(seconds, 1e-9) >= _MIN_IDLE * (self._most - self.threads):
            self.threads = self._most
        return self.threads
