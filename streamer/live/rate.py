"""The size of the input and the interval of parsing that keep the masks on the screen young.

The age of a mask is how much later the shown frame is than the one that was parsed. When parsings follow each other
without a pause, a mask is shown from when it is ready until the next one is: at the end it is as old as its own parsing
took, from the capture of its frame, and the work on the next one after that. Pure arithmetic: measured times go in, the
plan comes out, and no clock is read here.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline import Size
from pipeline.parsing.input_size import ZOOM_STEPS

REMEMBERED = 15
"""Number of parsings that are measured."""
TRUSTED = 5
"""Minimum number of measurements at a size: the first ones pay for cold caches and threads."""
PERCENTILE = 90
ROOM = 0.7
"""A larger size is tried when its masks would come to this share of the limit, and not when they would just hold it."""
CALM_S = 5.0
"""Time for which there must be room before a larger size is tried."""
MAX_PATIENCE = 16
"""Each try that failed doubles `CALM_S`, up to this many times."""
FAILED_WITHIN_S = 30.0
"""A larger size that has to be given up sooner was a try that failed."""
SLOWER = 1.5
"""The pause between parsings grows by this factor when frames are dropped."""
SETTLED_S = 1.0
"""Whether longer pauses are enough is seen after this time; until then they are not made longer again."""
BESIDE, MAX_BESIDE_S = 0.3, 0.075
"""The longest pause for frames that other streams lose, as a share of the age that masks may have, and in seconds: a
dozen parsings a second are left, as one of the others may lose frames for ever."""
MAX_PAUSE_S = 1.0
"""The longest pause for those of its own, unless a parsing takes longer, however old masks may be."""
HALF_LIFE_S = 1.0
"""Pauses that need not be held are half as long after this time."""
HELD_S = 3.0
"""A pause is held for this time after frames were dropped. Each try with a shorter one that costs frames again doubles
it, up to `MAX_PATIENCE` times."""
FORGOTTEN_S = 120.0
"""Without lost frames for this time, what such tries cost is forgotten."""
MIN_PAUSE_S = 0.01
MAX_LOSING = 3
"""Where frames were dropped before so many of the last `REMEMBERED` parsings, though the pauses were as long as the age
allows, the machine cannot hold this size: a smaller one comes before lost frames."""


QUICK_S, SLOW_S = 0.02, 0.04
"""Small people are parsed larger where that is expected to take no longer than the first, so that each frame still gets
its own masks, and are not any more when it takes longer than the second."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan until the next measurement."""

    size: Size
    """Of the network's input, (height, width)."""
    interval_s: float
    """Minimum time from the start of one parsing to the start of the next."""


