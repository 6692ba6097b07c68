"""A video as a background: the picture that it shows at a time, again and again from its beginning."""

from collections.abc import Generator, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np

from pipeline.errors import BadPicture
from pipeline.types import Picture

SUFFIXES = frozenset({".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".ts", ".gif"})
"""What is read as a video; anything else is a picture."""
MAX_SKIPPED = 1000
"""Frames that are decoded to come to a time; beyond that the film stands still until it is shown again."""


class Film:
    """One video, read from its beginning on, whose end its beginning follows. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Raises BadPicture: missing, or no video."""
        self._path = path
        self._begins_s = 0.0
        """When the round that is read now began."""
        self._frames = self._decoded()
        self._now = self._coming = next(self._frames)

    def at(self, time_s: float) -> Picture:
        """The picture at a time since it began: uint8 (H, W, 3), BGR. Times may only grow. Raises BadPicture."""
        for _ in range(MAX_SKIPPED):
            if self._coming.shown_s > time_s:
                break
            self._now, self._coming = self._coming, next(self._frames)
        return self._now.bgr

    def close(self) -> None:
        """Safe to call twice."""
        self._frames.close()

    def _decoded(self) -> Generator["_Shot", None, None]:
        while True:
            try:
                with av.open(str(self._path)) as container:
                    yield from self._round(container)
            except (OSError, ValueError, IndexError) as exc:
                why = getattr(exc, "strerror", None) or "there is no video in it"
                raise BadPicture(f"background {self._path} is no picture or video that can be read: {why}") from exc

    def _round(self, container: Any) -> Iterator["_Shot"]:
        stream = container.streams.video[0]
        last_s, first_s = -1.0, None
        for frame in container.decode(stream):
            time_s = frame.time or 0.0
            first_s = time_s if first_s is None else first_s
            last_s = max(last_s, time_s - first_s)
            yield _Shot(frame, self._begins_s + last_s)
        if first_s is None:
            raise ValueError("no frames")
        self._begins_s += last_s + float(1 / (stream.average_rate or 25))


class _Shot:
    """A frame of it."""

    def __init__(self, frame: Any, shown_s: float) -> None:
        self._frame, self.shown_s = frame, shown_s

    @cached_property
    def bgr(self) -> Picture:
        return np.ascontiguousarray(self._frame.to_ndarray(format="bgr24"))
