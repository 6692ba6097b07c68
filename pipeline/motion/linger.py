"""Selections that linger: what was hidden a moment ago stays hidden where the next masks miss it.

A parser that loses a face for some frames would uncover it. What is selected in one frame and missing in the next is
kept, and moved by the optical flow of the place where it is: for a time, and for longer while that place looks as it
did when it was seen, since then nobody has gone. Faces go on along their paths besides. A recording is gone through in
both directions.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import cv2
import numpy as np

from pipeline.geometry import Size
from pipeline.motion.blobs import Blob, Mask, connected, looked_at, missed_parts, of_size, seen_in, settled
from pipeline.motion.erosion import Erosion
from pipeline.motion.flow import Grey, coarse_flow, is_cut
from pipeline.motion.movers import Movers
from pipeline.motion.paths import Paths, places_drawn
from pipeline.motion.steps import moved, paced
from pipeline.types import Face, Frame, LabelMap, Parsing

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
GONE_SHARE = 0.7
"""Of who is missed for so large a part it is guessed where they went."""
AROUND_CELLS = 2
"""What is missed by so little is hidden all the same: effects go that far beyond what is selected."""


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """A frame, its parsing, and what of that lingers."""

    frame: Frame
    parsing: Parsing | None
    """None where nothing is known of the frame."""
    lasting: Mask | None
    """What lingers by its place: of the parsing's size; None without a parsing."""
    faces: tuple[Face, ...] = ()
    """What lingers by its path."""
    people: LabelMap | None = None
    """Above 0 where somebody is known: beside them, what is small and fast may be somebody, too. None if it may not."""

    def into(self, lingering: "Lingering", grey: Grey, *, cut: bool | None = None) -> Mask | None:
        """As `Lingering.add`."""
        return lingering.add(grey, self.lasting, faces=self.faces, people=self.people, cut=cut)


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

    def __init__(
        self, linger_s: float = LINGER_S, max_times: float = MAX_TIMES, *, hides: bool = True, erodes: bool = True
    ) -> None:
        """
        Args:
            linger_s: time for which a selection lingers.
            max_times: so many times as long it does while its place looks as it did.
            hides: whether what lingers is hidden; where it is kept, less is better than more.
            erodes: whether what masks lose slowly is looked for, too, where it is hidden.
        """
        self._linger_s, self._max_s = linger_s, max_times * linger_s
        self._blobs: list[Blob] = []
        """The newest first."""
        self._erosion = Erosion(self._linger_s, self._max_s) if hides and erodes else None
        self._hides = hides
        self._previous: Grey | None = None
        self._earlier: Grey | None = None
        """The one before that, of the same scene."""
        self._own: list[Blob] = []
        self._own_earlier: list[Blob] = []
        """What was selected in the two."""
        self._passing: Mask | None = None
        """Where what was selected in the last frame, and around it, others cover what lingers."""
        self._dis: cv2.DISOpticalFlow | None = None
        self._paths, self._movers = Paths(), Movers()

    def add(
        self,
        grey: Grey,
        selected: Mask | None,
        *,
        faces: Sequence[Face] = (),
        people: LabelMap | None = None,
        cut: bool | None = None,
    ) -> Mask | None:
        """Takes the next frame.

        Args:
            selected: what its own masks select, as far as it lingers by its place; None where it has no masks.
            faces: what lingers by its path.
            people: above 0 where somebody is known, of any size; what is small, fast and nobody known is hidden, too.
                None hides nothing of that kind.
            cut: whether another scene begins with it, where nothing lingers; None finds out.

        Returns:
            What lingers beside it, of the same size; None for nothing, or where it has no masks.
        """
        if cut is None:
            cut = self._previous is not None and is_cut(self._previous, grey)
        lingering = self._add(grey, selected, cut=cut)
        places = self._paths.add(faces, grey.pts_s, cut=cut)
        if people is not None:
            places += self._movers.add(grey, people, cut=cut)
        if selected is None or not places:
            return lingering
        return _either(lingering, places_drawn(places, grey.frame_size, Size(*selected.shape)))

    def _add(self, grey: Grey, selected: Mask | None, *, cut: bool) -> Mask | None:
        earlier, previous = self._earlier, self._previous
        if previous is not None and cut:
            self._blobs, self._own, self._dis, previous, earlier = [], [], None, None, None
            if self._erosion is not None:
                self._erosion.forget()
        self._earlier, self._previous = previous, grey
        self._blobs = [blob for blob in self._blobs if self._is_young(blob, grey.pts_s)]
        if selected is None:
            self._blobs = [looked_at(blob, grey) for blob in self._moved(earlier, previous, grey, None)]
            self._own_earlier, self._own = self._own, []
            return None
        self._blobs = [of_size(blob, Size(*selected.shape)) for blob in self._blobs]
        side = 2 * AROUND_CELLS + 1
        known = np.asarray(cv2.dilate(selected, np.ones((side, side), np.uint8)), np.uint8)
        # Where nothing but edges is missed, nobody has to know what moves.
        is_missed = any(blob.seen is not previous or any(missed_parts(blob, known)) for blob in self._blobs)
        there = self._moved(earlier, previous, grey, known) if is_missed else []
        kept = _rests(there, known, previous if self._hides else None)
        self._passing = known
        own = seen_in(selected, grey)
        self._own_earlier, self._own = self._own, own
        self._blobs = own + [looked_at(blob, grey) for blob in kept]
        lost = None if self._erosion is None else self._erosion.add(grey, selected, known)
        if not kept:
            return lost
        together = np.zeros_like(selected) if lost is None else lost
        for blob in kept:
            placed = blob.placed()
            if placed is not None:
                here = placed.of(together)
                cv2.bitwise_or(here, placed.mask, here)
        return together

    def _is_young(self, blob: Blob, now_s: float) -> bool:
        seen_s, alike_s = abs(now_s - blob.seen.pts_s), abs(now_s - blob.alike_s)
        return alike_s <= self._linger_s and seen_s <= self._max_s

    def _moved(self, earlier: Grey | None, previous: Grey | None, grey: Grey, known: Mask | None) -> list[Blob]:
        """The blobs as of this frame. What is kept while the rest goes is never guessed to go on."""
        if previous is None or not self._blobs:
            return self._blobs
        self._dis = self._dis or coarse_flow(Size(*grey.pixels.shape))
        if not self._hides:
            return moved([replace(blob, twofold=True) for blob in self._blobs], previous, grey, self._dis)
        blobs: list[Blob] = []
        before = [part for other in self._own_earlier for part in connected(other)] if earlier is not None else []
        for blob in self._blobs:
            if blob.seen is not previous or earlier is None:
                blobs.append(blob)
                continue
            for part in connected(blob):
                # Who is still known for the most part has moved, and what is missed is their edge or has come loose.
                gone = known is None or _missed_share(part, known) >= GONE_SHARE
                blobs.append(paced(part, before, earlier, self._dis) if gone else replace(part, twofold=True))
        return moved(blobs, previous, grey, self._dis, self._passing)


