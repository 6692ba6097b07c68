"""The time of a frame: a recording's own, or a live source's, which may be missing or jump."""

from dataclasses import dataclass
from fractions import Fraction

MAX_BACK_S = 1
"""A live source's time that runs back further than this has jumped."""
MAX_AHEAD_S = 10
"""So much further than the clock on the wall, from one picture to the next, it has jumped too."""
MAX_JITTER_S = Fraction(1, 10)
"""The times of a file's packets that run back further than this have jumped: they are in the order of decoding."""


@dataclass(slots=True)
class _Track:
    shift_s: Fraction
    last_s: Fraction
    ends_s: Fraction
    step_s: Fraction = Fraction(0)


class Splicer:
    """Makes the times of a file go on where they jump, as in two recordings joined into one. Pure.

    All tracks of a part are moved alike, so that its sound stays with its pictures. A part begins where all of the
    one before it have ended.
    """

    def __init__(self, *, starts_anywhere: bool) -> None:
        """
        Args:
            starts_anywhere: clocks of files of this kind do, so one that runs ahead has jumped as well; of others, it
                is a pause.
        """
        self._starts_anywhere = starts_anywhere
        self._tracks: dict[int, _Track] = {}
        self._shift_s = Fraction(0)
        self.jumps = 0
        """The number of times that they jumped."""

    @property
    def newest_shift_s(self) -> Fraction:
        """Seconds to add to what says nothing of the clock, in the part that was begun last."""
        return self._shift_s

    def shift_s(self, track: int, time_s: Fraction, duration_s: Fraction) -> Fraction:
        """Seconds to add to the times of a packet.

        Args:
            track: any number for it.
            time_s: of decoding, by the file's clock.
            duration_s: 0 where it is not known; the last packet took as long as the one before it, then.
        """
        state = self._tracks.get(track)
        if state is None:
            state = self._tracks[track] = _Track(self._shift_s, time_s + self._shift_s, time_s + self._shift_s)
        elif self._has_jumped(state, time_s + state.shift_s):
            self._splice(state, time_s)
        else:
            state.step_s = time_s + state.shift_s - state.last_s
        state.last_s = time_s + state.shift_s
        state.ends_s = state.last_s + (duration_s or max(Fraction(0), state.step_s))
        return state.shift_s

    def _has_jumped(self, state: _Track, time_s: Fraction) -> bool:
        if time_s < state.last_s - MAX_JITTER_S:
            return True
        # Ahead of all tracks: one may be silent for long while another goes on.
        return self._starts_anywhere and time_s > self._ends_s + MAX_AHEAD_S

    @property
    def _ends_s(self) -> Fraction:
        return max(each.ends_s for each in self._tracks.values())

    def _splice(self, state: _Track, time_s: Fraction) -> None:
        late_s = state.ends_s - (time_s + self._shift_s)
        if state.shift_s == self._shift_s or not -MAX_AHEAD_S <= late_s <= MAX_BACK_S:
            self._shift_s = self._ends_s - time_s
            self.jumps += 1
        elif late_s > 0:  # another track began the part, before the last of this one was there
            for each in self._tracks.values():
                each.shift_s += late_s if each.shift_s == self._shift_s else 0
            self._shift_s += late_s
        state.shift_s = self._shift_s


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
            if -MAX_BACK_S <= advance * self._time_base < 0:
                return arrived  # until its own time is there again
            if advance >= 0 and ahead * self._time_base <= MAX_AHEAD_S:
                return advance
        elif self._last_s is not None and not self._last and self._step:
            arrived = self._step  # RTSP says no time for its first picture, and the second comes in the same breath
        self.origin_s = (own - self._last - arrived) * self._time_base
        return arrived


def _step(time_base: Fraction, rate: Fraction | None) -> int | None:
    return max(1, round(1 / (rate * time_base))) if rate else None
