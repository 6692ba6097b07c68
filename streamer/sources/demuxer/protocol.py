"""What crosses the pipe between a stream and the process that holds its camera's connection.

A message is a head and a body: of the process, once what it is to open, in msgpack; from it what came of that, packets
as FFmpeg has them, and how it ended.
"""

import struct

import av
import msgspec
from av.stream import Stream

HEAD = struct.Struct(">IB")
"""Before each message: its length, its kind."""
PACKET_HEAD = struct.Struct(">BBqqq")
"""Before the bytes of a packet: which stream (0 is the video's), flags, pts, dts, duration."""
OPENED, PACKET, ENDED, FAILED = range(4)
KEY, CORRUPT, NO_PTS, NO_DTS = 1, 2, 4, 8


class Request(msgspec.Struct, frozen=True):
    """What to open. It crosses the pipe, for a command line can be read by everybody and this has the password."""

    url: str
    audio: bool
    options: dict[str, str]
    format: str | None = None
    """FFmpeg's name of it; None finds out."""


class Opened(msgspec.Struct, frozen=True):
    """What came of it."""

    template: bytes
    """A file without packets: only its streams count, that of the pictures and then those of sound."""
    time_bases: list[tuple[int, int]]
    """Seconds a tick of each stream, as a fraction."""
    rate: tuple[int, int] | None
    """Pictures a second, as a fraction."""
    pixels: str | None
    """FFmpeg's name of the kind. Of raw pictures the template knows neither that nor the next."""
    tag: str
    """Four letters for the codec."""
    timeless: bool
    """It has no times; what looks like them FFmpeg made up."""
    frames: int | None
    duration_s: float | None
    recorded: bool
    """It has an end, and comes as fast as it is read."""
    rotation: int
    """Degrees counterclockwise, of a recording."""
    unknown: int
    """Tracks of sound that are announced and left out: what they are is not known, or was not in time."""


class Failed(msgspec.Struct, frozen=True):
    """What FFmpeg said instead."""

    kind: str
    """The name of the error's class."""
    errno: int
    reason: str
    """Without the address."""
    host_known: bool = True


def packet_head(packet: "av.Packet[Stream]", place: int) -> bytes:
    flags = KEY * packet.is_keyframe | CORRUPT * packet.is_corrupt
    flags |= NO_PTS * (packet.pts is None) | NO_DTS * (packet.dts is None)
    return PACKET_HEAD.pack(place, flags, packet.pts or 0, packet.dts or 0, packet.duration or 0)
