"""The messages between a stream and the process that holds its camera's connection.

The stream sends one, a `Request`. Each message of the process is one byte that says its kind, and a body: that it
begins, what came of the request, then packets as FFmpeg has them, then how it ended.
"""

import struct

import av
import msgspec
from av.stream import Stream

BEGUN, OPENED, PACKET, ENDED, FAILED = range(5)
"""Kinds, with their bodies: nothing, an `Opened`, a packet, nothing, a `Failed`. All but packets are in msgpack."""
PACKET_HEAD = struct.Struct(">BBqqqd")
"""Before the bytes of a packet: the stream's number (0 is the video), flags, pts, dts, duration, and when it arrived.

That is by `time.monotonic`, whose zero is the same for all processes of a machine."""
KEY, CORRUPT, NO_PTS, NO_DTS = 1, 2, 4, 8


class Request(msgspec.Struct, frozen=True):
    """The address to open. Not on the command line, which everybody can read, since it has the password in it."""

    url: str
    audio: bool
    options: dict[str, str]
    format: str | None = None
    """FFmpeg's name of the format; None lets FFmpeg find out."""
    video_track: int | None = None
    """Number of the video track to read, from 1; None is the first."""
    poll_s: float | None = None
    """Interval at which a JPEG is fetched from a web server that gives one a request; None takes it for a still."""


class Opened(msgspec.Struct, frozen=True):
    """The streams behind the address, after it was opened."""

    template: bytes
    """A file without packets, for its streams: the video's, then those of sound."""
    time_bases: list[tuple[int, int]]
    """The time base of each stream, a fraction of seconds per tick."""
    rate: tuple[int, int] | None
    """Frame rate, a fraction."""
    pixels: str | None
    """FFmpeg's name of the pixel format. For raw video the template has neither this nor `tag`."""
    tag: str
    """The codec's FourCC."""
    timeless: bool
    """The format has no timestamps; FFmpeg made up those that are there."""
    frames: int | None
    duration_s: float | None
    recorded: bool
    """It has an end, and arrives as fast as it is read."""
    rotation: int
    """Degrees counterclockwise, of a recording."""
    mirrored: bool
    """Whether its pictures are mirrored, left to right, before they are turned."""
    unknown: int
    """Number of audio tracks that are left out because FFmpeg did not find out their parameters in time."""
    origin: tuple[int, int]
    """Where the clock of a recording starts, a fraction of seconds."""
    starts_anywhere: bool
    """The clock of this format does."""
    in_pieces: bool
    """It is read in pieces of several seconds, as HLS is."""


class Failed(msgspec.Struct, frozen=True):
    """The error that FFmpeg gave."""

    kind: str
    """The name of the exception's class."""
    errno: int
    reason: str
    """Without the address."""
    host_known: bool = True


def packet_head(packet: "av.Packet[Stream]", place: int, arrived_s: float) -> bytes:
    flags = KEY * packet.is_keyframe | CORRUPT * packet.is_corrupt
    flags |= NO_PTS * (packet.pts is None) | NO_DTS * (packet.dts is None)
    return PACKET_HEAD.pack(place, flags, packet.pts or 0, packet.dts or 0, packet.duration or 0, arrived_s)
