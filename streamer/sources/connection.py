"""The parent's handle on the process that holds a connection to a camera; what runs there is in `demux.py`."""

import io
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

import av
import msgspec
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from streamer.processes.child import Child, exit_text
from streamer.sources.demuxer.main import LEAVE_S
from streamer.sources.demuxer.protocol import (
    CORRUPT,
    ENDED,
    FAILED,
    HEAD,
    KEY,
    NO_DTS,
    NO_PTS,
    OPENED,
    PACKET_HEAD,
    Failed,
    Opened,
    Request,
)
from streamer.sources.packets import Facts, Packet
from streamer.sources.playback import Stopped

WAIT_S = 0.05
"""That nothing comes is noticed so much late at most."""

_READ_BYTES = 1 << 18
# An empty package of that name spares the process all that `import streamer` brings along, which takes longer than
# many a camera takes to answer.
_CODE = """
import types
sys.path[:] = sys.argv[3:]
sys.modules["streamer"] = types.ModuleType("streamer")
sys.modules["streamer"].__path__ = [sys.argv[2]]
from streamer.sources.demuxer.main import serve
serve()
"""

T = TypeVar("T", bound=msgspec.Struct)


class RemoteFailed(Exception):
    """Raised with what FFmpeg said in the other process."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.reason)
        self.failed = failed


class RemoteSilent(Exception):
    """Raised when nothing was opened in time, or before somebody wanted it no more."""


class _Message(NamedTuple):
    kind: int
    body: bytes


class RemoteFeed:
    """Packets of a connection that another process holds, which is ended when this one closes, whatever it does."""

    def __init__(self, request: Request, limit_s: float, stopped: Stopped) -> None:
        """Waits for the connection.

        Raises:
            RemoteSilent: after `limit_s`, or when stopped.
            RemoteFailed: it cannot be.
        """
        self._read = bytearray()
        self._heard_s = time.monotonic()
        try:
            arguments = [str(Path(__file__).parent.parent), *sys.path]
            self._child = Child("the process of a connection", _CODE, arguments, quiet=True)
        except OSError as exc:
            raise RemoteFailed(Failed("OSError", 0, f"no process for it can be started: {exc.strerror}")) from exc
        try:
            self._child.end.settimeout(WAIT_S)
            self._ask(request)
            self._set_up(self._opened(time.monotonic() + limit_s, stopped))
        except BaseException:
            self.close()
            raise

    def packets(self) -> Iterator[Packet | None]:
        while True:
            message = self._receive()
            if message is None:
                yield None
            elif message.kind == ENDED:
                yield self._flush()
                return
            elif message.kind == FAILED:
                yield self._flush()
                raise RemoteFailed(_decoded(message.body, Failed))
            else:
                yield self._packet(message.body)

    def close(self) -> None:
        # Where nothing comes, FFmpeg waits for it, and would not get to its goodbye; maybe nothing else does either.
        self._child.close(at_once=time.monotonic() - self._heard_s > LEAVE_S)

    def _ask(self, request: Request) -> None:
        body = msgspec.msgpack.encode(request)
        try:
            self._child.end.sendall(HEAD.pack(len(body), 0) + body)
        except OSError as exc:
            raise self._death() from exc

    def _opened(self, until_s: float, stopped: Stopped) -> Opened:
        while (message := self._receive()) is None:
            if stopped.is_set() or time.monotonic() > until_s:
                raise RemoteSilent
        if message.kind != OPENED:
            raise RemoteFailed(_decoded(message.body, Failed))
        return _decoded(message.body, Opened)

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
            Fraction(*opened.rate) if opened.rate else None,
            opened.frames,
            opened.duration_s,
            opened.recorded,
            rotation=opened.rotation,
            unknown=opened.unknown,
        )

    def _packet(self, body: bytes) -> Packet:
        place, flags, pts, dts, duration = PACKET_HEAD.unpack_from(body)
        packet: Packet = av.Packet(body[PACKET_HEAD.size :])
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

    def _receive(self) -> _Message | None:
        """The next message, or None if none came in a moment. Raises RemoteFailed when the process died."""
        while (message := self._take()) is None:
            try:
                piece = self._child.end.recv(_READ_BYTES)
            except TimeoutError:
                return None
            except OSError as exc:
                raise self._death() from exc
            if not piece:
                raise self._death()
            self._read += piece
        self._heard_s = time.monotonic()
        return message

    def _take(self) -> _Message | None:
        if len(self._read) < HEAD.size:
            return None
        length, kind = HEAD.unpack_from(self._read)
        end = HEAD.size + length
        if len(self._read) < end:
            return None
        body = bytes(memoryview(self._read)[HEAD.size : end])
        del self._read[:end]
        return _Message(kind, body)

    def _death(self) -> RemoteFailed:
        code = self._child.close()
        return RemoteFailed(Failed("Died", 0, f"the process that held the connection ended with {exit_text(code)}"))


def _decoded(body: bytes, kind: type[T]) -> T:
    return msgspec.msgpack.decode(body, type=kind)
