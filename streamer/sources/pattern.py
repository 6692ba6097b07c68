"""A test pattern: bars and a square that moves, with nothing to read it from."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import count

import cv2
import numpy as np

from pipeline import Frame, Size
from pipeline.types import Picture
from streamer.errors import ConfigError
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import SourceInfo, VideoTags
from streamer.sources.source import Source

PATTERN_SIZE = Size(480, 640)
MAX_SIDE_PX = 16_384


@dataclass(frozen=True, slots=True)
class Pattern:
    """What to draw, how often and for how long."""

    size: Size = PATTERN_SIZE
    rate: Fraction = Fraction(30)
    """Frames a second."""
    frames: int | None = None
    """How many; None is no end."""

    def drawn(self, index: int) -> Picture:
        """Bars, and a square that moves by four pixels a frame."""
        height, width = self.size
        bars = np.arange(width) * 8 // width
        picture = np.empty((height, width, 3), np.uint8)
        picture[:] = np.stack([bars & 1, bars >> 1 & 1, bars >> 2 & 1], axis=-1).astype(np.uint8) * 160 + 32
        side = max(1, height // 4)
        left = 4 * index % max(1, width - side + 1)
        picture[height // 2 - side // 2 : height // 2 + (side + 1) // 2, left : left + side] = (255, 255, 255)
        cv2.putText(picture, str(index), (4, height - 6), cv2.FONT_HERSHEY_SIMPLEX, height / 480, (255, 255, 255))
        return picture


def read_pattern(uri: str) -> Pattern:
    """The settings after `test:`. Raises ConfigError."""
    text = uri.removeprefix("test:")
    pairs = dict(part.partition("=")[::2] for part in text.split(",") if part)
    allowed = "size=HxW, rate=R and frames=N, with commas between them"
    if unknown := set(pairs) - {"size", "rate", "frames"}:
        raise ConfigError(f"test pattern: no setting {sorted(unknown)[0]!r}; there are {allowed}")
    try:
        height, _, width = pairs.get("size", "480x640").partition("x")
        pattern = Pattern(
            Size(int(height), int(width)),
            Fraction(pairs.get("rate", "30")),
            int(pairs["frames"]) if "frames" in pairs else None,
        )
    except (ValueError, ZeroDivisionError) as exc:
        raise ConfigError(f"test pattern {text!r} cannot be read; it is {allowed}") from exc
    if min(pattern.size) < 1 or pattern.rate <= 0 or (pattern.frames is not None and pattern.frames < 1):
        raise ConfigError(f"test pattern {text!r}: sizes, rate and frames are above 0")
    if max(pattern.size) > MAX_SIDE_PX:
        raise ConfigError(f"test pattern {text!r}: sides are {MAX_SIDE_PX} at most")
    return pattern


class TestPattern(Source):
    """Something to try a stream with when no camera is there."""

    __test__ = False  # pytest would take the name for a test's

    def __init__(self, uri: str) -> None:
        self.pattern = pattern = read_pattern(uri)
        self.audio = PacketQueue()
        self.info = SourceInfo(
            name=uri,
            frame_size=pattern.size,
            rate=pattern.rate,
            frames=pattern.frames,
            duration_s=float(pattern.frames / pattern.rate) if pattern.frames else None,
            tags=VideoTags(time_base=1 / pattern.rate),
        )

    def __iter__(self) -> Iterator[Frame]:
        for index in count() if self.pattern.frames is None else range(self.pattern.frames):
            yield Frame(self.pattern.drawn(index), index, float(index / self.pattern.rate), time.monotonic())
