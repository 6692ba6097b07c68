"""The inside of the process that holds the connection to a camera.

FFmpeg cannot be interrupted while it looks up a name, connects or waits for a sender that says nothing, and what it
reads is broken once it gave up waiting. A process can be ended at any moment. This file imports nothing of ours but
the messages and the channel, so that the process is there within a tenth of a second.
"""

import io
import re
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from errno import EINVAL, EIO
from fractions import Fraction
from itertools import chain
from typing import Any, cast

import av
import msgspec
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideData
from av.stream import Stream
from msgspec.structs import replace

from streamer.processes.framing import ChannelClosed
from streamer.processes.parent import Parent
from streamer.sources.demuxer.jpegs import fetched
from streamer.sources.demuxer.protocol import BEGUN, ENDED, FAILED, OPENED, PACKET, Failed, Opened, Request, packet_head

MAX_DECODED = 200
"""Maximum number of packets that are decoded to find out a recording's rotation."""

_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
"""Samples a second, in the order of their numbers in ISO/IEC 14496-3, table 1.18."""
_AAC_CHANNELS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 8: 7}
"""Numbers of channels, and their numbers in table 1.19."""
_AAC_PLAIN = 2
"""The "object type" of AAC as everybody means it, LC."""

_PLAIN_TCP = re.compile(r"tcp://(?P<host>\[[^\]]+\]|[^:/?#\[\]@]+):(?P<port>[0-9]{1,5})(?:/[^?#]*)?", re.IGNORECASE)

_NO_TIMES = 0x0080
"""FFmpeg's AVFMT_NOTIMESTAMPS, among `container.format.flags`."""
_CLOCK_STARTS_ANYWHERE = 0x0200
"""FFmpeg's AVFMT_TS_DISCONT, the same."""
MAX_START_S = 10
"""A file whose clock starts later than this does not mean that nothing is shown until then."""
_IN_PIECES = frozenset({"hls", "dash"})


_JPEGS = frozenset({"mpjpeg"})
_ONE_JPEG = frozenset({"image2", "jpeg_pipe"})
FEW = 2
"""FFmpeg ends after so many JPEGs where a camera says a wrong length."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class HungUp(OSError):
    """Raised when a sender ends the connection before it said anything."""


class EndlessRedirect(OSError):
    """Raised when a web server sends on from address to address."""


@dataclass(slots=True)
class _Progress:
    """How far a connection by FFmpeg has come."""

    opened: bool = False
    """The parent was told of it."""
    few: bool = False
    """It gives JPEGs of which FFmpeg takes a few at most."""


class _Sender:
    """A connection that FFmpeg reads from as from a file; on Windows a socket has no file descriptor."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def read(self, size: int) -> bytes:
        """Raises OSError."""
        return self._connection.recv(size)


def serve(parent: Parent) -> None:
    """Opens what the parent asks for and sends its packets. See `streamer.processes.parent`."""
    request = msgspec.msgpack.decode(parent.receive(), type=Request)
    with suppress(ChannelClosed):  # the parent wants no more
        _send(parent, BEGUN)
        try:
            with ExitStack() as stack:
                _pour_any(request, _reached(request.url, stack), parent)
        except (av.error.FFmpegError, ValueError, OSError) as exc:
            _send(parent, FAILED, msgspec.msgpack.encode(_failure(exc, request.url)))
        else:
            _send(parent, ENDED)


def is_plain_tcp(url: str) -> bool:
    """Whether this is a sender's host and port, and nothing else."""
    found = _PLAIN_TCP.fullmatch(url)
    return found is not None and 0 < int(found["port"]) < 65_536


def _reached(url: str, stack: ExitStack) -> str | _Sender:
    """What FFmpeg is to open. Raises OSError.

    FFmpeg calls invalid what it reads of a sender that hangs up before it says anything, as it does what is no video:
    so a sender is connected to here, and FFmpeg is given it when it has begun to speak.
    """
    found = _PLAIN_TCP.fullmatch(url)
    if found is None or not is_plain_tcp(url):
        return url
    sender = stack.enter_context(socket.create_connection((found["host"].strip("[]"), int(found["port"]))))
    if not sender.recv(1, socket.MSG_PEEK):
        raise HungUp
    return _Sender(sender)


def _pour_any(request: Request, file: str | _Sender, parent: Parent) -> None:
    """By FFmpeg; what of JPEGs over HTTP it does not understand, by our own reader."""
    progress = _Progress()
    try:
        _pour(request, file, parent, progress)
    except av.error.FFmpegError as exc:
        # What has begun is told once: it is lost, and connected to again.
        if progress.opened or not _is_http(request) or not _may_be_jpegs(exc):
            raise
        try:
            _pour_jpegs(request, parent, opened=False)
        except (OSError, ValueError) as why:
            if getattr(why, "code", None) in _REDIRECTS:
                raise EndlessRedirect from None
            raise exc from None  # FFmpeg knows better why
        return
    if progress.few and _is_http(request):
        _pour_jpegs(request, parent, opened=progress.opened)


