"""Pictures on disk as a source: one, several, or a file of several such as animated WebP."""

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline import BadPicture, Frame, Size
from pipeline.pictures import bgr_of_pil, opened
from pipeline.types import Picture
from streamer.errors import CannotOpen, SourceLost
from streamer.media.images import read_picture
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import SourceInfo, VideoTags
from streamer.sources.source import Source

PICTURE_RATE = Fraction(25)
"""Frames a second of a folder of pictures, which has no time of its own."""
_MS = Fraction(1, 1000)
MIN_MS = 10
"""Shorter ones mean as short as can be, which browsers take for a tenth of a second."""
TENTH_MS = 100


class Pictures(Source):
    """Still pictures one after the other, `PICTURE_RATE` of them a second. Each has its own size."""

    def __init__(self, name: str, paths: list[Path]) -> None:
        if not paths:
            raise CannotOpen(f"no pictures in {name}")
        self.paths = paths
        self.audio = PacketQueue()
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


class Animation(Source):
    """The pictures of a file, each shown for as long as it says; pages, which say nothing, as a folder of them."""

    def __init__(self, path: Path) -> None:
        """Raises CannotOpen."""
        self.audio = PacketQueue()
        self._name = str(path)
        try:
            self._image = opened(path)
            first = self._read(0)
        except BadPicture as exc:
            raise CannotOpen(str(exc)) from exc
        times = list(self._durations_ms())
        self._durations = times
        lasts_s = float(sum(times) * _MS)
        self.info = SourceInfo(
            name=path.name,
            frame_size=Size(*first.shape[:2]),
            rate=Fraction(1000 * len(times), sum(times)).limit_denominator(1001),
            frames=len(times),
            duration_s=lasts_s,
            tags=VideoTags(time_base=_MS),
        )

    def __iter__(self) -> Iterator[Frame]:
        with self:
            begins_ms = 0
            for index, lasts_ms in enumerate(self._durations):
                try:
                    bgr = self._read(index)
                except BadPicture as exc:
                    raise SourceLost(str(exc)) from exc
                yield Frame(bgr, index, begins_ms / 1000, time.monotonic(), lasts_ms / 1000)
                begins_ms += lasts_ms

    def close(self) -> None:
        self._image.close()

    def _durations_ms(self) -> Iterator[int]:
        image: Any = self._image
        for index in range(image.n_frames):
            image.seek(index)
            image.load()  # WebP says it only then
            lasts_ms = image.info.get("duration")
            if lasts_ms is None:
                yield round(1 / PICTURE_RATE / _MS)
            else:
                yield round(lasts_ms) if lasts_ms >= MIN_MS else TENTH_MS

    def _read(self, index: int) -> Picture:
        """Raises BadPicture."""
        try:
            self._image.seek(index)
            self._image.load()  # TIFF is turned by that, and would be once more
            bgr: Picture = bgr_of_pil(self._image)
            return bgr
        except (OSError, ValueError, EOFError, SyntaxError) as exc:
            raise BadPicture(f"picture {index + 1} of {self._name} cannot be read") from exc
