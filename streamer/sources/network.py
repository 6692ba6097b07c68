"""Cameras and streams: what comes by itself, in its own time, and may fall silent."""

import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from errno import (
    EACCES,
    EBUSY,
    ECONNREFUSED,
    ECONNRESET,
    EHOSTUNREACH,
    EINVAL,
    EIO,
    EISDIR,
    ENETUNREACH,
    ENODEV,
    ENOENT,
    ENOTDIR,
    ENOTTY,
    ENXIO,
    EPERM,
)
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np

from streamer.errors import CannotOpen, Cause, SourceLost
from streamer.media.audio import AudioQueue
from streamer.media.tags import VideoTags
from streamer.sources.connection import RemoteFailed, RemoteFeed, RemoteSilent
from streamer.sources.demuxer.main import is_plain_tcp
from streamer.sources.demuxer.protocol import Failed, Request
from streamer.sources.packets import Packet
from streamer.sources.playback import Stopped
from streamer.sources.video import Reading, Shot, Video
from streamer.sources.vitals import Vitals


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for what comes over a network."""

    open_s: float = 10.0
    """To connect and to find out what comes; and as long again for the first picture, for which some cameras wait."""
    read_s: float = 5.0
    """From one picture to the next; after that the source is lost."""
    segment_s: float = 20.0
    """The same for HLS, which comes in pieces of several seconds."""


TIMEOUTS = Timeouts()

SCHEMES = ("http", "https", "rtmp", "rtmps", "rtsp", "rtsps", "tcp", "udp")

# To measure the rate FFmpeg takes twenty frames, which is a second and more. Three will do; with none, one believes
# the camera, which may say 25600. What comes slower than one a second is not waited for at all.
_QUICKLY = {"fpsprobesize": "3", "analyzeduration": "2000000"}
_OPTIONS = MappingProxyType(
    {
        "rtsp": {"rtsp_transport": "tcp"},
        "rtsps": {"rtsp_transport": "tcp"},
        # What a slow reader leaves lying is dropped; FFmpeg would end the stream.
        "udp": {"overrun_nonfatal": "1"},
    }
)


@dataclass(frozen=True, slots=True)
class _Meaning:
    """Of what FFmpeg says."""

    reason: str
    cause: Cause


_NO_PASSWORD = "user name or password is wrong or missing"
_KINDS = MappingProxyType(
    {
        "HTTPUnauthorizedError": _Meaning(f"{_NO_PASSWORD} (401)", Cause.AUTH),
        "HTTPForbiddenError": _Meaning(f"{_NO_PASSWORD} (403)", Cause.AUTH),
        "HTTPNotFoundError": _Meaning("there is no such stream at that host (404)", Cause.NOT_FOUND),
        "InvalidDataError": _Meaning("what comes from there is not a video", Cause.CODEC),
        "HungUp": _Meaning("it hung up before it said anything", Cause.ENDED),
        "EOFError": _Meaning("the connection ended before there was a picture", Cause.ENDED),
        "NoVideo": _Meaning("there is no video in it", Cause.CODEC),
    }
)
_NUMBERS = MappingProxyType(
    {
        ECONNREFUSED: _Meaning("nobody listens there", Cause.REFUSED),
        ECONNRESET: _Meaning("it hung up", Cause.ENDED),
        EHOSTUNREACH: _Meaning("there is no way to that host", Cause.UNREACHABLE),
        ENETUNREACH: _Meaning("there is no way to that network", Cause.UNREACHABLE),
    }
)
_NOT_WHOLE = _Meaning("this is no whole address, such as rtsp://host:554/path or tcp://host:port", Cause.NOT_FOUND)
_NO_RTSP = _Meaning("it hung up, or does not speak RTSP", Cause.ENDED)
# FFmpeg says "Invalid data" of a connection that is closed before anything came, as by a camera that starts.
_HUNG_UP = MappingProxyType(
    {
        "rtsp": _NO_RTSP,
        "rtsps": _NO_RTSP,
        "tcp": _Meaning("it hung up, or what it sent is not a video", Cause.ENDED),
    }
)
_NO_DEVICE = _Meaning("there is no such device", Cause.NOT_FOUND)
_NOT_A_CAMERA = _Meaning("it is not a camera", Cause.NOT_FOUND)
_NOT_ALLOWED = _Meaning("it may not be read; on Linux the group 'video' may", Cause.AUTH)
_NO_CAMERA = MappingProxyType(
    {
        ENOENT: _NO_DEVICE,
        ENOTDIR: _NO_DEVICE,
        ENODEV: _Meaning("there is no camera behind it", Cause.NOT_FOUND),
        ENXIO: _Meaning("there is no camera behind it", Cause.NOT_FOUND),
        ENOTTY: _NOT_A_CAMERA,
        EISDIR: _NOT_A_CAMERA,
        EINVAL: _Meaning("it is not a camera that gives pictures", Cause.NOT_FOUND),
        EBUSY: _Meaning("another program uses it", Cause.FAILED),
        EACCES: _NOT_ALLOWED,
        EPERM: _NOT_ALLOWED,
    }
)
_PULLED_OUT = _Meaning("it is not there any more", Cause.NOT_FOUND)


def is_address(uri: str) -> bool:
    """Whether this is something like `rtsp://…`, of any kind."""
    return re.match(r"[a-z][a-z0-9+.-]+://", uri, re.IGNORECASE) is not None


def is_camera(uri: str) -> bool:
    """Whether this is `webcam:0`, `webcam:/dev/…`, a bare number or `/dev/video0`."""
    return re.fullmatch(r"webcam:.+|[0-9]{1,3}|/dev/video[0-9]+", uri) is not None


def comes_by_itself(uri: str) -> bool:
    """Whether this is an address or a camera, so most likely live, and not a file."""
    return is_address(uri) or (is_camera(uri) and not Path(uri).is_file())


def says_what_it_is(uri: str) -> bool:
    """Whether that no video comes from there means that there is none: of what is sent without a word about it, as
    over TCP, the beginning may just have been missed, or the sender not be ready."""
    return not uri.lower().startswith("tcp:")


def without_password(url: str) -> str:
    """An address that may be shown: without user, password, and what looks like one in the rest of it."""
    # Up to the last @, wherever it stands: passwords have / and @ in them that should have been %2F and %40.
    url = re.sub(r"(?s)://.*@", "://", url)
    return re.sub(r"(?i)(pass|passwd|password|pwd|pw|token|secret|key|auth|sig|signature)=[^&;/]*", r"\1=***", url)


def open_address(url: str, audio: bool, timeouts: Timeouts, stopped: Stopped) -> Video:
    """A stream from the network. Raises CannotOpen, in about `timeouts.open_s` at most, or when stopped."""
    name = without_password(url)
    scheme = url.split("://")[0].lower()
    if scheme not in SCHEMES:
        there = ", ".join(SCHEMES)
        raise CannotOpen(f"addresses such as {scheme}://… cannot be opened; there are: {there}", Cause.NOT_FOUND)
    request = Request(url, audio, _QUICKLY | _OPTIONS.get(scheme, {}))
    silence_s = timeouts.segment_s if ".m3u8" in url else timeouts.read_s
    feed = _Connection(request, name, timeouts.open_s, stopped)
    return Video(feed, name, Reading(stopped, max(timeouts.open_s, silence_s), silence_s))


def open_camera(uri: str, timeouts: Timeouts, stopped: Stopped) -> "Video | OpenCvCamera":
    """A webcam, by number or device. Raises CannotOpen."""
    device = uri.removeprefix("webcam:")
    if not sys.platform.startswith("linux"):
        return OpenCvCamera(int(device) if device.isdecimal() else device)
    path = f"/dev/video{device}" if device.isdecimal() else device
    feed = _Connection(Request(path, False, {}, "v4l2"), f"the camera {path}", timeouts.open_s, stopped)
    return Video(feed, path, Reading(stopped, timeouts.open_s, timeouts.read_s))


class _Connection:
    """A feed from another process, which says in our words what is wrong with it."""

    def __init__(self, request: Request, name: str, open_s: float, stopped: Stopped) -> None:
        """Raises CannotOpen."""
        self._name = name
        self._over_http = request.url.lower().startswith("http")
        self._is_camera = request.format is not None
        try:
            self._remote = RemoteFeed(request, open_s, stopped)
        except RemoteSilent as exc:
            reason = "it was stopped" if stopped.is_set() else f"no answer in {open_s:.3g} s"
            raise CannotOpen(f"cannot open {name}: {reason}", Cause.TIMEOUT) from exc
        except RemoteFailed as exc:
            meaning = _meaning(exc.failed, request)
            raise CannotOpen(f"cannot open {name}: {meaning.reason}", meaning.cause) from exc
        self.video, self.audio, self.facts = self._remote.video, self._remote.audio, self._remote.facts

    def packets(self) -> Iterator[Packet | None]:
        try:
            yield from self._remote.packets()
        except RemoteFailed as exc:
            # So FFmpeg calls the end of an answer over HTTP whose length it was not told.
            if exc.failed.errno == EIO and self._over_http and not self.facts.recorded:
                return
            pulled_out = self._is_camera and exc.failed.errno == ENODEV
            why = _PULLED_OUT if pulled_out else _Meaning(exc.failed.reason, Cause.FAILED)
            raise SourceLost(f"{self._name}: {why.reason}", why.cause) from exc

    def close(self) -> None:
        self._remote.close()


def _meaning(failed: Failed, request: Request) -> _Meaning:
    plain = _Meaning(failed.reason, Cause.FAILED)
    if request.format is not None:
        known = _NO_CAMERA.get(failed.errno, plain)
        return replace(known, reason=f"{known.reason}; {_cameras()}") if known is _NO_DEVICE else known
    if not failed.host_known:
        return _Meaning("there is no host of that name", Cause.UNREACHABLE)
    if failed.errno == EINVAL and not _is_whole(request.url):
        return _NOT_WHOLE
    scheme = request.url.split("://")[0].lower()
    if failed.kind == "InvalidDataError" and scheme in _HUNG_UP and not is_plain_tcp(request.url):
        return _HUNG_UP[scheme]
    return _KINDS.get(failed.kind) or _NUMBERS.get(failed.errno, plain)


def _cameras() -> str:
    there = sorted(str(each) for each in Path("/dev").glob("video*"))
    return f"there are: {', '.join(there)}" if there else "there is none at all"


def _is_whole(url: str) -> bool:
    """Whether an address has a port where one is needed, and one that there can be."""
    port = re.match(r"(?s)[^:]+://(?:.*@)?(?:\[[^\]]*\]|[^:/?#]*)(?::(\d+))?", url)
    if port is None or port[1] is None:
        return not url.lower().startswith(("tcp:", "udp:"))
    return 0 < int(port[1]) < 65_536


class OpenCvCamera:
    """A webcam by way of OpenCV, with the same face as `Video`."""

    damaged = 0
    rate = frames = duration_s = None
    live = True

    def __init__(self, device: int | str) -> None:
        os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")  # or Windows takes a minute to open
        self.name = f"webcam:{device}"
        self.audio = AudioQueue()
        self.vitals = Vitals()
        self.codec = None
        self.tags = VideoTags()
        self._capture = cv2.VideoCapture(device)
        self._began_s: float | None = None
        first = self._next()
        if first is None:
            self.close()
            raise CannotOpen(f"cannot open the camera {self.name}: it is not there, or another program uses it")
        self.first = first

    def __iter__(self) -> Iterator[Shot]:
        yield self.first
        while shot := self._next():
            yield shot
        raise SourceLost(f"{self.name} gives no more pictures")

    def close(self) -> None:
        self._capture.release()

    def _next(self) -> Shot | None:
        came, bgr = self._capture.read()
        now_s = time.monotonic()
        self._began_s = self._began_s or now_s
        ticks = round((now_s - self._began_s) / self.tags.time_base)
        return Shot(np.ascontiguousarray(bgr, np.uint8), ticks) if came else None