def _is_http(request: Request) -> bool:
    return request.url.lower().startswith("http")


def _may_be_jpegs(exc: av.error.FFmpegError) -> bool:
    """EIO is what FFmpeg says of too many redirects, too."""
    return isinstance(exc, (av.error.InvalidDataError, av.error.EOFError)) or exc.errno in (EINVAL, EIO)


def _pour_jpegs(request: Request, parent: Parent, *, opened: bool) -> None:
    """Raises OSError or ValueError."""
    for jpeg in fetched(request.url, request.poll_s or 1.0):
        arrived_s = time.monotonic()
        if not opened:
            with av.open(io.BytesIO(jpeg), "r", format="mjpeg") as container:
                known = _opened(container, list(container.streams.video), (0, False), audio=False)
            live = replace(known, timeless=True, recorded=False, rate=None, frames=None, duration_s=None)
            _send(parent, OPENED, msgspec.msgpack.encode(live))
            opened = True
        packet: av.Packet[Stream] = av.Packet(jpeg)
        packet.is_keyframe = True
        _send(parent, PACKET, packet_head(packet, 0, arrived_s), packet)


def _pour(request: Request, file: str | _Sender, parent: Parent, progress: _Progress) -> None:
    options = request.options
    with av.open(file, "r", format=request.format, options=options, metadata_errors="replace") as container:
        jpegs = container.format.name in _JPEGS
        if request.poll_s and container.format.name in _ONE_JPEG:
            progress.few = True
            return
        streams = _streams(container, request.audio, request.video_track or 1)
        if not streams:
            kind, which = ("NoSuchTrack", f"track {request.video_track} ") if request.video_track else ("NoVideo", "")
            _send(parent, FAILED, msgspec.msgpack.encode(Failed(kind, 0, f"there is no video {which}in it")))
            return
        turn, packets = _turn(container, packets_of(container, streams))
        _send(parent, OPENED, msgspec.msgpack.encode(_opened(container, streams, turn, request.audio)))
        progress.opened = True
        place = {stream.index: number for number, stream in enumerate(streams)}
        count = 0
        try:
            for packet in packets:
                # Here, as whoever reads from this process may be busy or stand still.
                arrived_s = time.monotonic()
                if _changed(packet, streams[0]):
                    raise ValueError("it changed its format")
                if packet.size:
                    _send(parent, PACKET, packet_head(packet, place[packet.stream.index], arrived_s), packet)
                    count += 1
        except av.error.FFmpegError:
            if not (jpegs and count <= FEW):
                raise
        progress.few = jpegs and count <= FEW


def _changed(packet: "av.Packet[Stream]", video: Stream) -> bool:
    """Whether what decodes the pictures must be made anew: RTMP says so in the middle, others in the pictures."""
    if packet.stream.index != video.index or not packet.has_sidedata("new_extradata"):
        return False
    return bytes(packet.get_sidedata("new_extradata")) != video.codec_context.extradata


def _streams(container: InputContainer, audio: bool, number: int) -> list[Stream]:
    """The video's of a number, then those of sound; none if there is no such video."""
    # A song's cover is a video stream of one picture; it is not what somebody opens a file for.
    videos = [each for each in container.streams.video if not each.disposition & av.stream.Disposition.attached_pic]
    sounds = [each for each in container.streams.audio if audio and is_known(each)]
    return [videos[number - 1], *sounds] if 1 <= number <= len(videos) else []


def packets_of(container: InputContainer, streams: Iterable[Stream]) -> Iterator["av.Packet[Stream]"]:
    """All there are, and an empty one of each stream after the last."""
    # PyAV fails after them where a track has begun meanwhile, of which it knows nothing.
    with suppress(IndexError):
        yield from container.demux(*streams)


def is_known(sound: AudioStream) -> bool:
    """Whether enough is known of a track of sound to write it into a file."""
    context = sound.codec_context
    return context is not None and context.sample_rate > 0 and context.channels > 0


def _opened(container: InputContainer, streams: list[Stream], turn: tuple[int, bool], audio: bool) -> Opened:
    video = streams[0]
    timeless = bool(container.format.flags & _NO_TIMES)
    rate = None if timeless else video.average_rate or video.guessed_rate
    return Opened(
        template=_template(streams),
        time_bases=[each.time_base.as_integer_ratio() if each.time_base else (1, 90_000) for each in streams],
        rate=rate.as_integer_ratio() if rate else None,
        pixels=getattr(video.codec_context, "pix_fmt", None),
        tag=video.codec_context.codec_tag,
        timeless=timeless,
        frames=video.frames or None,
        duration_s=duration_s(container, video),
        recorded=_recorded(container, video),
        rotation=turn[0],
        mirrored=turn[1],
        unknown=sum(not is_known(each) for each in container.streams.audio) if audio else 0,
        origin=origin_s(container).as_integer_ratio(),
        starts_anywhere=starts_anywhere(container),
        in_pieces=container.format.name in _IN_PIECES,
    )


