"""Packets of video and sound: from a file here, or (in `remote.py`) from a process that holds a connection."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from streamer.errors import CannotOpen, Cause
from streamer.sources.demuxer.main import duration_s, is_known, packets_of

_CLOCK_STARTS_ANYWHERE = 0x0200
"""FFmpeg's AVFMT_TS_DISCONT, among `container.format.flags`."""

Packet = Any
"""An `av.Packet` of a stream of the feed; empty after the last, for the decoder to give what it still holds."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a feed beside its packets."""

    time_base: Fraction | None
    """Seconds a tick of its pictures' times; None when they have none, and what looks like them is made up."""
    rate: Fraction | None
    """Pictures a second."""
    frames: int | None
    duration_s: float | None
    recorded: bool
    """It has an end, and comes as fast as it is read."""
    origin_s: Fraction = Fraction(0)
    """Where its clock starts."""
    rotation: int | None = None
    """Degrees counterclockwise; None when each picture says it."""
    unknown: int = 0
    """Tracks of sound that are announced and left out: what they are is not known, or was not in time."""


class Feed(Protocol):
    """Packets, once, in order."""

    video: VideoStream
    audio: tuple[AudioStream, ...]
    """They outlive it."""
    facts: Facts

    def packets(self) -> Iterator[Packet | None]:
        """All there are; None whenever nothing came for a moment. Raises SourceLost or av's errors."""

    def close(self) -> None: ...


class FileFeed:
    """A file that PyAV has opened."""

    def __init__(self, container: InputContainer, name: str, audio: bool) -> None:
        """Raises CannotOpen."""
        self._container = container
        self.video = _picture_stream(container, name)
        sounds = [each for each in container.streams.audio if audio and is_known(each)]
        self.audio = _copies(sounds)
        self._copies = dict(zip(sounds, self.audio))
        self.facts = Facts(
            self.video.time_base,
            self.video.average_rate or self.video.guessed_rate,
            self.video.frames or None,
            duration_s(container, self.video),
            True,
            _origin_s(container),
            unknown=len(container.streams.audio) - len(self.audio) if audio else 0,
        )

    def packets(self) -> Iterator[Packet | None]:
        for packet in packets_of(self._container, (self.video, *self._copies)):
            if isinstance(packet.stream, AudioStream):
                packet.stream = self._copies[packet.stream]
            yield packet

    def close(self) -> None:
        self._container.close()


def _copies(sounds: Sequence[AudioStream]) -> tuple[AudioStream, ...]:
    """What records the sound may ask for its streams when the file is closed, and then PyAV reads freed memory."""
    container = av.open(io.BytesIO(), "w", format="null")  # it takes every kind, and is never written
    return tuple(container.add_stream_from_template(each, opaque=True) for each in sounds)


def _picture_stream(container: InputContainer, name: str) -> VideoStream:
    # A song's cover is a video stream of one picture; it is not what somebody opens a file for.
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    raise CannotOpen(f"{name} has no video in it", Cause.CODEC)


def _origin_s(container: InputContainer) -> Fraction:
    """Where the file's clock starts, for the kinds of file whose clock starts anywhere, such as MPEG-TS.

    The clock of all others starts at 0 by definition: their times are kept as they stand.
    """
    if container.start_time is None or not container.format.flags & _CLOCK_STARTS_ANYWHERE:
        return Fraction(0)
    return Fraction(container.start_time, av.time_base)
