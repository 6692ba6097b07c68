"""Temporal smoothing: the outputs of a network averaged over the frames of a stream.

A network sees each frame anew, so that edges and rare classes come and go with the camera's noise. Earlier outputs are
warped along the optical flow, cell by cell; their weight falls with their age, and is 0 where the picture differs from
what was warped there, so that new things are seen at once. Only cells around people are averaged.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Size
from pipeline.motion.flow import Flow, Grey, dis_flow, flow_between, grid, is_cut
from pipeline.network.upsampling import box_of, lead_of
from pipeline.types import Picture

MEMORY_S = 0.2
"""Time constant of the average."""
SAME_LEVELS, OTHER_LEVELS = 4.5, 13.0
"""Levels of grey by which the picture may differ from what was carried to it and still be the same; and by which it
is something else. Between them what was said before counts for less."""
MAX_MARGIN = 6.0
"""Maximum margin of the best class, in logits: surer ones would be outvoted too late."""
GREY_PX = 2
"""Pixels along a side of a cell in the grey picture on which motion is measured."""
AROUND_CELLS = 5
"""Margin around people that is averaged too; OpenCV measures no motion in pictures of less than 12 pixels."""

Planes = NDArray[np.float32]

_SAMENESS = np.clip((OTHER_LEVELS - np.arange(256, dtype=np.float32)) / (OTHER_LEVELS - SAME_LEVELS), 0, 1)
"""By levels of grey."""


@dataclass(frozen=True, slots=True)
class Smoothed:
    """All that a smoother remembers. Raises ValueError where its arrays do not belong together."""

    planes: NDArray[np.float32]
    """(classes + others, h, w) of the last answer, averaged."""
    classes: int
    grey: NDArray[np.uint8]
    """The last picture, `GREY_PX` times as many rows and columns as the planes have."""
    picture_size: Size
    pts_s: float

    def __post_init__(self) -> None:
        if self.planes.dtype != np.float32 or self.planes.ndim != 3 or not 0 < self.classes <= len(self.planes):
            raise ValueError(f"planes {self.planes.dtype} {self.planes.shape} of {self.classes} classes")
        if self.grey.dtype != np.uint8 or self.grey.shape != tuple(GREY_PX * side for side in self.planes.shape[1:]):
            raise ValueError(f"planes {self.planes.shape} with a picture {self.grey.dtype} {self.grey.shape}")


class _Said:
    """One answer, kept as it came: of a picture by itself nothing is ever made of it."""

    def __init__(self, scores: Planes, others: Planes, picture: Picture, pts_s: float) -> None:
        self._scores, self._others, self._picture = scores, others, picture
        self.pts_s = pts_s

    @classmethod
    def restored(cls, state: Smoothed) -> Self:
        """The answer of which `state` was made."""
        said = cls(state.planes[: state.classes], state.planes[state.classes :], state.grey, state.pts_s)
        said.planes = state.planes
        said.grey = Grey(state.grey, 0, state.pts_s, state.pts_s, state.picture_size)
        return said

    @property
    def state(self) -> Smoothed:
        return Smoothed(self.planes, len(self._scores), self.grey.pixels, self.grey.frame_size, self.pts_s)

    @cached_property
    def planes(self) -> Planes:
        """float32 (classes + others, h, w)."""
        count = len(self._scores)
        planes = np.empty((count + len(self._others), *self._scores.shape[1:]), np.float32)
        sure, planes[count:] = planes[:count], self._others
        np.maximum(np.subtract(self._scores, self._scores.max(axis=0), out=sure), -MAX_MARGIN, out=sure)
        return planes

    @cached_property
    def grey(self) -> Grey:
        bright = cv2.cvtColor(self._picture, cv2.COLOR_BGR2GRAY)
        height, width = (GREY_PX * side for side in self._scores.shape[1:])
        pixels = np.asarray(cv2.resize(bright, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        return Grey(pixels, 0, self.pts_s, self.pts_s, Size(*bright.shape))

    @property
    def anybody(self) -> NDArray[np.bool_]:
        """The cells of people, of what was said before as well where that was mixed in."""
        return lead_of(self.planes[: len(self._scores)]) > 0

    def followed_by(self, later: Self) -> bool:
        alike = self._scores.shape == later._scores.shape
        return self.pts_s < later.pts_s and alike and not is_cut(self.grey, later.grey)


class TemporalSmoother:
    """The average of the outputs for one stream. For one thread at a time."""

    def __init__(self) -> None:
        self._last: _Said | None = None
        self._dis = dis_flow()

    @classmethod
    def of(cls, state: Smoothed | None) -> Self:
        """A smoother that remembers what another one did."""
        smoother = cls()
        smoother._last = None if state is None else _Said.restored(state)
        return smoother

    def state(self) -> Smoothed | None:
        """All that it remembers; None before the first answer."""
        return None if self._last is None else self._last.state

    def __call__(self, scores: Planes, others: Planes, picture: Picture, pts_s: float) -> tuple[Planes, Planes]:
        """The answer, averaged with those before it.

        Args:
            scores: float32 (classes, h, w), logits; the first is of nobody.
            others: float32 (n, h, w): what else is said of each cell, of which a mean makes sense.
            picture: the network's input.
            pts_s: the frame's time. Not later than the last one's means another stream.
        """
        said, last = _Said(scores, others, picture, pts_s), self._last
        self._last = said
        if last is None or not last.followed_by(said):
            return scores, others
        there = _around(last.anybody | said.anybody)
        if there is not None:
            flow = flow_between(_part(last.grey, there), _part(said.grey, there), self._dis)
            now = said.planes[:, *there]
            counts = _sameness(flow, now.shape[1:]) * np.float32(np.exp((last.pts_s - pts_s) / MEMORY_S))
            change = _carried(last.planes[:, *there], flow)
            change -= now
            change *= counts
            now += change
        return said.planes[: len(scores)], said.planes[len(scores) :]


def _around(people: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """Rows and columns of the cells with people, and around them; None where there is nobody."""
    box = box_of(people)
    if box is None:
        return None
    rows, columns = (slice(max(0, side.start - AROUND_CELLS), side.stop + AROUND_CELLS) for side in box)
    return rows, columns


def _part(grey: Grey, there: tuple[slice, slice]) -> Grey:
    rows, columns = (slice(GREY_PX * side.start, GREY_PX * side.stop) for side in there)
    return replace(grey, pixels=np.ascontiguousarray(grey.pixels[rows, columns]))


def _sameness(flow: Flow, shape: tuple[int, ...]) -> Planes:
    """The share of each cell that shows what was carried to it: float32 (h, w), in [0, 1]."""
    # Of a cell's pixels the one that differs most counts: limbs are a cell wide.
    worst = cv2.dilate(flow.difference, np.ones((3, 3), np.uint8))
    levels = cv2.resize(worst, shape[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.LUT(levels, _SAMENESS), np.float32)


def _carried(planes: Planes, flow: Flow) -> Planes:
    count, height, width = planes.shape
    way = cv2.resize(flow.source, (width, height), interpolation=cv2.INTER_AREA)
    places = cv2.scaleAdd(way, 1 / GREY_PX, grid(Size(height, width)))
    # All planes of a cell side by side are moved at once, in a quarter of the time of one after the other.
    cells = cv2.transpose(planes.reshape(count, -1)).reshape(height, width, count)
    moved = cv2.remap(cells, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return np.asarray(cv2.transpose(moved.reshape(-1, count)).reshape(planes.shape), np.float32)
