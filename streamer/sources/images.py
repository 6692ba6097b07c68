"""Pictures on disk as a source."""

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from pipeline import Frame, Size
from streamer.errors import CannotOpen
from streamer.media.images import read_picture
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import SourceInfo, VideoTags
from streamer.sources.source import Source

PICTURE_RATE = Fraction(25)
"""Frames a second of a folder of pictures, which has no time of its own."""


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
