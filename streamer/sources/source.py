"""What a source is."""

from collections.abc import Iterator
from typing import Protocol, Self

from pipeline import Frame
from streamer.media.audio import AudioQueue
from streamer.media.tags import SourceInfo
from streamer.sources.vitals import Vitals


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
