"""When the process of a stream is started again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

MAX_FRUITLESS = 5
"""Processes in a row that died without having shown a picture: another would, too."""
STEADY_S = 30.0
"""A process that lived so long, and showed pictures, did not die of what killed those before it."""
MAX_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, and how it is waited for."""

    now: Callable[[], float] = time.monotonic
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


class Restarts:
    """Counts deaths: the first is answered at once, each after it later, and too many without a picture not at all."""

    def __init__(self) -> None:
        self._in_a_row = self._fruitless = 0

    def pause_s(self, lived_s: float, shown: bool) -> float | None:
        """A process died: how long to wait before the next is started, or None where none should be.

        Args:
            lived_s: from its start.
            shown: whether it had shown a picture.
        """
        self._fruitless = 0 if shown else self._fruitless + 1
        self._in_a_row = 1 if shown and lived_s >= STEADY_S else self._in_a_row + 1
        if self._fruitless >= MAX_FRUITLESS:
            return None
        return 0.0 if self._in_a_row == 1 else min(MAX_PAUSE_S, 2.0 ** min(self._in_a_row - 2, 10))
