"""Where frames come from.

A source is opened by `open_source`, which returns only when the first frame is in hand: whatever can be wrong
with a file or an address is told there. It is read once, by iterating, and closes itself at the end; `with`
closes it earlier. Frames are upright (a phone's rotation is undone) and in the order of the source, `index`
counts from 0 without gaps unless frames were lost, and `pts_s` is the source's own time, so that it repeats
or jumps where the source's does. A frame's size may differ from the last one's.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from glob import glob, has_magic
from pathlib import Path
from typing import Protocol, Self

import cv2
import numpy as np

from pipeline import Frame, Picture, Size
from streamer.errors import CannotOpen, ConfigError
from streamer.pictures import is_picture, list_pictures, natural_order, read_picture
from streamer.video import AudioTap, VideoFile, VideoTags

PICTURE_RATE = Fraction(25)
"""Frames a second of a folder of pictures, which has no time of its own."""


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

    @property
    def expected_frames(self) -> int | None:
        """How many will come, or about so many, as far as the source says."""
        if self.frames is not None or self.duration_s is None or self.rate is None:
            return self.frames
        return round(self.duration_s * self.rate)


class Source(Protocol):
    """Frames, once, in order."""

    @property
    def info(self) -> SourceInfo: ...

    @property
    def audio(self) -> AudioTap:
        """Packets of sound that were read along with the frames; empty where there are none."""

    @property
    def damaged(self) -> int:
        """How many pieces of the source could not be decoded so far."""

    def __iter__(self) -> Iterator[Frame]: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def close(self) -> None:
        """Lets go of the file or connection; safe to call twice."""


def open_source(uri: str | Path, *, audio: bool = False) -> Source:
    """Opens whatever gives frames.

    Args:
        uri: a video file; a picture; a folder of pictures or a glob such as `frames/*.png`, in the order of
            their names; or `test:`, a moving pattern, with `size=HxW,rate=R,frames=N` after the colon in any part.
        audio: read the packets of sound too, into `Source.audio`.

    Raises:
        CannotOpen: there is no such thing, it cannot be read, or it has no frames.
        ConfigError: a `test:` pattern with settings that cannot be.
    """
    text = str(uri)
    if text.startswith("test:"):
        return TestPattern(text)
    if re.match(r"[a-z][a-z0-9+.-]+://", text, re.IGNORECASE):
        raise CannotOpen(f"addresses such as {text.split('://')[0]}://… cannot be opened yet; files and pictures can")
    path = Path(text)
    if path.is_dir():
        return Pictures(text, list_pictures(path))
    if has_magic(text) and not path.exists():
        found = sorted(filter(is_picture, map(Path, glob(text))), key=natural_order)  # noqa: PTH207  (absolute ones too)
        return Pictures(text, found)
    if is_picture(path):
        return Pictures(text, [path])
    return _File(path, audio)


def sample(name: str) -> Path:
    """A clip that comes with the program: `street.mp4` or `portrait.mp4`."""
    here = Path(__file__).parent
    installed = here / "samples" / name
    return installed if installed.exists() else here.parent / "sample_videos" / name  # in a checkout


PATTERN_SIZE = Size(480, 640)


class _Closing:
    """`with` for the sources of this file."""

    damaged = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is held."""


class _File(_Closing):
    """A video file, decoded by PyAV in the order in which it is shown."""

    def __init__(self, path: Path, audio: bool) -> None:
        self._file = VideoFile(path, audio)
        self.audio = self._file.audio
        self.info = SourceInfo(
            name=path.name,
            frame_size=Size(*self._file.first.picture.shape[:2]),
            rate=self._file.rate,
            frames=self._file.frames,
            duration_s=self._file.duration_s,
            tags=self._file.tags,
        )

    @property
    def damaged(self) -> int:  # type: ignore[override]
        return self._file.damaged

    def __iter__(self) -> Iterator[Frame]:
        with self:
            tags = self.info.tags
            for index, shot in enumerate(self._file):
                pts_s = float((shot.ticks - tags.start_ticks) * tags.time_base)
                yield Frame(shot.picture, index, pts_s, time.monotonic())

    def close(self) -> None:
        self._file.close()


