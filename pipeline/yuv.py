"""Pictures as video keeps them: brightness at full size, colour at half, straight from the decoder.

A decoded frame is never turned into BGR and back only to have something drawn on it: what is not drawn on stays
what the camera sent, and the two conversions, as long as the network itself at 720p, are saved.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock, RLock
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from pipeline.errors import BadPicture
from pipeline.geometry import Box
from pipeline.hdr import HDR, from_sdr

_EXACTLY = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
TRUE_COLOURS = Interpolation.BILINEAR | _EXACTLY
"""The flags of swscale between YUV and BGR: its quick way darkens a picture by 1.5 levels on the round trip."""

YUV_FORMATS = ("yuv420p", "yuvj420p")
DEEP_FORMAT = "yuv420p10le"
CLEAR_FORMAT = "yuva420p"
"""With transparency, and otherwise as the first of `YUV_FORMATS`."""

# ITU-T H.273 matrix coefficients: number -> (Kr, Kb). What is not stated is BT.601, as swscale takes it.
_BT601 = (0.299, 0.114)
_WEIGHTS = MappingProxyType({1: (0.2126, 0.0722), 5: _BT601, 6: _BT601, 9: (0.2627, 0.0593)})
_FULL_RANGE = 2
_AROUND_PX = 8
"""Even, as all edges of parts are."""


T = TypeVar("T")


class _Once(Generic[T]):
    """A property that is made when first asked for, and kept.

    `functools.cached_property` of Python 3.11 holds one lock for all pictures: the streams of a program would convert
    theirs one after the other.
    """

    def __init__(self, make: "Callable[[Any], T]") -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, picture: Any, owner: type | None = None) -> T:
        if picture is None:
            return self  # type: ignore[return-value]  # of the class, for those who read its documentation
        with picture._making:
            kept = picture.__dict__
            if self._name not in kept:
                kept[self._name] = self._make(picture)
            made: T = kept[self._name]
        return made


@dataclass(frozen=True, eq=False)
class Yuv420:
    """One picture, 8-bit 4:2:0; nobody writes to it after it is made."""

    video: av.VideoFrame
    """A frame in one of `YUV_FORMATS` or in `CLEAR_FORMAT`, of even height and width."""
    deep: av.VideoFrame | None = None
    """The same picture with 10 bits, in `DEEP_FORMAT`, where the video has them."""
    origin: "Yuv420 | None" = None
    """The picture that this one was drawn on, where that has 10 bits."""
    as_shown: Callable[[av.VideoFrame], av.VideoFrame] | None = None
    """Of HDR: makes of a frame of red, green and blue what an ordinary display shows, and `bgr` has."""
    _converting: Lock = field(default_factory=Lock, init=False, repr=False)
    """Whatever converts a frame PyAV keeps with it, and meanwhile it changes the frame's tags: of two threads at once,
    as those that parse and show a picture are, each would free memory that the other writes to."""

    _making: Any = field(default_factory=RLock, init=False, repr=False)
    """Held while something is made that is kept."""

    def __post_init__(self) -> None:
        if self.video.format.name not in (*YUV_FORMATS, CLEAR_FORMAT):
            names = ", ".join(YUV_FORMATS)
            raise BadPicture(f"a YUV picture must be {names} or {CLEAR_FORMAT}, not {self.video.format.name}")
        if self.video.height % 2 or self.video.width % 2:
            raise BadPicture(f"a 4:2:0 picture must have even sides, not {self.video.height}x{self.video.width}")

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.video.height, self.video.width

    @_Once
    def bgr(self) -> NDArray[np.uint8]:
        """The same picture as uint8 (H, W, 3), C-contiguous; made when first asked for."""
        return self.scaled(*self.shape)

    @_Once
    def pixels(self) -> NDArray[np.uint8]:
        """As `bgr`; of a picture with transparency uint8 (H, W, 4), BGRA, with colours of 0 where it is transparent."""
        if self.alpha is None:
            return self.bgr
        bgr = np.asarray(cv2.copyTo(self.bgr, self.alpha), np.uint8)
        return np.asarray(cv2.merge([*cv2.split(bgr), self.alpha]), np.uint8)

    @_Once
    def alpha(self) -> NDArray[np.uint8] | None:
        """How far each pixel is there, of 255: a view, uint8 (H, W). None of a picture without transparency."""
        return _planes(self.video)[3] if self.video.format.name == CLEAR_FORMAT else None

    def scaled(self, height: int, width: int) -> NDArray[np.uint8]:
        """The picture at another size: uint8 (height, width, 3), BGR. Averages what falls together when smaller."""
        same = (height, width) == self.shape
        enlarging = height > self.shape[0]
        how = TRUE_COLOURS if same or enlarging else Interpolation.AREA | _EXACTLY
        # One thread: a picture takes half a millisecond, and several wait for each other where the cores are busy.
        # Into planes, for swscale takes twice as long to write the same colours side by side.
        with self._converting:
            small = self.video.reformat(width, height, "gbrp", interpolation=how, threads=1)
        if self.as_shown is not None:
            small = self.as_shown(small)
        green, blue, red = _planes(small)
        return np.asarray(cv2.merge([blue, green, red]), np.uint8)

    def displayed(self) -> NDArray[np.uint8]:
        """As `pixels`, for a display, a new one each time; in half the time where it can be: some 1.5 levels darker,
        and colours change at every other pixel."""
        if self.alpha is not None or self.as_shown is not None:
            return self.pixels.copy()
        with self._converting:
            quick = self.video.reformat(format="bgr24", interpolation=Interpolation.BILINEAR, threads=1)
        rows = np.frombuffer(memoryview(quick.planes[0]), np.uint8).reshape(-1, quick.planes[0].line_size)
        return rows[:, : 3 * quick.width].reshape(*self.shape, 3)

    def copy(self, rows_below: int = 0) -> "Yuv420":
        """The same picture in memory of its own, with more rows below it, an even number, of any colours."""
        video = self._blank(self.video.height + rows_below, self.video.width)
        copied = Yuv420(video, origin=None if self.deep is None else self, as_shown=self.as_shown)
        for target, source in zip(copied.planes, self.planes):
            target[: len(source)] = source
        return copied

    def deepened(self) -> av.VideoFrame:
        """The picture with 10 bits: the video's own where nothing is drawn, and two bits of nothing where it is."""
        if self.deep is not None:
            return self.deep
        frame = av.VideoFrame(self.video.width, self.video.height, DEEP_FORMAT)
        own = self.origin if self.origin is not None and self.origin.shape == self.shape else None
        before = (None,) * 3 if own is None else own.planes
        deep = (None,) * 3 if own is None or own.deep is None else _deep_planes(own.deep)
        for target, drawn, plain, fine in zip(_deep_planes(frame), self.planes, before, deep):
            np.left_shift(drawn, 2, out=target, dtype=np.uint16)
            if plain is not None and fine is not None:
                np.copyto(target, fine, where=drawn == plain)
        return frame

    def blank(self) -> "Yuv420":
        """A picture of the same size and terms, of any colours."""
        return Yuv420(self._blank(*self.shape), as_shown=self.as_shown)

    def cleared(self) -> "Yuv420":
        """A picture of the same size and terms, black and wholly transparent."""
        full = self.is_full_range
        cleared = Yuv420(self._blank(*self.shape, CLEAR_FORMAT))
        with cleared._converting:
            cleared.video.color_range = _FULL_RANGE if full else int(self.video.color_range)
        for plane, value in zip(_planes(cleared.video), (0 if full else 16, 128, 128, 0)):
            plane[:] = value
        return cleared

    def part(self, box: Box) -> NDArray[np.uint8]:
        """A part of the picture as uint8 (H, W, 3), BGR; the box has even edges."""
        height, width = self.shape
        # Colours are between those of their neighbours: a few more are looked at.
        left, top = max(0, box.left - _AROUND_PX), max(0, box.top - _AROUND_PX)
        right, bottom = min(width, box.right + _AROUND_PX), min(height, box.bottom + _AROUND_PX)
        cropped = Yuv420(self._blank(bottom - top, right - left), as_shown=self.as_shown)
        for target, source, step in zip(cropped.planes, self.planes, (1, 2, 2)):
            target[:] = source[top // step : bottom // step, left // step : right // step]
        return cropped.bgr[box.top - top : box.bottom - top, box.left - left : box.right - left]

    def of_bgr(self, bgr: NDArray[np.uint8]) -> "Yuv420":
        """Another picture of this size in this picture's terms; not for HDR.

        Args:
            bgr: uint8 (H, W, 3).
        """
        made = Yuv420(self._blank(*self.shape))
        matrix, full, _ = self._terms
        rows, low = _matrix(matrix, full)
        y, u, v = cv2.split(cv2.transform(bgr, np.column_stack([rows[:, ::-1], low]).astype(np.float32)))
        half = self.shape[1] // 2, self.shape[0] // 2
        for target, source in zip(made.planes, (y, u, v)):
            target[:] = (
                source if source.shape == target.shape else cv2.resize(source, half, interpolation=cv2.INTER_AREA)
            )
        return made

    def _blank(self, height: int, width: int, kind: str = "") -> av.VideoFrame:
        """A frame of any colours and this one's tags, in its format or another."""
        video = av.VideoFrame(width, height, kind or self.video.format.name)
        with self._converting:
            video.colorspace, video.color_range = self.video.colorspace, self.video.color_range
            video.color_primaries, video.color_trc = self.video.color_primaries, self.video.color_trc
        return video

    @property
    def is_full_range(self) -> bool:
        """Whether all 256 levels are used."""
        return self.video.format.name == "yuvj420p" or int(self.video.color_range) == _FULL_RANGE

    @property
    def tags(self) -> tuple[str, int, int, int]:
        """The format, and the tags of the matrix, of the range and of the transfer: what numbers mean for colours."""
        video = self.video
        return video.format.name, int(video.colorspace), int(video.color_range), int(video.color_trc)

    @_Once
    def planes(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
        """Y, U and V as views: uint8 (H, W), (H/2, W/2), (H/2, W/2)."""
        y, u, v = _planes(self.video)[:3]
        return y, u, v

    def colours(self, bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Colours in this picture's own terms.

        Args:
            bgr: uint8 (n, 3).

        Returns:
            uint8 (n, 3): Y, U, V.
        """
        return _converted(bgr.tobytes(), *self._terms)

    @_Once
    def _terms(self) -> tuple[int, bool, int | None]:
        """The matrix's number, whether all 256 levels are used, and the transfer's number of HDR."""
        with self._converting:
            transfer = int(self.video.color_trc)
            return int(self.video.colorspace), self.is_full_range, transfer if transfer in HDR else None


def _planes(video: av.VideoFrame) -> list[NDArray[np.uint8]]:
    return [
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in video.planes
    ]


def _deep_planes(video: av.VideoFrame) -> list[NDArray[np.uint16]]:
    return [
        np.frombuffer(memoryview(plane), np.uint16).reshape(-1, plane.line_size // 2)[: plane.height, : plane.width]
        for plane in video.planes
    ]


@lru_cache(maxsize=64)
def _converted(bgr: bytes, matrix: int, full: bool, hdr: int | None) -> NDArray[np.uint8]:
    coloured = np.frombuffer(bgr, np.uint8).reshape(-1, 3)[:, ::-1] / 255
    rows, low = _matrix(matrix, full)
    values = (coloured if hdr is None else from_sdr(coloured, hdr)) @ (255 * rows.T) + low
    converted = np.clip(np.round(values), 0, 255).astype(np.uint8)
    converted.setflags(write=False)
    return converted


@lru_cache(maxsize=8)
def _matrix(matrix: int, full: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What Y, U and V are of red, green and blue, all in levels of 255: (3, 3), and (3,) to be added."""
    red, blue = _WEIGHTS.get(matrix, _BT601)
    bright = np.array([red, 1 - red - blue, blue])
    towards_blue = (np.array([0.0, 0.0, 1.0]) - bright) / (2 - 2 * blue)
    towards_red = (np.array([1.0, 0.0, 0.0]) - bright) / (2 - 2 * red)
    scale_y, low_y, scale_c = (255.0, 0.0, 255.0) if full else (219.0, 16.0, 224.0)
    rows = np.stack([bright * scale_y, towards_blue * scale_c, towards_red * scale_c]) / 255
    return rows, np.array([low_y, 128.0, 128.0])
