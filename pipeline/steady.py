"""What a network says of one frame after the other, steadied: each answer averaged with those before it.

A network sees each frame anew, so that edges and rare classes come and go with the camera's noise. What was said before
is carried along the picture's motion, cell by cell, and counts the less the longer ago it was, and not at all where the
picture there is not what was carried to it: what is new is seen at once.
"""

from functools import cached_property
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.flow import Flow, Follower, Grey, grid, is_cut
from pipeline.types import Frame, Picture, Size

MEMORY_S = 0.2
"""What was said so long ago counts e times less than what is said now."""
SAME_LEVELS, OTHER_LEVELS = 4.0, 12.0
"""Levels of grey by which the picture may differ from what was carried to it and still be the same; and by which it
is something else. Between them what was said before counts for less."""
SURE_MOST = 6.0
"""In logits behind the best class: what was surer than this would be outvoted too late."""

Planes = NDArray[np.float32]


class _Said:
    """One answer, kept as it came: of a picture by itself nothing is ever made of it."""

    def __init__(self, scores: Planes, others: Planes, picture: Picture, pts_s: float) -> None:
        self._scores, self._others, self._picture = scores, others, picture
        self.pts_s = pts_s

    @cached_property
    def planes(self) -> Planes:
        """float32 (classes + others, h, w)."""
        sure = np.maximum(self._scores - self._scores.max(axis=0), -SURE_MOST)
        return np.concatenate((sure, self._others))

    @cached_property
    def grey(self) -> Grey:
        return Grey.of(Frame.still(self._picture))

    def followed_by(self, later: Self) -> bool:
        alike = self._scores.shape == later._scores.shape
        return self.pts_s < later.pts_s and alike and not is_cut(self.grey, later.grey)


class Steady:
    """Remembers what was said of the last frame of one stream. For one thread at a time."""

    def __init__(self) -> None:
        self._last: _Said | None = None

    def __call__(self, scores: Planes, others: Planes, picture: Picture, pts_s: float) -> tuple[Planes, Planes]:
        """The answer, averaged with those before it.

        Args:
            scores: float32 (classes, h, w), logits.
            others: float32 (n, h, w): what else is said of each cell, of which a mean makes sense.
            picture: the network's input.
            pts_s: the frame's time. Not later than the last one's means another stream.
        """
        said, last = _Said(scores, others, picture, pts_s), self._last
        self._last = said
        if last is None or not last.followed_by(said):
            return scores, others
        flow = Follower(last.grey).follow(said.grey)
        counts = _sameness(flow, said.planes.shape[1:]) * np.float32(np.exp((last.pts_s - pts_s) / MEMORY_S))
        said.planes = steadied = said.planes + counts * (_carried(last.planes, flow) - said.planes)
        return steadied[: len(scores)], steadied[len(scores) :]


def _sameness(flow: Flow, shape: tuple[int, ...]) -> Planes:
    """How much of each cell shows what was carried to it: float32 (h, w), in [0, 1]."""
    # Of a cell's pixels the one that differs most counts: limbs are a cell wide.
    worst = cv2.dilate(flow.difference, np.ones((3, 3), np.uint8))
    levels = cv2.resize(worst, shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(np.clip((OTHER_LEVELS - levels) / (OTHER_LEVELS - SAME_LEVELS), 0, 1), np.float32)


def _carried(planes: Planes, flow: Flow) -> Planes:
    height, width = planes.shape[1:]
    rows, columns = flow.source.shape[:2]
    way = cv2.resize(flow.source, (width, height), interpolation=cv2.INTER_AREA)
    places = cv2.add(cv2.transform(way, np.diag([width / columns, height / rows])), grid(Size(height, width)))
    whole, part = cv2.convertMaps(places, None, cv2.CV_16SC2)  # type: ignore[call-overload]
    moved = (cv2.remap(each, whole, part, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for each in planes)
    return np.asarray(np.stack(list(moved)), np.float32)
