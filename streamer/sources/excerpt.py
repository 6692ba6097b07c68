"""A part of a recording: from one time to another, or each so-manieth frame."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pipeline import Frame
from streamer.errors import ConfigError
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import SourceInfo
from streamer.sources.source import Health, Source


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The frames that are wanted."""

    start_s: float = 0.0
    end_s: float | None = None
    """None is the source's end."""
    every: int = 1
    """Of each so many frames, the first."""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(f"every is at least 1, not {self.every}")
        if not self.start_s >= 0:
            raise ConfigError(f"start must be 0 or more, not {self.start_s:g}s")
        if self.end_s is not None and not self.end_s > self.start_s:
            raise ConfigError(f"end {self.end_s:g}s is not after start {self.start_s:g}s; name a later end")

    @property
    def is_whole(self) -> bool:
        return self == Excerpt()

    def check(self, info: SourceInfo) -> None:
        """Raises ConfigError where a source is known to be over before the excerpt begins."""
        if info.duration_s is not None and self.start_s >= info.duration_s:
            raise ConfigError(
                f"start {self.start_s:g}s is after the end of {info.name}, which lasts {info.duration_s:.1f}s"
            )

    def of(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The frames that are wanted; those before them are decoded and thrown away."""
        count = 0
        for frame in frames:
            if self.end_s is not None and frame.pts_s >= self.end_s:
                return
            if frame.pts_s < self.start_s:
                continue
            if count % self.every == 0:
                longer = None if frame.duration_s is None else frame.duration_s * self.every
                yield replace(frame, duration_s=longer)
            count += 1

    def info(self, info: SourceInfo) -> SourceInfo:
        """What is known of the excerpt of a source."""
        rate = None if info.rate is None else info.rate / self.every
        info = replace(info, about=info.about.part(self.start_s, self.end_s))
        if info.duration_s is None:
            return replace(info, rate=rate, frames=None)
        ends_s = info.duration_s if self.end_s is None else min(self.end_s, info.duration_s)
        frames = info.frames if self.is_whole else None
        return replace(info, rate=rate, frames=frames, duration_s=max(0.0, ends_s - self.start_s))


class Part(Source):
    """An excerpt of a source, which somebody else closes. Its frames have their places and times in the source."""

    def __init__(self, source: Source, excerpt: Excerpt) -> None:
        """Raises ConfigError where the source is over before it begins."""
        excerpt.check(source.info)
        self._source, self._excerpt = source, excerpt
        self.info, self.audio = excerpt.info(source.info), source.audio

    @property
    def health(self) -> Health:
        return self._source.health

    @property
    def extras(self) -> PacketQueue:
        return self._source.extras

    def __iter__(self) -> Iterator[Frame]:
        return self._excerpt.of(self._source)
