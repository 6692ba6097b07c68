"""Packets of video and sound: from a file here, or (in `connection.py`) from a process that holds a connection."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from streamer.media.about import About
from streamer.sources.demuxer.main import duration_s, origin_s, packets_of, starts_anywhere
from streamer.sources.file_tracks import Kept, copies, tracks_of
from streamer.sources.source import Health
from streamer.sources.timing.buffer import Wait
from streamer.sources.timing.clocks import MAX_AHEAD_S, Splicer
from streamer.sources.timing.indexed import in_index
from streamer.sources.timing.losses import Losses, Pauses

_NO_TIMES = 0x0080
"""FFmpeg's AVFMT_NOTIMESTAMPS, among `container.format.flags`."""
_IN_DECODING_ORDER = frozenset({"avi", "asf"})
"""Formats with one time for each packet, and no other for its picture, which FFmpeg then makes up, at times wrongly."""
_INDEXED = frozenset({"avi"})
"""Those of them whose times are counted, and whose index has all of their packets."""

_NEVER_EMPTY = frozenset({"aac", "mp3", "mp3float", "mp2", "mp2float", "ac3", "eac3", "alac", "flac", "opus", "vorbis"})
"""Codecs of sound no packet of which is zeros alone, silence included."""

MAX_RATE = 1000
"""More pictures a second are a mistake."""

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
    in_pieces: bool = False
    """It is read in pieces of several seconds, as HLS is."""
    starts_anywhere: bool = False
    """The clock of such a recording does, so that it has jumped where it runs ahead."""
    pauses: Pauses = Pauses.MEANT
    """What it means that nothing comes for a while."""


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
    losses: Losses = field(default_factory=lambda: Losses(Pauses.MEANT))
    """Of what is recorded."""
    extras: tuple[Stream, ...] = ()
    """Tracks that are neither the video nor sound; they outlive the feed."""
    about: About = field(default_factory=About)
    wait: Wait = field(default_factory=Wait)
    """How long `packets` waits before it says that nothing came; whoever reads it may change that."""
    arrived_s: Callable[[], float] = time.monotonic
    """When the packet that `packets` gave last arrived, by `time.monotonic`."""


def file_feed(container: InputContainer, name: str, kept: Kept, video_track: int | None = None) -> Feed:
    """The packets of a file that PyAV has opened. Raises CannotOpen.

    Args:
        video_track: number of the track to parse; see `tracks_of`.
    """
    origin = origin_s(container)
    tracks = tracks_of(container, name, kept, origin, video_track)
    video, origins = tracks.video, (*tracks.sounds, *tracks.extras)
    copied = copies(origins)
    rate = _rate(container, video)
    facts = Facts(
        video.time_base,
        rate,
        video.frames or None,
        _lasts_s(container, video, rate),
        True,
        origin,
        in_decoding_order=container.format.name in _IN_DECODING_ORDER,
        unknown=tracks.unknown,
        # Times that FFmpeg makes up begin with the first packet, whose picture may not be shown first.
        starts_anywhere=starts_anywhere(container) or bool(container.format.flags & _NO_TIMES),
        pauses=_pauses(container),
    )
    health, losses = Health(), Losses(facts.pauses)
    packets = _file_packets(container, video, dict(zip(origins, copied)), facts, (health, losses))
    sounds, extras = copied[: len(tracks.sounds)], copied[len(tracks.sounds) :]
    about = tracks.about
    return Feed(video, sounds, facts, packets, container.close, health, losses, extras=extras, about=about)


def _file_packets(
    container: InputContainer,
    video: VideoStream,
    copied: Mapping[Stream, Stream],
    facts: Facts,
    counts: tuple[Health, Losses],
) -> Iterator[Packet]:
    health, losses = counts
    packets: Iterable[Packet] = packets_of(container, (video, *copied))
    if container.format.name in _INDEXED:
        packets = in_index(packets, (video, *copied), video, losses)
    for packet in spliced(packets, video, facts, health, losses):
        packet.stream = copied.get(packet.stream, packet.stream)
        yield packet


def spliced(
    packets: Iterable[Packet | None], video: VideoStream, facts: Facts, health: Health, losses: Losses
) -> Iterator[Packet]:
    """The packets of a recording whose clock goes on where it jumps; what is missing between them is counted."""
    splicer = Splicer(starts_anywhere=facts.starts_anywhere)
    for packet in packets:
        if packet is not None and packet.dts is not None:
            _splice(packet, splicer, leads=packet.stream is video or packet.stream.type == "audio")
            health.jumps = splicer.jumps
            if packet.size:
                _look_for_losses(packet, video, losses)
        yield packet


def _look_for_losses(packet: Packet, video: VideoStream, losses: Losses) -> None:
    time_s = packet.dts * packet.time_base
    if packet.stream is video:
        losses.picture(time_s)
    elif packet.stream.type == "audio":
        can_tell = packet.stream.codec_context.name in _NEVER_EMPTY
        empty = can_tell and not bytes(packet).strip(b"\0")
        losses.sound(packet.stream.index, time_s, (packet.duration or 0) * packet.time_base, empty=empty)


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


def _pauses(container: InputContainer) -> Pauses:
    if container.format.name.startswith("mov"):
        return Pauses.TOLD
    steady = starts_anywhere(container) or container.format.name in _INDEXED
    return Pauses.LOST if steady else Pauses.MEANT


def _lasts_s(container: InputContainer, video: VideoStream, rate: Fraction | None) -> float | None:
    """How long the pictures are to last. Of an AVI that breaks off, FFmpeg says how long what is left lasts."""
    lasts_s = duration_s(container, video)
    if container.format.name in _INDEXED and video.frames and rate:
        return max(lasts_s or 0.0, float(video.frames / rate))
    return lasts_s


def _rate(container: InputContainer, video: VideoStream) -> Fraction | None:
    if container.format.flags & _NO_TIMES:
        return video.guessed_rate  # the video's own; the other is what FFmpeg reads such files at
    rates = (video.average_rate, video.guessed_rate, video.codec_context.framerate)
    # Of raw DV, FFmpeg takes the ticks of its clock for frames.
    return next((rate for rate in rates if rate is not None and 0 < rate <= MAX_RATE), None)