def covered_both_ways(
    looked: Iterable[Looked], linger_s: float = LINGER_S, max_times: float = MAX_TIMES, *, hides: bool = True
) -> Iterator[Covered]:
    """The frames of a recording with what is selected in those before and after them.

    Args:
        looked: frames in the order of time.
        linger_s, max_times, hides: as of `Lingering`.
    """
    forward, waiting = Lingering(linger_s, max_times, hides=hides), deque[_Waiting]()
    previous: Grey | None = None
    for each in looked:
        grey = Grey.of(each.frame)
        cut = previous is not None and is_cut(previous, grey)
        previous = grey
        waiting.append(_Waiting(each, grey, cut, each.into(forward, grey, cut=cut)))
        if len(waiting) > BATCH and _is_enough(waiting, linger_s):
            yield from _given(waiting, BATCH, Lingering(linger_s, max_times, hides=hides, erodes=False))
    yield from _given(waiting, len(waiting), Lingering(linger_s, max_times, hides=hides, erodes=False))


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    looked: Looked
    grey: Grey
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
        after.append(each.looked.into(backward, each.grey, cut=cut))
        cut = each.cut
    for _ in range(count):
        each = waiting.popleft()
        yield Covered(each.looked.frame, each.looked.parsing, _either(each.before, after.pop()))


def _either(one: Mask | None, other: Mask | None) -> Mask | None:
    if one is None or other is None:
        return other if one is None else one
    return np.asarray(cv2.bitwise_or(one, other), np.uint8)


def _missed_share(blob: Blob, known: Mask) -> float:
    missed = cv2.countNonZero(cv2.bitwise_and(blob.spot.mask, cv2.bitwise_not(blob.spot.of(known))))
    return missed / cv2.countNonZero(blob.spot.mask)


def _passing(blobs: list[Blob], before: Grey | None, known: Mask) -> Mask:
    """Where those are known who were seen in the frame before, too, and have only moved."""
    passing = np.zeros_like(known)
    for blob in blobs:
        placed = blob.placed() if blob.seen is before else None
        if placed is not None:
            here = placed.of(passing)
            cv2.bitwise_or(here, placed.mask, here)
    side = 4 * AROUND_CELLS + 1
    return np.asarray(cv2.bitwise_and(known, cv2.dilate(passing, np.ones((side, side), np.uint8))), np.uint8)


def _rests(blobs: list[Blob], known: Mask, before: Grey | None) -> list[Blob]:
    """What is left of blobs, the newest first, beside what is known; of two at one place the newer one.

    Those that went missing before stay whole where others pass before them: they are there when these have passed.
    """
    rests: list[Blob] = []
    if not blobs:
        return rests
    refound = np.asarray(cv2.bitwise_and(known, cv2.bitwise_not(_passing(blobs, before, known))), np.uint8)
    for _, seen_at_once in groupby(blobs, lambda blob: id(blob.seen)):
        left = [rest for blob in seen_at_once for rest in _left_of(blob, known if blob.seen is before else refound)]
        for rest in left:
            placed = rest.placed()
            if placed is not None:
                here = placed.of(refound)
                cv2.bitwise_or(here, placed.mask, here)
        rests += left
    return rests


def _left_of(blob: Blob, known: Mask) -> list[Blob]:
    """Of what nothing is known all is left, with what of it has left the picture: it may come back."""
    parts = list(missed_parts(blob, known))
    placed = blob.placed()
    if parts and placed is not None and not cv2.countNonZero(cv2.bitwise_and(placed.mask, placed.of(known))):
        return [blob]
    return [settled(blob, part) for part in parts]
