"""Packets of video and sound: from a file here, or (in `connection.py`) from a process that holds a connection."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Feed:
    """The packets of a video and its sound, once, in order."""

    video: VideoStream
    audio: tuple[AudioStream, ...]
    """They outlive the feed."""
    facts: Facts
    packets: Iterator[Packet | None]
    """All there are; None whenever nothing came for a moment. Raises SourceLost or av's errors."""
    close: Callable[[], None]


def file_feed(container: InputContainer, name: str, audio: bool) -> Feed:
    """The packets of a file that PyAV has opened. Raises CannotOpen."""
    video = _picture_stream(container, name)
    sounds = [each for each in container.streams.audio if audio and is_known(each)]
    copies = dict(zip(sounds, _copies(sounds)))
    facts = Facts(
        video.time_base,
        video.average_rate or video.guessed_rate,
        video.frames or None,
        duration_s(container, video),
        True,
        _origin_s(container),
        unknown=len(container.streams.audio) - len(sounds) if audio else 0,
    )
    return Feed(video, tuple(copies.values()), facts, _file_packets(container, video, copies), container.close)


def _file_packets(
    container: InputContainer, video: VideoStream, copies: dict[AudioStream, AudioStream]
) -> Iterator[Packet]:
    for packet in packets_of(container, (video, *copies)):
        if isinstance(packet.stream, AudioStream):
            packet.stream = copies[packet.stream]
        yield packet


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
