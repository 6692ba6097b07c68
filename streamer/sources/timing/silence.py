"""How long no picture has come, and when that is too long."""

import math
import time

from streamer.errors import Cause, SourceLost

MAX_LOOK_S = 0.25
"""More time than this from one look for a picture to the next is none of the camera's: a look takes a fifth of it."""


class Silence:
    """The silence of one source.

    What counts is the time for which a picture was looked for: a machine that stood still, or a process that was not
    let run, has heard nothing of a camera that went on sending.
    """

    def __init__(self, name: str, first_s: float = math.inf, silence_s: float = math.inf) -> None:
        """
        Args:
            name: what errors call the source.
            first_s: how long to wait for its first picture.
            silence_s: how long for each one after it.
        """
        self._name, self._limit_s, self._silence_s = name, first_s, silence_s
        self._looked_s, self._silent_s = time.monotonic(), 0.0
        self._had_one = False

    def broken(self) -> None:
        """A picture came, and whoever took it wants the next one."""
        self._had_one, self._limit_s = True, self._silence_s
        self._looked_s, self._silent_s = time.monotonic(), 0.0

    def look(self, *, damaged: bool) -> None:
        """No picture came. Raises SourceLost when it has been too long.

        Args:
            damaged: what came last cannot be decoded, as when a camera was set to another codec.
        """
        now_s = time.monotonic()
        self._silent_s += min(now_s - self._looked_s, MAX_LOOK_S)
        self._looked_s = now_s
        if self._silent_s <= self._limit_s:
            return
        # Before the first one, the picture that the others build on may just not have come.
        if damaged and self._had_one:
            raise SourceLost(f"{self._name}: nothing that can be decoded for {self._limit_s:g} s", Cause.CODEC)
        raise SourceLost(f"{self._name}: no picture for {self._limit_s:g} s", Cause.TIMEOUT)
