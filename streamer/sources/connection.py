"""The parent's handle on the process that holds a connection to a camera; see `streamer.sources.demuxer`."""

import io
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import TypeVar, cast

import av
import msgspec
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from streamer.processes.child import Child, exit_text
from streamer.processes.framing import ChannelClosed
from streamer.sources.demuxer.protocol import (
    BEGUN,
    CORRUPT,
    ENDED,
    FAILED,
    KEY,
    NO_DTS,
    NO_PTS,
    OPENED,
    PACKET_HEAD,
    Failed,
    Opened,
    Request,
)
from streamer.sources.packets import MAX_RATE, Facts, Packet
from streamer.sources.playback import Stopped
from streamer.sources.timing.buffer import Wait
from streamer.sources.timing.losses import Pauses

WAIT_S = 0.05
"""Maximum delay in noticing that nothing comes."""
START_S = 30.0
"""Time for the process to start, beside that for the camera, which gets all of its own: a busy machine is no silent
camera."""
LEAVE_S = 0.3
"""Time to say goodbye to the camera, when nobody wants its packets any more."""

_MODULE = "streamer.sources.demuxer.main"

T = TypeVar("T", bound=msgspec.Struct)


class RemoteFailed(Exception):
    """Raised with FFmpeg's error in the other process."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.reason)
        self.failed = failed


class RemoteSilent(Exception):
    """Raised when nothing was opened in time, or before it was stopped."""


class RemoteFeed:
    """Packets of a connection that another process holds; closing ends that process, whatever it does."""

    def __init__(self, request: Request, limit_s: float, stopped: Stopped, files: tuple[int, ...] = ()) -> None:
        """Waits for the connection.

        Args:
            files: descriptors that the process has as well.

        Raises:
            RemoteSilent: after `limit_s` from when the process began, or when stopped.
            RemoteFailed: it cannot be.
        """
        self._heard_s = time.monotonic()
        self.wait = Wait(WAIT_S)
        """How long `packets` waits before it says that none came."""
        self.arrived_s = self._heard_s
        """When the newest packet that was given arrived at the other process, by `time.monotonic`."""
        first = msgspec.msgpack.encode(request)
        try:
            name = "the process of a connection"
            self._child = Child(name, _MODULE, first, wait_s=WAIT_S, leave_s=LEAVE_S, quiet=True, files=files)
        except OSError as exc:
            raise RemoteFailed(Failed("OSError", 0, f"no process for it can be started: {exc.strerror}")) from exc
        try:
            self._set_up(self._opened(limit_s, stopped))
        except BaseException:
            self.close()
            raise

    def packets(self) -> Iterator[Packet | None]:
        while True:
            message = self._receive()
            if message is None:
                yield None
            elif message[0] == ENDED:
                yield self._flush()
                return
            elif message[0] == FAILED:
                yield self._flush()
                raise RemoteFailed(_decoded(message, Failed))
            else:
                yield self._packet(message[1:])

    def close(self) -> None:
        # Where nothing comes, FFmpeg waits for it, and would not get to its goodbye; maybe nothing else does either.
        self._child.close(at_once=time.monotonic() - self._heard_s > LEAVE_S)

    def _opened(self, limit_s: float, stopped: Stopped) -> Opened:
        until_s = time.monotonic() + START_S + limit_s
        while (message := self._receive()) is None or message[0] == BEGUN:
            if message is not None:
                until_s = time.monotonic() + limit_s
            if stopped.is_set() or time.monotonic() > until_s:
                raise RemoteSilent
        if message[0] != OPENED:
            raise RemoteFailed(_decoded(message, Failed))
        return _decoded(message, Opened)

    def _set_up(self, opened: Opened) -> None:
        # Never closed: who records has its streams, maybe for longer than the connection lasts.
        self._template = av.open(io.BytesIO(opened.template), format="nut", options={"analyzeduration": "0"})
        self._streams = list(self._template.streams)
        self._time_bases = [Fraction(*each) for each in opened.time_bases]
        self.video = cast(VideoStream, self._streams[0])
        if self.video.codec_context.name == "rawvideo":
            self.video.codec_context.pix_fmt, self.video.codec_context.codec_tag = opened.pixels, opened.tag
        self.audio = tuple(cast(AudioStream, each) for each in self._streams[1:])
        self.facts = Facts(
            None if opened.timeless else self._time_bases[0],
            Fraction(*opened.rate) if opened.rate and Fraction(*opened.rate) <= MAX_RATE else None,
            opened.frames,
            opened.duration_s,
            opened.recorded,
            Fraction(*opened.origin),
            rotation=opened.rotation,
            mirrored=opened.mirrored,
            unknown=opened.unknown,
            in_pieces=opened.in_pieces,
            starts_anywhere=opened.starts_anywhere,
            pauses=Pauses.LOST if opened.starts_anywhere else Pauses.MEANT,
        )

    def _packet(self, body: memoryview) -> Packet:
        place, flags, pts, dts, duration, self.arrived_s = PACKET_HEAD.unpack_from(body)
        packet: Packet = av.Packet(bytes(body[PACKET_HEAD.size :]))
        packet.stream, packet.time_base = self._streams[place], self._time_bases[place]
        packet.pts = None if flags & NO_PTS else pts
        packet.dts = None if flags & NO_DTS else dts
        packet.duration = duration
        packet.is_keyframe, packet.is_corrupt = bool(flags & KEY), bool(flags & CORRUPT)
        return packet

    def _flush(self) -> Packet:
        packet: Packet = av.Packet()
        packet.stream, packet.time_base = self.video, self._time_bases[0]
        return packet

    def _receive(self) -> memoryview | None:
        """The next message, or None if none came in a moment. Raises RemoteFailed when the process died."""
        try:
            message = self._child.receive(lambda: False, self.wait.seconds)
        except ChannelClosed as exc:
            raise self._death() from exc
        if message is not None:
            self._heard_s = time.monotonic()
        return message

    def _death(self) -> RemoteFailed:
        code = self._child.close()
        return RemoteFailed(Failed("Died", 0, f"the process that held the connection ended with {exit_text(code)}"))


def _decoded(message: memoryview, kind: type[T]) -> T:
    return msgspec.msgpack.decode(message[1:], type=kind)
