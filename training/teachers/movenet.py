"""MoveNet multipose: boxes and points of up to six people in a window (OpenVINO IR, Apache-2.0).

Several windows of a picture find more people, and smaller ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import WeightsError
from pipeline.geometry import Box, Size
from pipeline.network.runtime import openvino_core
from pipeline.types import Picture

LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST, LEFT_HIP, LEFT_KNEE, LEFT_ANKLE = 5, 7, 9, 11, 13, 15
"""Numbers of points, of which the person's right one is the next."""
NOSE, HEAD_POINTS = 0, 5
"""The first five points are of the head."""
SEEN = 0.25
"""Certainty of a point that is believed."""
MIN_SCORE = 0.2
"""Of a person who is looked at."""
_POINTS = 17
_WHOLE_SIDES, _TILE_SIDE = (256, 384), 256
_TILE_AT, _TILE_SHARE = (0.0, 0.4), 0.6
_SAME_IOU, _SAME_POINTS, _NEAR = 0.45, 0.6, 0.12
"""Two finds are one person where their boxes overlap so much, or so many of their points are as near as this share of
the person's size."""


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody whom the network found."""

    score: float
    left: float
    top: float
    right: float
    bottom: float
    points: NDArray[np.float64]
    """(17, 3): x, y in pixels of the picture, and certainty."""

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def width(self) -> float:
        return self.right - self.left

    def point(self, number: int) -> NDArray[np.float64] | None:
        """A point (x, y), or None if it is not believed."""
        return self.points[number, :2] if self.points[number, 2] > SEEN else None


class MoveNet:
    """The network.

    Raises:
        WeightsError: the file cannot be read.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._core = openvino_core()
        self._hints = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        self._path = path
        self._networks = {side: self._compiled(side) for side in sorted({*_WHOLE_SIDES, _TILE_SIDE})}

    def _compiled(self, side: int) -> Any:
        try:
            graph = self._core.read_model(self._path)
        except RuntimeError as exc:
            raise WeightsError(f"cannot read {self._path}: {exc}") from exc
        graph.reshape({graph.inputs[0]: [1, side, side, 3]})
        return self._core.compile_model(graph, "CPU", self._hints)

    def __call__(self, bgr: Picture) -> list[Found]:
        """Everybody in a picture, the surest first."""
        size = Size(*bgr.shape[:2])
        found = [each for side in _WHOLE_SIDES for each in self._look(bgr, Box(0, 0, size.width, size.height), side)]
        found += [each for tile in tiles(size) for each in self._look(bgr, tile, _TILE_SIDE)]
        kept: list[Found] = []
        for each in sorted(found, key=lambda each: -each.score):
            if each.score >= MIN_SCORE and not any(is_same(each, other) for other in kept):
                kept.append(each)
        return kept

    def _look(self, bgr: Picture, window: Box, side: int) -> Iterator[Found]:
        cut = bgr[window.top : window.bottom, window.left : window.right]
        scale = side / max(cut.shape[:2])
        size = (max(1, round(cut.shape[1] * scale)), max(1, round(cut.shape[0] * scale)))
        small = cv2.resize(cut, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        square = np.zeros((1, side, side, 3), np.int32)
        square[0, : small.shape[0], : small.shape[1]] = small[..., ::-1]
        for row in np.asarray(self._networks[side]((square,))[0][0], np.float64):
            points = row[: 3 * _POINTS].reshape(_POINTS, 3)[:, [1, 0, 2]]
            points[:, :2] = points[:, :2] * (side / scale) + (window.left, window.top)
            top, left, bottom, right = row[51:55] * (side / scale) + (window.top, window.left) * 2
            sure = points[points[:, 2] > MIN_SCORE, :2]
            low = np.vstack([sure, [(left, top)]]).min(axis=0)
            high = np.vstack([sure, [(right, bottom)]]).max(axis=0)
            yield Found(float(row[55]), float(low[0]), float(low[1]), float(high[0]), float(high[1]), points)


def tiles(size: Size) -> Iterator[Box]:
    """Four windows of a picture that overlap by a third."""
    for down in _TILE_AT:
        for across in _TILE_AT:
            left, top = round(across * size.width), round(down * size.height)
            yield Box(left, top, left + round(_TILE_SHARE * size.width), top + round(_TILE_SHARE * size.height))


def is_same(one: Found, other: Found) -> bool:
    """Whether two finds are of one person, by their boxes or by their points."""
    across = max(0.0, min(one.right, other.right) - max(one.left, other.left))
    down = max(0.0, min(one.bottom, other.bottom) - max(one.top, other.top))
    areas = one.width * one.height, other.width * other.height
    if across * down > _SAME_IOU * (sum(areas) - across * down):
        return True
    both = (one.points[:, 2] > SEEN) & (other.points[:, 2] > SEEN)
    if np.count_nonzero(both) < 3:
        return False
    away = np.hypot(*(one.points[both, :2] - other.points[both, :2]).T)
    return bool(np.mean(away < _NEAR * np.sqrt(max(min(areas), 1.0))) > _SAME_POINTS)
