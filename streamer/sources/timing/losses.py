"""What a recording lacks, though it plays: found by the times of its packets. Pure."""

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

MIN_STEPS = 8
"""Pictures of fewer steps have no rate to be measured by."""
MIN_STEADY = 0.75
"""Share of the steps that are as long as most are, where pictures come at a rate."""
SHORT, LONG = 0.5, 1.75
"""Times the usual step: what is between is one step, jitter and films of 24 pictures a second in 30 included."""
MAX_OFF_S = Fraction(2, 1000)
"""Times in milliseconds are so much off."""
MIN_LOST_S = 0.015
"""Sound lacks nothing that is shorter: some writers of MPEG begin anew so much later. A piece of AAC takes longer."""


class Pauses(Enum):
    """What it means that a track has nothing for a while."""

    TOLD = "told"
    """The file has a table of all its samples, so nothing can be missing between two of them."""
    MEANT = "meant"
    """Of pictures alone it may be meant, as in a recorded screen; of sound and pictures at once it is not."""
    LOST = "lost"
    """Something was lost on the way."""


@dataclass(slots=True)
class _Sound:
    ends_s: Fraction | None = None
    lost_s: Fraction = Fraction(0)


class Losses:
    """Counts what is missing between the packets of a recording."""

    def __init__(self, pauses: Pauses) -> None:
        self._pauses = pauses
        self._last_s: Fraction | None = None
        self._steps: Counter[Fraction] = Counter()
        self._sounds: dict[int, _Sound] = {}
        self.told: int | None = None
        """The number of missing pictures, where the file's index says it."""

    def picture(self, time_s: Fraction) -> None:
        """A packet of the pictures came; `time_s` is when it is decoded."""
        if self._last_s is not None and time_s > self._last_s:
            self._steps[time_s - self._last_s] += 1
        self._last_s = time_s

    def sound(self, track: int, time_s: Fraction, duration_s: Fraction, *, empty: bool = False) -> None:
        """A packet of a track of sound came.

        Args:
            duration_s: 0 where it is not known.
            empty: nothing is in it but zeros, where there can be none.
        """
        state = self._sounds.setdefault(track, _Sound())
        off_s = Fraction(0) if state.ends_s is None else time_s - state.ends_s
        # What follows too early makes up for what followed too late: times of damaged files are put right that way.
        if self._pauses is not Pauses.TOLD and abs(off_s) > max(MAX_OFF_S, duration_s / 2):
            state.lost_s += off_s
        if empty:
            state.lost_s += duration_s
        state.ends_s = time_s + duration_s if duration_s else None

    @property
    def sound_s(self) -> float:
        """Seconds that are missing in the track of sound that lacks most."""
        lost_s = float(max((each.lost_s for each in self._sounds.values()), default=Fraction(0)))
        return lost_s if lost_s >= MIN_LOST_S else 0.0

    @property
    def pictures(self) -> int:
        """The number of pictures that are missing; 0 where pictures do not come at a rate."""
        if self.told is not None or self._pauses is Pauses.TOLD:
            return self.told or 0
        if self._pauses is Pauses.MEANT and self._sounds and self.sound_s <= 0:
            return 0
        usual_s = _median(self._steps)
        if usual_s is None:
            return 0
        steady = sum(count for step_s, count in self._steps.items() if SHORT <= step_s / usual_s < LONG)
        if steady < MIN_STEADY * self._steps.total():
            return 0
        long = ((step_s, count) for step_s, count in self._steps.items() if step_s / usual_s >= LONG)
        return sum(count * (round(step_s / usual_s) - 1) for step_s, count in long)


def _median(steps: Counter[Fraction]) -> Fraction | None:
    if steps.total() < MIN_STEPS:
        return None
    left = steps.total() // 2
    for step_s in sorted(steps):
        left -= steps[step_s]
        if left < 0:
            return step_s
    return None


_ONE_EACH = frozenset(
    {"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "mjpeg", "av1", "libdav1d", "vp9", "ffv1", "prores", "dnxhd"}
)
"""Codecs, by the names of FFmpeg's decoders, each packet of which is one picture."""
_MIN_BYTES = 16
"""A packet of fewer says that the picture before it is shown again."""


class Undecoded:
    """Counts the pictures that went into a decoder and did not come out of it."""

    def __init__(self, codec: str, *, timed: bool) -> None:
        """
        Args:
            codec: FFmpeg's name of it.
            timed: whether packets and pictures have the same times; else they are counted.
        """
        self._timed, self._known = timed, codec in _ONE_EACH
        self._waiting: set[int] = set()
        self._first: int | None = None
        self._number = 0
        self.over = False
        """Whether nothing more comes; until then, what did not come may yet."""

    def sent(self, pts: int | None, size: int) -> None:
        """A packet went in."""
        if size < _MIN_BYTES:
            return
        if not self._timed:
            self._number += 1
        elif pts is not None and (self._first is None or pts > self._first):
            self._waiting.add(pts)

    def came(self, pts: int | None, *, interlaced: bool) -> None:
        """A picture came out."""
        self._known = self._known and not interlaced  # two packets may be one
        self._number -= 1
        if pts is None:
            return
        self._waiting.discard(pts)
        if self._first is None:
            # What is shown before it builds on what was cut off, and is told of as that.
            self._first = pts
            self._waiting = {each for each in self._waiting if each > pts}

    @property
    def pictures(self) -> int:
        """The number that did not come."""
        if not (self._known and self.over):
            return 0
        return len(self._waiting) if self._timed else max(0, self._number)
