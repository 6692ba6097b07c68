"""Selections that linger: what was hidden a moment ago stays hidden where the next masks miss it.

A parser that loses a face for some frames would uncover it. What is selected in one frame and missing in the next is
kept, and moved by the optical flow of the place where it is: for a time, and for longer while that place looks as it
did when it was seen, since then nobody has gone. A recording is gone through in both directions.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.geometry import Size
from pipeline.motion.blobs import Blob, Mask, looked_at, missed_parts, moved, of_size, seen_in, settled
from pipeline.motion.erosion import Erosion
from pipeline.motion.flow import Grey, coarse_flow, is_cut
from pipeline.types import Frame, Parsing

LINGER_S = 1.0
"""Time for which a selection stays hidden after it was seen last, and in a recording before it is seen first."""
KEPT_S = 0.4
"""The same of a selection that is kept while the rest goes, and no longer: it shows what others want to be gone."""
MAX_TIMES = 5
"""For so many times as long it stays hidden while it looks as it did: who sits still may be missed for seconds."""
BATCH = 8
"""Frames that are given at once, once those up to `LINGER_S` after them are known."""
MAX_AHEAD = 64
"""Maximum number of frames in memory; of more than 56 a second fewer than `LINGER_S` after a frame are known."""
AROUND_CELLS = 2
"""What is missed by so little is hidden all the same: effects go that far beyond what is selected."""


@dataclass(frozen=True, slots=True, eq=False)
class Covered:
    """A frame, its parsing, and what is to be hidden in it beside what its parsing selects."""

    frame: Frame
    parsing: Parsing | None
    """None where nothing is known of the frame."""
    lingering: Mask | None
    """Of the parsing's size; None where nothing lingers."""


class Lingering:
    """What lingers in one frame after the other, in either direction of time. For one thread at a time."""

    def __init__(self, linger_s: float = LINGER_S, max_times: float = MAX_TIMES, *, hides: bool = True) -> None:
        """
        Args:
            linger_s: time for which a selection lingers.
            max_times: so many times as long it does while its place looks as it did.
            hides: whether what lingers is hidden; where it is kept, less is better than more.
        """
        self._linger_s, self._max_s = linger_s, max_times * linger_s
        self._blobs: list[Blob] = []
        """The newest first."""
        self._erosion = Erosion(self._linger_s, self._max_s) if hides else None
        self._previous: Grey | None = None
        self._dis: cv2.DISOpticalFlow | None = None

    def add(self, grey: Grey, selected: Mask | None, *, cut: bool | None = None) -> Mask | None:
        """Takes the next frame.

        Args:
            selected: what its own masks select; None where it has no masks.
            cut: whether another scene begins with it, where nothing lingers; None finds out.

        Returns:
            What lingers beside it, of the same size; None for nothing, or where it has no masks.
        """
        previous, self._previous = self._previous, grey
        if previous is not None and (is_cut(previous, grey) if cut is None else cut):
            self._blobs, self._dis = [], None
            if self._erosion is not None:
                self._erosion.forget()
        self._blobs = [blob for blob in self._blobs if self._is_young(blob, grey.pts_s)]
        if selected is None:
            self._blobs = [looked_at(blob, grey) for blob in self._moved(previous, grey)]
            return None
        self._blobs = [of_size(blob, Size(*selected.shape)) for blob in self._blobs]
        side = 2 * AROUND_CELLS + 1
        known = np.asarray(cv2.dilate(selected, np.ones((side, side), np.uint8)), np.uint8)
        # Where nothing but edges is missed, nobody has to know what moves.
        is_missed = any(True for blob in self._blobs for _ in missed_parts(blob, known))
        kept = _rests(self._moved(previous, grey), known) if is_missed else []
        own = seen_in(selected, grey)
        self._blobs = own + [looked_at(blob, grey) for blob in kept]
        lost = None if self._erosion is None else self._erosion.add(grey, selected, known)
        if not kept:
            return lost
        together = np.zeros_like(selected) if lost is None else lost
        for blob in kept:
            here = blob.spot.of(together)
            cv2.bitwise_or(here, blob.spot.mask, here)
        return together

    def _is_young(self, blob: Blob, now_s: float) -> bool:
        seen_s, alike_s = abs(now_s - blob.seen.pts_s), abs(now_s - blob.alike_s)
        return alike_s <= self._linger_s and seen_s <= self._max_s

    def _moved(self, previous: Grey | None, grey: Grey) -> list[Blob]:
        """The blobs as of this frame."""
        if previous is None or not self._blobs:
            return self._blobs
        self._dis = self._dis or coarse_flow(Size(*grey.pixels.shape))
        return moved(self._blobs, previous, grey, self._dis)


def covered_both_ways(
    parsed: Iterable[tuple[Frame, Parsing | None]],
    select: Callable[[Parsing], Mask],
    linger_s: float = LINGER_S,
    max_times: float = MAX_TIMES,
    *,
    hides: bool = True,
) -> Iterator[Covered]:
    """The frames of a recording with what is selected in those before and after them.

    Args:
        parsed: frames in the order of time.
        select: what a parsing's masks select.
        linger_s, max_times, hides: as of `Lingering`.
    """
    forward, waiting = Lingering(linger_s, max_times, hides=hides), deque[_Waiting]()
    previous: Grey | None = None
    for frame, parsing in parsed:
        grey, mask = Grey.of(frame), None if parsing is None else select(parsing)
        cut = previous is not None and is_cut(previous, grey)
        previous = grey
        waiting.append(_Waiting(frame, parsing, grey, mask, cut, forward.add(grey, mask, cut=cut)))
        if len(waiting) > BATCH and _is_enough(waiting, linger_s):
            yield from _given(waiting, BATCH, Lingering(linger_s, max_times, hides=False))
    yield from _given(waiting, len(waiting), Lingering(linger_s, max_times, hides=False))


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    frame: Frame
    parsing: Parsing | None
    grey: Grey
    selected: Mask | None
    cut: bool
    """Whether another scene begins with it."""
    before: Mask | None
    """What lingers from frames before it."""


def _is_enough(waiting: deque[_Waiting], linger_s: float) -> bool:
    ahead_s = waiting[-1].grey.pts_s - waiting[BATCH - 1].grey.pts_s
    return ahead_s >= linger_s or len(waiting) >= MAX_AHEAD


def _given(waiting: deque[_Waiting], count: int, backward: Lingering) -> Iterator[Covered]:
    """Takes so many frames from the left. Looking back a second is not enough to tell what is lost slowly."""
    after: list[Mask | None] = []
    cut = False
    for each in reversed(waiting):
        after.append(backward.add(each.grey, each.selected, cut=cut))
        cut = each.cut
    for _ in range(count):
        each = waiting.popleft()
        yield Covered(each.frame, each.parsing, _either(each.before, after.pop()))


def _either(one: Mask | None, other: Mask | None) -> Mask | None:
    if one is None or other is None:
        return other if one is None else one
    return np.asarray(cv2.bitwise_or(one, other), np.uint8)


def _rests(blobs: list[Blob], known: Mask) -> list[Blob]:
    """What is left of blobs beside what is known; of two at one place the newer one."""
    rests, known = [], known.copy()
    for blob in blobs:
        for rest in list(missed_parts(blob, known)):
            rests.append(settled(blob, rest))
            here = rest.of(known)
            cv2.bitwise_or(here, rest.mask, here)
    return rests
