"""What time a picture has: a recording's own, or a live source's, which may be missing or jump."""

from fractions import Fraction

BACK_MOST_S = 1
"""A live source's time that runs back further than this has jumped."""
AHEAD_MOST_S = 10
"""So much further than the clock on the wall, from one picture to the next, it has jumped too."""


class FileClock:
    """A recording's times as they stand, counted from where its clock starts; a missing one is a frame later."""

    def __init__(self, time_base: Fraction, rate: Fraction | None, origin_s: Fraction) -> None:
        self.origin_s = origin_s
        self._origin = round(origin_s / time_base)
        self._step = _step(time_base, rate) or 1
        self._last: int | None = None

    def ticks(self, own: int | None, now_s: float) -> int:
        """When a picture is shown.

        Args:
            own: what the source says.
            now_s: when it was decoded, by any clock that does not jump.
        """
        if own is not None:
            self._last = own - self._origin
        else:
            self._last = 0 if self._last is None else self._last + self._step
        return self._last


class LiveClock:
    """A live source's times, counted from its first picture; the time of arrival where there are none or they jump.

    They never run back.
    """

    def __init__(self, time_base: Fraction, rate: Fraction | None) -> None:
        self.origin_s: Fraction | None = None
        """The first picture's time by the source's clock, as that clock runs now; None while it has said none."""
        self._time_base = time_base
        self._step = _step(time_base, rate)
        self._last = 0
        self._last_s: float | None = None

    def ticks(self, own: int | None, now_s: float) -> int:
        """As in `FileClock`."""
        arrived = 0 if self._last_s is None else round((now_s - self._last_s) / self._time_base)
        self._last += arrived if own is None else self._advance(own, arrived)
        self._last_s = now_s
        return self._last

    def _advance(self, own: int, arrived: int) -> int:
        if self.origin_s is not None:
            advance = own - round(self.origin_s / self._time_base) - self._last
            ahead = advance - arrived
            if -BACK_MOST_S <= advance * self._time_base < 0:
                return arrived  # until its own time is there again
            if advance >= 0 and ahead * self._time_base <= AHEAD_MOST_S:
                return advance
        elif self._last_s is not None and not self._last and self._step:
            arrived = self._step  # RTSP says no time for its first picture, and the second comes in the same breath
        self.origin_s = (own - self._last - arrived) * self._time_base
        return arrived


def _step(time_base: Fraction, rate: Fraction | None) -> int | None:
    return max(1, round(1 / (rate * time_base))) if rate else None
