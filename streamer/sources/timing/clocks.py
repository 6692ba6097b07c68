"""The time of a frame: a recording's own, which may be missing or jump, or what its packet was given."""

from dataclasses import dataclass
from fractions import Fraction

MAX_BACK_S = 1
MAX_AHEAD_S = 10
"""The times of a track that begins so much before or after the end of another are those of another part."""
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

    def ticks(self, own: int | None) -> int:
        """When a picture is shown; `own` is what the source says."""
        if own is not None:
            self._last = own - self._origin
        else:
            self._last = 0 if self._last is None else self._last + self._step
        return self._last


class FrameClock:
    """The times of decoded pictures whose packets had theirs from a `LiveClock`: they grow, and none is missing."""

    def __init__(self, time_base: Fraction, rate: Fraction | None) -> None:
        self._step = _step(time_base, rate) or 1
        self._last: int | None = None
        self.shift: int | None = None
        """Added to what the decoder says, for RTSP may say no time for its first picture, nor the order of the next
        ones; None until a picture had a time."""

    def ticks(self, own: int | None) -> int:
        """When a picture is shown; `own` is what the decoder says."""
        after = None if self._last is None else self._last + self._step
        if own is None:
            self._last = after or 0
            return self._last
        if self.shift is None:
            self.shift = 0 if after is None else after - own
        self._last = own + self.shift if self._last is None else max(self._last + 1, own + self.shift)
        return self._last


def _step(time_base: Fraction, rate: Fraction | None) -> int | None:
    return max(1, round(1 / (rate * time_base))) if rate else None