def origin_s(container: InputContainer) -> Fraction:
    """Where the clock of a recording starts, for the kinds whose clock starts anywhere, such as MPEG-TS.

    The clock of all others starts at 0 by definition: their times are kept as they stand, unless it was plainly set
    to something else, such as the time of day.
    """
    if container.start_time is None:
        return Fraction(0)
    start_s = Fraction(container.start_time, av.time_base)
    return start_s if starts_anywhere(container) or start_s > MAX_START_S else Fraction(0)


def starts_anywhere(container: InputContainer) -> bool:
    return bool(container.format.flags & _CLOCK_STARTS_ANYWHERE)


def duration_s(container: InputContainer, video: Stream) -> float | None:
    """How long a video is, where it says so."""
    if video.duration is not None and video.time_base is not None:
        return float(video.duration * video.time_base)
    if container.duration is None:
        return None
    # Matroska says when it ends, which of a clock that was set to the time of day is hours.
    before_s = 0 if starts_anywhere(container) else float(origin_s(container))
    return container.duration / av.time_base - before_s


def _recorded(container: InputContainer, video: Stream) -> bool:
    # A web server that cannot wind says how many bytes a file of MPEG-TS has, and so nobody knows how many seconds.
    return duration_s(container, video) is not None or (container.format.name == "mpegts" and container.size > 0)


def turn_of(frame: av.VideoFrame) -> tuple[int, bool]:
    """How a picture is shown: degrees by which it is turned counterclockwise, and whether it is mirrored before."""
    try:
        data = cast(Any, frame.side_data).get(SideData.DISPLAYMATRIX)
    except ValueError:  # beside it is something that PyAV has no name for, such as EXIF
        return round(frame.rotation / 90) * 90 % 360, False
    if data is None:
        return 0, False
    matrix = struct.unpack("=9i", bytes(data)[:36])
    (right_x, right_y), (down_x, down_y) = matrix[:2], matrix[3:5]  # where its axes point to
    mirrored = right_x * down_y < right_y * down_x
    if mirrored:
        right_x, right_y = -right_x, -right_y
    if abs(right_x) >= abs(right_y):
        return (0 if right_x >= 0 else 180), mirrored
    return (90 if right_y < 0 else 270), mirrored


def _turn(
    container: InputContainer, packets: Iterator["av.Packet[Stream]"]
) -> tuple[tuple[int, bool], Iterator["av.Packet[Stream]"]]:
    """How a recording is turned, which only its pictures say, and its packets. Cameras turn theirs before they send."""
    tried: list[av.Packet[Stream]] = []
    if container.duration is None:
        return (0, False), packets
    for packet in packets:
        tried.append(packet)
        with suppress(av.error.InvalidDataError):
            for frame in packet.decode() if packet.size else []:
                if isinstance(frame, av.VideoFrame):
                    return turn_of(frame), chain(tried, packets)
        if len(tried) >= MAX_DECODED:
            break
    return (0, False), chain(tried, packets)


def _template(streams: list[Stream]) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="nut") as out:
        for stream in streams:
            copy = out.add_stream_from_template(stream, opaque=True)
            if isinstance(stream, AudioStream):
                copy.codec_context.extradata = stream.codec_context.extradata or _aac_config(stream)
        none: av.Packet[Stream] = av.Packet(bytes(8))  # NUT has no file without a packet
        none.stream, none.pts, none.dts, none.is_keyframe = out.streams[0], 0, 0, True
        out.mux(none)
    return file.getvalue()


def _aac_config(sound: AudioStream) -> bytes | None:
    """What the beginning of an mp4 has to say of AAC that comes framed, and says it only in its packets."""
    context = sound.codec_context
    channels = _AAC_CHANNELS.get(context.channels)
    # The other kinds double their rate in ways of their own.
    if (context.name, context.profile) != ("aac", "LC") or context.sample_rate not in _AAC_RATES or channels is None:
        return None
    return (_AAC_PLAIN << 11 | _AAC_RATES.index(context.sample_rate) << 7 | channels << 3).to_bytes(2)


def _failure(exc: av.error.FFmpegError | ValueError | OSError, url: str) -> Failed:
    if not isinstance(exc, (av.error.FFmpegError, OSError)):
        return Failed("ValueError", 0, str(exc))
    known = not isinstance(exc, socket.gaierror) and (exc.errno != EIO or _resolves(url))
    return Failed(type(exc).__name__, exc.errno or 0, exc.strerror or "it fails", known)


def _resolves(url: str) -> bool:
    # FFmpeg says "Input/output error" of a host that is not known, as of everything else.
    host = re.match(r"[^:]+://(?:.*@)?\[?([^\]:/?#]*)", url)
    try:
        socket.getaddrinfo(host[1] if host else "", None)
    except (OSError, UnicodeError):
        return False
    return True


def _send(parent: Parent, kind: int, *parts: "bytes | av.Packet[Stream]") -> None:
    """Raises ChannelClosed."""
    parent.send(b"".join((bytes([kind]), *(memoryview(part) for part in parts))))
