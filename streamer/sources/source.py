"""What a source is, and those that nothing has to be opened for."""

import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Protocol, Self

from pipeline import Frame, Size
from streamer.errors import CannotOpen
from streamer.media.audio import AudioQueue
from streamer.media.images import read_picture
from streamer.media.tags import SourceInfo, VideoTags
from streamer.sources.pattern import read_pattern
from streamer.sources.vitals import Vitals

PICTURE_RATE = Fraction(25)
"""Frames a second of a folder of pictures, which has no time of its own."""


class Source(Protocol):
    """Frames, once, in order."""

    @property
    def info(self) -> SourceInfo: ...

    @property
    def audio(self) -> AudioQueue:
        """Packets of sound that were read along with the frames; empty where there are none."""

    @property
    def damaged(self) -> int:
        """How many pieces of the source could not be decoded so far."""

    @property
    def vitals(self) -> Vitals:
        """What was read so far."""

    def __iter__(self) -> Iterator[Frame]: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def close(self) -> None:
        """Lets go of the file or connection; safe to call twice."""


class Closing:
    """`with`, and nothing to tell, for a source."""

    @property
    def damaged(self) -> int:
        return 0

    @property
    def vitals(self) -> Vitals:
        return Vitals()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is held."""


class Pictures(Closing):
    """Still pictures one after the other, `PICTURE_RATE` of them a second. Each has its own size."""

    def __init__(self, name: str, paths: list[Path]) -> None:
        if not paths:
            raise CannotOpen(f"no pictures in {name}")
        self.paths = paths
        self.audio = AudioQueue()
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


class TestPattern(Closing):
    """Something to try a stream with when no camera is there."""

    __test__ = False  # pytest would take the name for a test's

    def __init__(self, uri: str) -> None:
        self.pattern = pattern = read_pattern(uri)
        self.audio = AudioQueue()
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
