"""What a recording of a source has to know of it, beside its frames and packets."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Self

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline import Size
from pipeline.types import Picture
from streamer.media.about import About
from streamer.media.light import Light
from streamer.media.turning import turned

_UPRIGHT = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
_AS_STORED = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True, slots=True)
class VideoTags:
    """What a video says of its pictures, beside the pictures."""

    time_base: Fraction = Fraction(1, 90_000)
    """Seconds a tick of its timestamps."""
    start_ticks: int = 0
    """Timestamp of the first frame."""
    rotation: int = 0
    """Degrees by which the stored picture is turned counterclockwise to be upright: 0, 90, 180 or 270."""
    mirrored: bool = False
    """Whether it is mirrored, left to right, before it is turned."""
    pixel_aspect: Fraction = Fraction(1)
    """Width over height of a stored pixel."""
    matrix: int = 2
    """How YUV becomes RGB, as ITU-T H.273 numbers it; 2 is not stated."""
    colour_range: int = 0
    """0 is not stated, 1 is 16-235, 2 is 0-255."""
    primaries: int = 2
    """H.273; 2 is not stated."""
    transfer: int = 2
    """H.273; 2 is not stated."""
    bits: int = 8
    """Of each sample."""
    light: Light | None = None
    """What the display it was made for shows, of HDR."""
    fields: str | None = None
    """Of interlaced video, which field is shown first: tff, the upper one, or bff."""

    def stored(self, bgr: Picture) -> Picture:
        """An upright picture, turned as the video stores it."""
        return _mirrored(_turned(bgr, _AS_STORED.get(self.rotation)), self.mirrored)

    def stored_planes(self, frame: av.VideoFrame) -> av.VideoFrame:
        """As `stored`, without any conversion: of `pipeline.yuv.YUV_FORMATS`, or with 10 bits."""
        turn = _AS_STORED.get(self.rotation)
        return frame if self.is_upright else turned(frame, lambda plane: _mirrored(_turned(plane, turn), self.mirrored))

    def stored_size(self, size: Size) -> Size:
        """The size that the video stores of upright pictures of this one."""
        return Size(size.width, size.height) if self.rotation % 180 else size

    @property
    def start_s(self) -> float:
        """The time of the first frame, in seconds of the clock that its other tracks have, too."""
        return float(self.start_ticks * self.time_base)

    @property
    def is_upright(self) -> bool:
        """Whether pictures are stored as they are shown."""
        return not self.rotation and not self.mirrored

    @property
    def shown_pixel_aspect(self) -> float:
        """Width over height of a pixel of the upright picture."""
        return float(1 / self.pixel_aspect if self.rotation % 180 else self.pixel_aspect)

    @property
    def unmirrored(self) -> Self:
        """The same of a video that stores the upright pictures, if this one mirrors them."""
        if not self.mirrored:
            return self
        aspect = 1 / self.pixel_aspect if self.rotation % 180 else self.pixel_aspect
        return replace(self, mirrored=False, rotation=0, pixel_aspect=aspect)

    def square_size(self, size: Size) -> Size:
        """The size in which pictures of this one look the same with square pixels: nothing is made smaller."""
        wide = max(self.pixel_aspect, Fraction(1))
        return Size(round(size.height * wide / self.pixel_aspect), round(size.width * wide))

    def shown_square_size(self, size: Size) -> Size:
        """The same of upright pictures."""
        return self.stored_size(self.square_size(self.stored_size(size)))

    def upright(self, bgr: Picture) -> Picture:
        """A stored picture, turned upright."""
        return _turned(_mirrored(bgr, self.mirrored), _UPRIGHT.get(self.rotation))

    def upright_planes(self, frame: av.VideoFrame) -> av.VideoFrame:
        """As `upright`, without any conversion: of `pipeline.yuv.YUV_FORMATS`, or with 10 bits."""
        turn = _UPRIGHT.get(self.rotation)
        return frame if self.is_upright else turned(frame, lambda plane: _turned(_mirrored(plane, self.mirrored), turn))


def _mirrored(pixels: NDArray[Any], mirrored: bool) -> NDArray[Any]:
    return np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels


def _turned(pixels: NDArray[Any], code: int | None) -> NDArray[Any]:
    return pixels if code is None else np.asarray(cv2.rotate(pixels, code))


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source once its first frame is there."""

    name: str
    """What to call it; never with a password in it."""
    frame_size: Size
    """Of the first frame."""
    rate: Fraction | None = None
    """Frames a second on average, where the source says."""
    frames: int | None = None
    """How many will come, where the source says."""
    duration_s: float | None = None
    """How long it lasts, where the source says."""
    tags: VideoTags = field(default_factory=VideoTags)
    """What a recording of this source keeps beside the pictures."""
    live: bool = False
    """Whether it comes by itself, and cannot be wound back."""
    codec: str | None = None
    """FFmpeg's name of it; None of what is not encoded, or not by FFmpeg's account."""

    about: About = field(default_factory=About)
    """What it says of itself, if it is a file."""

    @property
    def expected_frames(self) -> int | None:
        """How many will come, or about so many, as far as the source says."""
        if self.frames is not None or self.duration_s is None or self.rate is None:
            return self.frames
        return round(self.duration_s * self.rate)
