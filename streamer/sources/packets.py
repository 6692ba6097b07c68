"""Packets of video and sound: from a file here, or (in `connection.py`) from a process that holds a connection."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from streamer.media.about import About
from streamer.sources.clocks import MAX_AHEAD_S, Splicer
from streamer.sources.demuxer.main import duration_s, packets_of
from streamer.sources.file_tracks import Kept, copies, tracks_of
from streamer.sources.source import Health

_CLOCK_STARTS_ANYWHERE = 0x0200
"""FFmpeg's AVFMT_TS_DISCONT, among `container.format.flags`."""
_NO_TIMES = 0x0080
"""FFmpeg's AVFMT_NOTIMESTAMPS, the same."""
_IN_DECODING_ORDER = frozenset({"avi"})
"""Formats with one time for each packet, and no other for its picture, which FFmpeg then makes up, at times wrongly."""
MAX_START_S = 10
"""A file whose clock starts later than this does not mean that nothing is shown until then."""

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
    in_decoding_order: bool = False
    """Its pictures have the times of its packets, in their order."""
    rotation: int | None = None
    """Degrees counterclockwise; None when each picture says it."""
    mirrored: bool = False
    """The same of what is mirrored before it is turned."""
    unknown: int = 0
    """Tracks of sound that are announced and left out: what they are is not known, or was not in time."""


@dataclass(frozen=True, slots=True)
class Feed:
    """The packets of a video and its sound, once, in order."""

    video: VideoStream
    audio: tuple[Stream, ...]
    """They outlive the feed."""
    facts: Facts
    packets: Iterator[Packet | None]
    """All there are; None whenever nothing came for a moment. Raises SourceLost or av's errors."""
    close: Callable[[], None]
    health: Health = field(default_factory=Health)
    extras: tuple[Stream, ...] = ()
    """Tracks that are neither the video nor sound; they outlive the feed."""
    about: About = field(default_factory=About)


def file_feed(container: InputContainer, name: str, kept: Kept, video_track: int | None = None) -> Feed:
    """The packets of a file that PyAV has opened. Raises CannotOpen.

    Args:
        video_track: number of the track to parse; see `tracks_of`.
    """
    origin_s = _origin_s(container)
    tracks = tracks_of(container, name, kept, origin_s, video_track)
    video, origins = tracks.video, (*tracks.sounds, *tracks.extras)
    copied = copies(origins)
    facts = Facts(
        video.time_base,
        _rate(container, video),
        video.frames or None,
        duration_s(container, video),
        True,
        origin_s,
        in_decoding_order=container.format.name in _IN_DECODING_ORDER,
        unknown=tracks.unknown,
    )
    health = Health()
    packets = _file_packets(container, video, dict(zip(origins, copied)), health)
    sounds, extras = copied[: len(tracks.sounds)], copied[len(tracks.sounds) :]
    return Feed(video, sounds, facts, packets, container.close, health, extras, tracks.about)


def _file_packets(
    container: InputContainer, video: VideoStream, copied: Mapping[Stream, Stream], health: Health
) -> Iterator[Packet]:
    splicer = Splicer(starts_anywhere=bool(container.format.flags & _CLOCK_STARTS_ANYWHERE))
    for packet in packets_of(container, (video, *copied)):
        if packet.dts is not None:
            _splice(packet, splicer, leads=packet.stream is video or packet.stream.type == "audio")
            health.jumps = splicer.jumps
        packet.stream = copied.get(packet.stream, packet.stream)
        yield packet


def _splice(packet: Packet, splicer: Splicer, *, leads: bool) -> None:
    time_base, shift_s = packet.time_base, splicer.newest_shift_s
    if leads:  # subtitles and data come as they like, and say nothing of the file's clock
        shift_s = splicer.shift_s(packet.stream.index, packet.dts * time_base, (packet.duration or 0) * time_base)
    shift = round(shift_s / time_base)
    packet.dts += shift
    if packet.pts is not None:
        # A time far from that of decoding is damage: it would be hours of nothing, or more than a file can hold.
        near = abs((packet.pts + shift - packet.dts) * time_base) <= MAX_AHEAD_S
        packet.pts = packet.pts + shift if near else None


def _rate(container: InputContainer, video: VideoStream) -> Fraction | None:
    if container.format.flags & _NO_TIMES:
        return video.guessed_rate  # the video's own; the other is what FFmpeg reads such files at
    return video.average_rate or video.guessed_rate


def _origin_s(container: InputContainer) -> Fraction:
    """Where the file's clock starts, for the kinds of file whose clock starts anywhere, such as MPEG-TS.

    The clock of all others starts at 0 by definition: their times are kept as they stand, unless it was plainly set
    to something else, such as the time of day.
    """
    if container.start_time is None:
        return Fraction(0)
    start_s = Fraction(container.start_time, av.time_base)
    return start_s if container.format.flags & _CLOCK_STARTS_ANYWHERE or start_s > MAX_START_S else Fraction(0)