class Governor:
    """Decides for one stream.

    Args:
        limit_s: the age that masks may have.
        sizes: of the network's input that may be chosen, the largest first; a single one is kept whatever happens.
        interval_s: between parsings at least, as the user wants it; 0 for as many as can be.
    """

    def __init__(self, limit_s: float, sizes: Sequence[Size], interval_s: float = 0.0) -> None:
        self._limit_s = limit_s
        self._sizes = tuple(sizes)
        self._wanted_s = interval_s
        self._pause_s = 0.0
        self._dropped_s = self._own_s = self._paced_s = self._longer_s = float("-inf")
        self._eased = False
        self._held = 1
        self._level = 0
        self._taken_s: deque[float] = deque(maxlen=REMEMBERED)
        self._worked_s: deque[float] = deque(maxlen=REMEMBERED)
        self._calm_since_s: float | None = None
        self._grown_s: float | None = None
        self._patience = 1
        self._cold = True
        self._losing: deque[bool] = deque(maxlen=REMEMBERED)

    @property
    def plan(self) -> Plan:
        return Plan(self._sizes[self._level], max(self._wanted_s, self._pause_s))

    def offer(self, sizes: Sequence[Size]) -> None:
        """Others may be chosen from now on. Who had the largest has the largest again, and who was too slow for it gets
        none that is larger than before."""
        before, had_largest = self._sizes[self._level], self._level == 0
        self._sizes = tuple(sizes)
        fitting = (level for level, size in enumerate(sizes) if size.area <= before.area)
        level = 0 if had_largest else next(fitting, len(sizes) - 1)
        if self._sizes[level] != before:
            self._change(level)
        self._level = level

    @property
    def age_s(self) -> float:
        """The 90th percentile of the age that masks reach; 0 before anything is known."""
        return self._age() if len(self._taken_s) >= TRUSTED else 0.0

    @property
    def work_s(self) -> float | None:
        """The 90th percentile of the time of a parsing; None before anything is known."""
        return _typical(self._worked_s) if len(self._worked_s) >= TRUSTED else None

    @property
    def within_reach(self) -> bool:
        """Whether the limit holds or a smaller size is left. True also where the user asked for an interval."""
        return self.age_s <= self._limit_s or self._level < len(self._sizes) - 1 or self._wanted_s > 0

    def parsed(self, now_s: float, taken_s: float, worked_s: float, dropped: int, beside: int = 0) -> Plan:
        """After each parsing.

        Args:
            now_s: monotonic seconds.
            taken_s: from the frame's capture to its parsing.
            worked_s: of it, since the parsing began: the next frame's begins when this one's is over.
            dropped: frames that were dropped since the last time because this machine was too slow.
            beside: those of other streams on this machine.
        """
        if self._cold:  # the first of a size pays for compiling
            self._cold = False
            return self.plan
        self._taken_s.append(taken_s)
        self._worked_s.append(worked_s)
        if len(self._taken_s) >= TRUSTED:
            self._pace(now_s, dropped, beside)
            self._fit(now_s, dropped)
        return self.plan

    def _pace(self, now_s: float, dropped: int, beside: int) -> None:
        """Fewer parsings leave more of the processor to what draws and writes: first as few as all streams can bear,
        then, for frames of its own alone, as few as the age allows. One of the others may lose frames whatever this one
        does.
        """
        since_s, self._paced_s = now_s - self._paced_s, now_s
        shared_s = min(BESIDE * self._limit_s, MAX_BESIDE_S)
        losing = False
        if dropped or beside:
            self._held = min(2 * self._held, MAX_PATIENCE) if self._eased else self._held
            self._dropped_s, self._eased = now_s, False
        if dropped:
            self._own_s = now_s
        if dropped or (beside and self._pause_s < shared_s):
            losing = self._lengthen(now_s, dropped, shared_s)
        elif now_s - self._dropped_s >= HELD_S * self._held:
            self._eased = self._eased or self._pause_s > 0
            self._pause_s *= 0.5 ** (since_s / HALF_LIFE_S)
        elif self._pause_s > shared_s and now_s - self._own_s >= HELD_S * MAX_PATIENCE:
            # The others lose frames all the time, and this one none.
            self._pause_s = max(shared_s, self._pause_s * 0.5 ** (since_s / HALF_LIFE_S))
        if now_s - self._dropped_s >= FORGOTTEN_S and not self._pause_s:
            self._held, self._eased = 1, False
        if self._pause_s < MIN_PAUSE_S:
            self._pause_s = 0.0
        self._losing.append(losing)

    def _lengthen(self, now_s: float, dropped: int, shared_s: float) -> bool:
        """Whether frames of its own are lost, though the pause is as long as it may be."""
        if now_s - self._longer_s < SETTLED_S:
            return False
        worked_s = _typical(self._worked_s)
        most_s = max(worked_s, min(self._limit_s - _typical(self._taken_s), MAX_PAUSE_S))
        paused_s, longer_s = self._pause_s, max(self._pause_s, worked_s, MIN_PAUSE_S) * SLOWER
        alone = dropped and paused_s >= shared_s
        self._pause_s = min(longer_s if alone else max(paused_s, min(longer_s, shared_s)), most_s)
        self._longer_s = now_s if self._pause_s > paused_s else self._longer_s
        return dropped > 0 and max(self._pause_s, self._wanted_s) >= most_s

    def _fit(self, now_s: float, dropped: int) -> None:
        losing = sum(self._losing) >= MAX_LOSING and self._limit_s < float("inf")
        if self.age_s > self._limit_s or losing:
            self._calm_since_s = None
            if self._level < len(self._sizes) - 1:
                self._shrink(now_s)
            return
        if self._level == 0 or dropped or self._age(self._growth()) > ROOM * self._limit_s:
            self._calm_since_s = None
            return
        if self._calm_since_s is None:
            self._calm_since_s = now_s
        if now_s - self._calm_since_s >= CALM_S * self._patience:
            self._change(self._level - 1)
            self._grown_s = now_s

    def _shrink(self, now_s: float) -> None:
        if self._grown_s is not None and now_s - self._grown_s < FAILED_WITHIN_S:
            self._patience = min(2 * self._patience, MAX_PATIENCE)
        else:
            self._patience = 1
        self._change(self._level + 1)

    def _change(self, level: int) -> None:
        self._level = level
        self._taken_s.clear()
        self._worked_s.clear()
        self._losing.clear()
        self._cold = True
        self._calm_since_s = None

    def _growth(self) -> float:
        """The factor by which the next larger size is slower: that of its pixels."""
        larger, size = self._sizes[self._level - 1], self._sizes[self._level]
        return larger.area / size.area

    def _age(self, slower: float = 1.0) -> float:
        """The age that masks reach if parsing takes `slower` times as long as measured."""
        work_s = slower * _typical(self._worked_s)
        return slower * _typical(self._taken_s) + max(work_s, self._wanted_s, self._pause_s)


def affordable(wanted: float, now: float, work_s: float | None) -> float:
    """The zoom, as a factor of the usual rows and columns, that a live stream has time for.

    Args:
        wanted: by how small its people are, one of `ZOOM_STEPS`.
        now: what it is.
        work_s: what a parsing takes now; None is not known, and keeps it.
    """
    if work_s is None or wanted < now:
        return min(wanted, now)
    if work_s > SLOW_S:
        return max((step for step in ZOOM_STEPS if step < now), default=now)
    # In one step: each one takes half a second of the processor to make another network ready.
    tried = ZOOM_STEPS if now == ZOOM_STEPS[0] else ()
    return max((step for step in tried if now < step <= wanted and work_s * step**2 <= QUICK_S), default=now)


def _typical(seconds: Sequence[float]) -> float:
    """The percentile, as NumPy interpolates it; that takes a tenth of a millisecond, and is asked for several times a
    parsing."""
    ordered = sorted(seconds)
    place, share = divmod((len(ordered) - 1) * PERCENTILE, 100)
    low, high = ordered[place], ordered[min(place + 1, len(ordered) - 1)]
    return low + (high - low) * share / 100
