"""Letterboxing: a frame into the network's input, and the scores back to labels that cover the whole frame.

A network takes pictures whose sides are multiples of 32. The frame is scaled, its shape kept, into the top
left corner of such a picture, or into its middle, and what is left over is grey. `Letterbox` remembers how, so that
the same file takes the grey off again: no other part of the program knows about it.

A worked example: a 720x1280 frame and an input of 256x448. 448 / 1280 = 0.35, so the frame becomes 252x448
and the last four rows are grey. Scores come back at 64x112; they are enlarged to 256x448, the labels are
the highest of them, and the last four rows are dropped: a label map of 252x448 covers the frame.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadPicture
from pipeline.geometry import Size
from pipeline.network.guided_filter import follow
from pipeline.network.options import MULTIPLE
from pipeline.network.upsampling import best_enlarged, box_of, lead_of, tiled
from pipeline.types import LabelMap, Picture
from pipeline.yuv import Yuv420

SLIMMEST = 16
"""The maximum aspect ratio of the input; a longer frame is reduced to a strip of it."""

MAX_LEAD = 6.0
"""Leads, in logits, are clipped to this before the guided filter draws borders."""

_GREY = (127, 127, 127)


@dataclass(frozen=True, slots=True)
class Letterbox:
    """The transform of frames of one size into a network's input of one size."""

    frame_size: Size
    input_size: Size
    content_size: Size
    """The part of the input that the frame covers."""
    top: int = 0
    """Rows of grey above it."""
    left: int = 0
    """Columns of grey left of it."""
    pixel_aspect: float = 1.0
    """Width over height of a pixel of the frame; the input's pixels are square."""

    @classmethod
    def into(cls, frame_size: Size, input_size: Size, pixel_aspect: float = 1.0) -> "Letterbox":
        """The largest fit that keeps the shape in which the frame is shown, in the top left corner."""
        content = _content(shown(frame_size, pixel_aspect), input_size, scale_most=float("inf"))
        return cls(frame_size, input_size, content, pixel_aspect=pixel_aspect)

    @classmethod
    def centred(cls, frame_size: Size, input_size: Size, pixel_aspect: float = 1.0) -> "Letterbox":
        """The largest fit in the middle of the input that does not enlarge the frame."""
        content = _content(shown(frame_size, pixel_aspect), input_size, scale_most=1.0)
        top, left = ((whole - part) // 2 for whole, part in zip(input_size, content))
        return cls(frame_size, input_size, content, top, left, pixel_aspect)

    @property
    def shown_size(self) -> Size:
        """The frame's size where its pixels are square."""
        return shown(self.frame_size, self.pixel_aspect)

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
            raise BadPicture(f"the picture must be {self.frame_size}, not {Size(*picture.shape[:2])}")
        content = picture.scaled(*self.content_size) if isinstance(picture, Yuv420) else self._scaled(picture)
        if self.content_size == self.input_size:
            return content
        below, beside = (whole - part for whole, part in zip(self.input_size, self.content_size))
        edges = self.top, below - self.top, self.left, beside - self.left
        return np.asarray(cv2.copyMakeBorder(content, *edges, cv2.BORDER_CONSTANT, value=_GREY), np.uint8)

    def _scaled(self, bgr: Picture) -> Picture:
        # A half is a mean of four pixels, which OpenCV takes in a tenth of the time that any other share takes it.
        while all(side % 2 == 0 and side >= 2 * part for side, part in zip(bgr.shape, self.content_size)):
            bgr = np.asarray(cv2.resize(bgr, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        # INTER_AREA averages all that falls into a pixel, where INTER_LINEAR, four times as quick, would skip rows and
        # make thin limbs flicker; down to a half it skips none.
        skipping = any(side > 2 * part for side, part in zip(bgr.shape, self.content_size))
        how = cv2.INTER_AREA if skipping else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(bgr, self.content_size[::-1], interpolation=how), np.uint8)

    def labels(
        self, scores: NDArray[np.float32], picture: Picture | None = None, lead: NDArray[np.float32] | None = None
    ) -> LabelMap:
        """The best class of each pixel, from scores at a fraction of the input's size.

        Args:
            scores: float32 (classes, h, w) over the whole input, the grey included.
            picture: the network's input, for logits: where people end follows what is seen in it. None is for
                scores of other kinds, whose borders are drawn as they are.
            lead: what `lead_of` says of the scores, where that was asked before.

        Returns:
            uint8 of `content_size`.
        """
        best_class = np.zeros(self.input_size, np.uint8)
        lead = lead_of(scores) if lead is None else lead
        # Enlarging is bilinear, so where background wins at all four surrounding cells it wins between them too:
        # only the box around the other cells, a cell wider, has to be looked at.
        cells = box_of(lead > 0)
        if cells is not None:
            scale = self.input_size.height // scores.shape[1]
            rows, columns = cells
            inner = np.s_[rows.start * scale : rows.stop * scale, columns.start * scale : columns.stop * scale]
            there = scores[:, rows, columns]
            classes = np.arange(len(scores), dtype=np.uint8)
            if picture is None:
                best_class[inner] = best_enlarged(there, classes, scale)
            else:
                leads = np.maximum(np.minimum(lead[cells], MAX_LEAD), -MAX_LEAD)
                followed = follow(leads, picture[inner])
                somebody = np.asarray(cv2.compare(followed, 0, cv2.CMP_GT), np.uint8)  # type: ignore[call-overload]
                cv2.copyTo(best_enlarged(there[1:], classes[1:], scale, somebody), somebody, best_class[inner])
        return np.ascontiguousarray(best_class[self.content])

    def on_grid(self, ids: LabelMap, scale: int) -> LabelMap:
        """A map of `content_size` as seen in the middle of each cell of a grid over the input: uint8.

        Args:
            scale: input pixels to a side of a cell.
        """
        grid = np.zeros([side // scale for side in self.input_size], np.uint8)
        # The first cells whose middle lies below the grey above, and right of that at the left.
        down, across = (-(-(grey - scale // 2) // scale) for grey in (self.top, self.left))
        top, left = scale // 2 + down * scale - self.top, scale // 2 + across * scale - self.left
        seen = ids[top::scale, left::scale]
        grid[down : down + seen.shape[0], across : across + seen.shape[1]] = seen
        return grid

    def enlarge_ids(self, ids: LabelMap) -> LabelMap:
        """Ids on the scores' grid, enlarged without mixing: uint8 of `content_size`."""
        return np.ascontiguousarray(tiled(ids, self.input_size.height // ids.shape[0])[self.content])


def shown(frame_size: Size, pixel_aspect: float) -> Size:
    """The size of a frame with square pixels, of as many rows."""
    return Size(frame_size.height, max(1, round(frame_size.width * pixel_aspect)))


@lru_cache(maxsize=64)  # a stream asks for the same ones with each frame
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
    content = Letterbox.into(frame_size, size).content_size
    return content.area / max(size.area, pixels) - max(0.0, size.area / pixels - 1.15)
