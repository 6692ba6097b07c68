"""From a frame to the network's input, and from its scores to labels that cover the whole frame.

A network takes pictures whose sides are multiples of 32. The frame is scaled, its shape kept, into the top
left corner of such a picture, or into its middle, and what is left over is grey. `Fit` remembers how, so that
the same file takes the grey off again: no other part of the program knows about it.

A worked example: a 720x1280 frame and an input of 256x448. 448 / 1280 = 0.35, so the frame becomes 252x448
and the last four rows are grey. Scores come back at 64x112; they are enlarged to 256x448, the labels are
the highest of them, and the last four rows are dropped: a label map of 252x448 covers the frame.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.edges import follow
from pipeline.errors import BadPicture
from pipeline.types import LabelMap, Picture, Size
from pipeline.yuv import Yuv420

MULTIPLE = 32
"""Sides of a network's input are multiples of this."""

SLIMMEST = 16
"""Frames longer than so many times their width get an input that is no longer than that."""

LEAD_MOST = 6.0
"""In logits: what is surer than this of being somebody, or nobody, is not surer for a border's sake."""

_GREY = 127


@dataclass(frozen=True, slots=True)
class Fit:
    """How frames of one size go into a network's input of one size."""

    frame_size: Size
    input_size: Size
    content_size: Size
    """The part of the input that the frame covers."""
    top: int = 0
    """Rows of grey above it."""
    left: int = 0
    """Columns of grey left of it."""

    @classmethod
    def into(cls, frame_size: Size, input_size: Size) -> "Fit":
        """The largest fit that keeps the frame's shape, in the top left corner."""
        return cls(frame_size, input_size, _content(frame_size, input_size, scale_most=float("inf")))

    @classmethod
    def centred(cls, frame_size: Size, input_size: Size) -> "Fit":
        """In the middle, and the frame is never enlarged."""
        content = _content(frame_size, input_size, scale_most=1.0)
        top, left = ((whole - part) // 2 for whole, part in zip(input_size, content))
        return cls(frame_size, input_size, content, top, left)

    @property
    def content(self) -> tuple[slice, slice]:
        """Rows and columns of the input that the frame covers."""
        return (
            slice(self.top, self.top + self.content_size.height),
            slice(self.left, self.left + self.content_size.width),
        )

    def shrink(self, picture: Picture | Yuv420) -> Picture:
        """The network's input: uint8 (H, W, 3) of `input_size`, BGR."""
        if picture.shape[:2] != self.frame_size:
            raise BadPicture(f"a picture of {self.frame_size} was expected, not {Size(*picture.shape[:2])}")
        content = picture.scaled(*self.content_size) if isinstance(picture, Yuv420) else self._scaled(picture)
        if self.content_size == self.input_size:
            return content
        padded = np.full((*self.input_size, 3), _GREY, np.uint8)
        padded[self.content] = content
        return padded

    def _scaled(self, bgr: Picture) -> Picture:
        enlarging = self.content_size.height > self.frame_size.height
        # INTER_AREA averages all that falls into a pixel; INTER_LINEAR would skip rows and make thin limbs flicker.
        how = cv2.INTER_LINEAR if enlarging else cv2.INTER_AREA
        return np.asarray(cv2.resize(bgr, self.content_size[::-1], interpolation=how), np.uint8)

    def labels(self, scores: NDArray[np.float32], picture: Picture | None = None) -> LabelMap:
        """The best class of each pixel, from scores at a fraction of the input's size.

        Args:
            scores: float32 (classes, h, w) over the whole input, the grey included.
            picture: the network's input, for logits: where people end follows what is seen in it. None is for
                scores of other kinds, whose borders are drawn as they are.

        Returns:
            uint8 of `content_size`.
        """
        best_class = np.zeros(self.input_size, np.uint8)
        # Enlarging is bilinear, so where background wins at all four surrounding cells it wins between them too:
        # only the box around the other cells, a cell wider, has to be looked at.
        cells = box_of(foreground(scores))
        if cells is not None:
            scale = self.input_size.height // scores.shape[1]
            rows, columns = cells
            inner = np.s_[rows.start * scale : rows.stop * scale, columns.start * scale : columns.stop * scale]
            there = scores[:, rows, columns]
            if picture is None:
                best_class[inner] = best_enlarged(there, scale)
            else:
                parts = best_enlarged(there[1:], scale) + np.uint8(1)
                somebody = follow(_lead(there), picture[inner]) > 0
                best_class[inner] = parts * somebody
        return np.ascontiguousarray(best_class[self.content])

    def on_grid(self, ids: LabelMap, scale: int) -> LabelMap:
        """A map of `content_size` as seen in the middle of each cell of a grid over the input: uint8.

        Args:
            scale: input pixels to a side of a cell.
        """
        full = np.zeros(self.input_size, np.uint8)
        full[self.content] = ids
        return np.ascontiguousarray(full[scale // 2 :: scale, scale // 2 :: scale])

    def enlarge_ids(self, ids: LabelMap) -> LabelMap:
        """Ids on the scores' grid, enlarged without mixing: uint8 of `content_size`."""
        # Plain INTER_NEAREST is half a pixel off; INTER_NEAREST_EXACT takes the pixel whose centre is nearest.
        full = cv2.resize(ids, self.input_size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        return np.ascontiguousarray(full[self.content], np.uint8)


def foreground(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where any class beats background: bool (h, w)."""
    return np.asarray(scores[1:].max(axis=0) > scores[0])


def _lead(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """By how much the best class is ahead of background: float32 (h, w), so far as it matters at a border."""
    return np.asarray(np.clip(logits[1:].max(axis=0) - logits[0], -LEAD_MOST, LEAD_MOST), np.float32)


def network_size(frame_size: Size, pixels: int) -> Size:
    """The input size of about so many pixels that wastes least on a frame of this shape.

    Args:
        frame_size: of the frames that will come.
        pixels: height times width aimed at; the result's sides are multiples of 32, and at least 64.
    """
    # Of a picture as thin as a line the network sees a strip that is not all grey.
    ratio = min(max(frame_size.width / frame_size.height, 1 / SLIMMEST), SLIMMEST)
    height = (pixels / ratio) ** 0.5
    candidates = (
        _rounded(tall, tall * ratio) for tall in (height * 0.9, height * 0.95, height, height * 1.05, height * 1.1)
    )
    return max(candidates, key=lambda size: _usefulness(frame_size, size, pixels))


def _content(frame_size: Size, input_size: Size, scale_most: float) -> Size:
    scale = min(scale_most, input_size.height / frame_size.height, input_size.width / frame_size.width)
    return Size(*(max(1, min(limit, round(side * scale))) for side, limit in zip(frame_size, input_size)))


def _rounded(height: float, width: float) -> Size:
    return Size(*(max(2, round(side / MULTIPLE)) * MULTIPLE for side in (height, width)))


def _usefulness(frame_size: Size, size: Size, pixels: int) -> float:
    content = Fit.into(frame_size, size).content_size
    used = content.height * content.width
    spent = max(size.height * size.width, pixels)
    return used / spent - max(0.0, size.height * size.width / pixels - 1.15)


def box_of(cells: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """Rows and columns around the true cells, one cell wider at each side."""
    rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    if not rows.size:
        return None
    return slice(max(0, rows[0] - 1), int(rows[-1]) + 2), slice(max(0, columns[0] - 1), int(columns[-1]) + 2)


def best_enlarged(scores: NDArray[np.float32], scale: int) -> LabelMap:
    """Which of some planes is highest at each pixel when they are enlarged: uint8."""
    # Plane by plane, so that only two enlarged ones exist at a time and not one for each class.
    height, width = scores.shape[1] * scale, scores.shape[2] * scale
    best = cv2.resize(scores[0], (width, height), interpolation=cv2.INTER_LINEAR)
    labels = np.zeros((height, width), np.uint8)
    for index in range(1, len(scores)):
        plane = cv2.resize(scores[index], (width, height), interpolation=cv2.INTER_LINEAR)
        wins = cv2.compare(plane, best, cv2.CMP_GT)
        cv2.max(plane, best, dst=best)
        cv2.copyTo(np.full((height, width), index, np.uint8), wins, labels)
    return labels