class Pictures(_Closing):
    """Still pictures one after the other, `PICTURE_RATE` of them a second. Each has its own size."""

    def __init__(self, name: str, paths: list[Path]) -> None:
        if not paths:
            raise CannotOpen(f"no pictures in {name}")
        self.paths = paths
        self.audio = AudioTap()
        self._first = read_picture(paths[0])
        self.info = SourceInfo(
            name=name,
            frame_size=Size(*self._first.shape[:2]),
            rate=PICTURE_RATE,
            frames=len(paths),
            duration_s=float(len(paths) / PICTURE_RATE),
            tags=VideoTags(time_base=1 / PICTURE_RATE),
        )

    def __iter__(self) -> Iterator[Frame]:
        for index, path in enumerate(self.paths):
            bgr = read_picture(path) if index else self._first
            yield Frame(bgr, index, float(index / PICTURE_RATE), time.monotonic())


class TestPattern(_Closing):
    """Bars and a square that moves by four pixels a frame: something to try a stream with when no camera is there."""

    __test__ = False  # pytest would take the name for a test's

    def __init__(self, uri: str) -> None:
        settings = _pattern_settings(uri)
        self.size, self.rate, self._frames = settings.size, settings.rate, settings.frames
        self.audio = AudioTap()
        self.info = SourceInfo(
            name=uri,
            frame_size=self.size,
            rate=self.rate,
            frames=self._frames,
            duration_s=float(self._frames / self.rate) if self._frames else None,
            tags=VideoTags(time_base=1 / self.rate),
        )

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while self._frames is None or index < self._frames:
            yield Frame(self._drawn(index), index, float(index / self.rate), time.monotonic())
            index += 1

    def _drawn(self, index: int) -> Picture:
        height, width = self.size
        bars = np.arange(width) * 8 // width
        picture = np.empty((height, width, 3), np.uint8)
        picture[:] = np.stack([bars & 1, bars >> 1 & 1, bars >> 2 & 1], axis=-1).astype(np.uint8) * 160 + 32
        side = max(1, height // 4)
        left = 4 * index % max(1, width - side + 1)
        picture[height // 2 - side // 2 : height // 2 + (side + 1) // 2, left : left + side] = (255, 255, 255)
        cv2.putText(picture, str(index), (4, height - 6), cv2.FONT_HERSHEY_SIMPLEX, height / 480, (255, 255, 255))
        return picture


@dataclass(frozen=True, slots=True)
class _Pattern:
    size: Size = PATTERN_SIZE
    rate: Fraction = Fraction(30)
    frames: int | None = None


def _pattern_settings(uri: str) -> _Pattern:
    text = uri.removeprefix("test:")
    pairs = dict(part.partition("=")[::2] for part in text.split(",") if part)
    allowed = "size=HxW, rate=R and frames=N, with commas between them"
    if unknown := set(pairs) - {"size", "rate", "frames"}:
        raise ConfigError(f"test pattern: no setting {sorted(unknown)[0]!r}; there are {allowed}")
    try:
        height, _, width = pairs.get("size", "480x640").partition("x")
        pattern = _Pattern(
            Size(int(height), int(width)),
            Fraction(pairs.get("rate", "30")),
            int(pairs["frames"]) if "frames" in pairs else None,
        )
    except (ValueError, ZeroDivisionError) as exc:
        raise ConfigError(f"test pattern {text!r} cannot be read; it is {allowed}") from exc
    if min(pattern.size) < 1 or pattern.rate <= 0 or (pattern.frames is not None and pattern.frames < 1):
        raise ConfigError(f"test pattern {text!r}: sizes, rate and frames are above 0")
    return pattern
