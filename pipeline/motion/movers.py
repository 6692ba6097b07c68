"""Movers: what is small, crosses the picture quickly and is nobody known may be somebody whom nothing recognises.

A small person who runs is smeared over their own height in every frame, and neither a parser nor a detector knows
them. Where the camera stands still they are told by their motion alone: what differs from the two frames before, and
goes on steadily from frame to frame. What sways, flickers or is blown about goes nowhere, and is left alone.
"""

import math

import cv2
import numpy as np

from pipeline.motion.blobs import Mask
from pipeline.motion.flow import Grey
from pipeline.motion.paths import Look, Path, Paths, Place
from pipeline.types import LabelMap

MIN_LEVEL, NOISE_TIMES = 6.0, 4.0
"""Levels of grey, of 255, by which a place differs from both frames before it, at least, and times the median of all
places: that is noise."""
MAX_MOVING = 0.06
"""Share of what has edges to tell by, beside who is known: where more of it moves the camera does, and nobody is told
by it."""
MAX_SLIP_PX = 0.15
"""Pixels of the small grey picture by which the rest of it may slip in two frames: with more the camera moves, too."""
MIN_CELLS, MAX_TALL = 3, 1 / 5
"""Pixels of the small grey picture that a mover has at least, and its height at most, of the picture's: larger people
are seen."""
AROUND_CELLS = 2
"""Pixels of the small grey picture around what moves, or who is known, that move with them."""
MIN_PACE = 0.15
"""Widths of the picture that a mover goes in a second, at least."""
MIN_LOOKS, MIN_WAY = 3, 0.8
"""Sightings of a mover, and times its longer side that it has come from the first to the last of them, at least."""
NEW_REACH = 2.6
"""Sides of a mover by which it is off in the next frame: it is fast, and may be shorter than its way."""
SCORE = 0.06
"""Of each sighting: of a mover with eight that is missed the path goes on for half a second."""


class Movers:
    """What moves quickly in one frame after the other, in either direction of time. For one thread at a time."""

    def __init__(self) -> None:
        self._last: list[Grey] = []
        """Up to two frames of the scene, the newest last."""
        self._paths = Paths(NEW_REACH)

    def add(self, grey: Grey, people: LabelMap, *, cut: bool = False) -> list[Place]:
        """Takes the next frame.

        Args:
            people: above 0 where somebody is known, of any size.
            cut: whether another scene begins with it.

        Returns:
            The places of what moves quickly, and is nobody known.
        """
        if cut or (self._last and self._last[-1].pixels.shape != grey.pixels.shape):
            self._last, cut = [], True
        looks = [Look(place, SCORE, grey.pts_s) for place in self._moving(grey, people)]
        self._last = [*self._last[-1:], grey]
        paths = self._paths.step(looks, grey.pts_s, cut=cut)
        return [path.after(grey.pts_s) for path in paths if _is_quick(path, grey)]

    def _moving(self, grey: Grey, people: LabelMap) -> list[Place]:
        if len(self._last) < 2:
            return []
        earlier, last = (cv2.absdiff(grey.pixels, other.pixels) for other in self._last)
        differs = np.asarray(cv2.blur(cv2.min(earlier, last), (2, 2)), np.uint8)
        level = max(MIN_LEVEL, NOISE_TIMES * float(np.median(differs)))
        moving = np.asarray(cv2.threshold(differs, level, 255, cv2.THRESH_BINARY)[1], np.uint8)
        free = np.asarray(cv2.bitwise_not(_known(people, moving)), np.uint8)
        unknown = np.asarray(cv2.bitwise_and(moving, free), np.uint8)
        edges = cv2.morphologyEx(grey.pixels, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
        told = np.asarray(cv2.bitwise_and(cv2.threshold(edges, level, 255, cv2.THRESH_BINARY)[1], free), np.uint8)
        if cv2.countNonZero(cv2.bitwise_and(told, unknown)) > MAX_MOVING * cv2.countNonZero(told):
            return []
        closed = cv2.morphologyEx(unknown, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        places = _places(np.asarray(closed, np.uint8), grey)
        rest = np.asarray(cv2.bitwise_and(free, cv2.bitwise_not(_around(moving))), np.uint8)
        return [] if places and _slipped_px(self._last[0], grey, rest) > MAX_SLIP_PX else places


def _known(people: LabelMap, like: Mask) -> Mask:
    """Where somebody is known, and around them: of the size of another mask."""
    small = cv2.resize(people, like.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return _around(np.asarray(cv2.threshold(small, 0, 255, cv2.THRESH_BINARY)[1], np.uint8))


def _around(mask: Mask) -> Mask:
    side = 2 * AROUND_CELLS + 1
    return np.asarray(cv2.dilate(mask, np.ones((side, side), np.uint8)), np.uint8)


def _slipped_px(before: Grey, after: Grey, rest: Mask) -> float:
    """How far the rest of a picture is from where it was: the shift that explains best how its greys differ."""
    across, down = (cv2.Sobel(after.pixels, cv2.CV_32F, *way, scale=1 / 8)[rest > 0] for way in ((1, 0), (0, 1)))
    change = cv2.subtract(before.pixels, after.pixels, dtype=cv2.CV_32F)[rest > 0]
    slopes = np.array([[across @ across, across @ down], [across @ down, down @ down]], np.float64)
    shift = np.linalg.pinv(slopes, rcond=1e-6) @ np.array([across @ change, down @ change], np.float64)
    return float(np.abs(shift).max())


def _places(moving: Mask, grey: Grey) -> list[Place]:
    """The connected parts that are neither too small nor too large, in frame pixels, and half a cell around them."""
    count, _, found, _ = cv2.connectedComponentsWithStats(moving)
    height, width = moving.shape
    across, down = grey.frame_size.width / width, grey.frame_size.height / height
    return [
        Place((left + wide / 2) * across, (top + tall / 2) * down, (wide + 1) * across, (tall + 1) * down)
        for left, top, wide, tall, area in found[1:count].tolist()
        if area >= MIN_CELLS and tall <= MAX_TALL * height
    ]


def _is_quick(path: Path, grey: Grey) -> bool:
    """Whether somebody goes along a path, rather than that something sways there."""
    first, last = path.looks[0].place, path.looks[-1].place
    way = math.hypot(last.x - first.x, last.y - first.y)
    pace = math.hypot(path.across_s, path.down_s)
    return (
        len(path.looks) >= MIN_LOOKS
        and pace >= MIN_PACE * grey.frame_size.width
        and way >= MIN_WAY * max(last.width, last.height)
    )
