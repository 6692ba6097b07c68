"""Erosion: what masks lose cell by cell, so that from one frame to the next nothing but an edge is missed.

Selections of the last seconds are kept and moved with the picture. What one of them has and the masks lack is hidden
where it looks as it did when it was selected: nobody has gone from there. Where it does not, somebody has turned or
gone on, and their masks are right.
"""

import math
from dataclasses import replace

import cv2
import numpy as np

from pipeline.geometry import Size
from pipeline.motion.blobs import MIN_CELLS, Blob, Mask, grown, is_alike, missed_parts, of_size, parts_of
from pipeline.motion.flow import Grey, coarse_flow
from pipeline.motion.spots import Spot
from pipeline.motion.steps import moved

KEPT_EVERY_S = 0.5
"""Time between selections that are kept."""
LOOKED_EVERY_S = 0.08
"""Time between looks for what they lack, which takes as long as all else that lingers."""
MIN_SHARE = 0.05
"""Smaller shares of a part of a selection are its edge."""

AROUND_CELLS = 10
"""Cells around a selection in which masks may have gone on."""
SLIP_PX = 1
"""Pixels of the small grey picture by which what is kept may be off after some seconds."""


class Erosion:
    """What masks have lost slowly, in one frame after the other. For one thread at a time."""

    def __init__(self, linger_s: float, max_s: float) -> None:
        """
        Args:
            linger_s: time for which what was lost stays hidden when its place looks otherwise.
            max_s: time for which a selection is kept.
        """
        # What is found stays until the next look.
        self._linger_s, self._max_s = linger_s - LOOKED_EVERY_S, max_s - LOOKED_EVERY_S
        self._kept: list[Blob] = []
        """Of each selection its connected parts, as of the frame that was looked at last; the newest first."""
        self._last: Grey | None = None
        self._dis: cv2.DISOpticalFlow | None = None
        self._lost: Mask | None = None
        """What is hidden, as of the same frame."""

    def forget(self) -> None:
        """Another scene begins."""
        self._kept, self._last, self._dis, self._lost = [], None, None, None

    def add(self, grey: Grey, selected: Mask, known: Mask) -> Mask | None:
        """Takes the next frame that has masks.

        Args:
            selected: what they select.
            known: the same and what is hidden around it.

        Returns:
            What they have lost; None for nothing.
        """
        if self._lost is not None and self._lost.shape != selected.shape:
            self._lost = None
        waits = self._last is not None and abs(grey.pts_s - self._last.pts_s) < LOOKED_EVERY_S
        if waits and (self._lost is None or not cv2.countNonZero(cv2.bitwise_and(self._lost, selected))):
            return _beside(self._lost, known)
        # At once where masks are back.
        self._follow(grey, Size(*selected.shape))
        lost = np.zeros_like(selected)
        then: dict[Grey, Mask] = {}
        for blob in self._kept:
            if blob.seen not in then:
                then[blob.seen] = np.zeros_like(selected)
            placed = blob.placed()
            if placed is not None:
                here = placed.of(then[blob.seen])
                cv2.bitwise_or(here, placed.mask, here)
        self._kept = [self._looked_for(blob, grey, then[blob.seen], selected, known, lost) for blob in self._kept]
        newest = self._kept[0].seen.pts_s if self._kept else None
        if newest is None or abs(grey.pts_s - newest) >= KEPT_EVERY_S:
            self._kept = [replace(blob, alike_s=-math.inf) for blob in parts_of(selected, grey)] + self._kept
        self._lost = lost if cv2.countNonZero(lost) else None
        return _beside(self._lost, known)

    def _looked_for(self, blob: Blob, grey: Grey, then: Mask, selected: Mask, known: Mask, lost: Mask) -> Blob:
        """Adds to what is lost what of a blob is. The blob is noted if that looks as it did.

        Args:
            then: what was selected with the blob, where it is now.
        """
        is_held = abs(grey.pts_s - blob.alike_s) <= self._linger_s
        is_less = _is_less(blob, then, selected)
        if not (is_held or is_less):
            return blob
        for part in missed_parts(blob, known, MIN_SHARE):
            same = is_less and is_alike(blob, part, grey, SLIP_PX)
            if same or (is_held and self._was_lost(part)):
                here = part.of(lost)
                cv2.bitwise_or(here, part.mask, here)
            if same:
                blob = blob.alike(grey.pts_s)
        return blob

    def _was_lost(self, part: Spot) -> bool:
        """Whether most of a part was hidden in the frame that was looked at last."""
        if self._lost is None:
            return False
        return 2 * cv2.countNonZero(cv2.bitwise_and(part.of(self._lost), part.mask)) >= cv2.countNonZero(part.mask)

    def _follow(self, grey: Grey, map_size: Size) -> None:
        """Moves what is kept to this frame, and leaves out what is too old."""
        before, self._last = self._last, grey
        young = [blob for blob in self._kept if abs(grey.pts_s - blob.seen.pts_s) <= self._max_s]
        self._kept = [of_size(blob, map_size) for blob in young]
        if before is not None and self._kept:
            self._dis = self._dis or coarse_flow(Size(*grey.pixels.shape))
            self._kept = moved(self._kept, before, grey, self._dis)


def _is_less(blob: Blob, then: Mask, selected: Mask) -> bool:
    """Whether less is selected around a blob than was with it: masks that only move gain what they lose."""
    placed = blob.placed()
    if placed is None:
        return False
    box = grown(placed.box, AROUND_CELLS, Size(*selected.shape))
    before, now = (each[box.top : box.bottom, box.left : box.right] for each in (then, selected))
    lost, gained = (cv2.countNonZero(cv2.subtract(*each)) for each in ((before, now), (now, before)))
    return 2 * gained < lost


def _beside(lost: Mask | None, known: Mask) -> Mask | None:
    """What of it is not known; None of nothing."""
    if lost is None:
        return None
    rest = np.asarray(cv2.bitwise_and(lost, cv2.bitwise_not(known)), np.uint8)
    return rest if cv2.countNonZero(rest) >= MIN_CELLS else None
