"""Cameras and streams: what comes by itself, in its own time, and may fall silent."""

import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from errno import EACCES, EBUSY, ECONNREFUSED, EHOSTUNREACH, EINVAL, EIO, ENETUNREACH, ENODEV, ENOENT, ENOTTY
from types import MappingProxyType

import av
import cv2
import numpy as np

from streamer.errors import CannotOpen, SourceLost
from streamer.video import AudioTap, Reading, Shot, Video, VideoTags, nameless


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for what comes over a network."""

    open_s: float = 10.0
    """To connect and to find out what comes."""
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

_REASONS = MappingProxyType(
    {
        ECONNREFUSED: "nobody listens there",
        EHOSTUNREACH: "there is no way to that host",
        ENETUNREACH: "there is no way to that network",
        EINVAL: "this is no whole address, such as rtsp://host:554/path or tcp://host:port",
    }
)
_NO_CAMERA = MappingProxyType(
    {
        ENOENT: "there is no such device",
        ENODEV: "there is no camera behind it",
        ENOTTY: "it is not a camera",
        EINVAL: "it is not a camera that gives pictures",
        EBUSY: "another program uses it",
        EACCES: "it may not be read; on Linux the group 'video' may",
    }
)


def is_address(uri: str) -> bool:
    """Whether this is something like `rtsp://…`, of any kind."""
    return re.match(r"[a-z][a-z0-9+.-]+://", uri, re.IGNORECASE) is not None


def is_camera(uri: str) -> bool:
    """Whether this is `webcam:0`, `webcam:/dev/…`, a bare number or `/dev/video0`."""
    return re.fullmatch(r"webcam:.+|[0-9]{1,3}|/dev/video[0-9]+", uri) is not None


def without_password(url: str) -> str:
    """An address that may be shown: without user, password, and what looks like one in the rest of it."""
    # Up to the last @, wherever it stands: passwords have / and @ in them that should have been %2F and %40.
    url = re.sub(r"(?s)://.*@", "://", url)
    return re.sub(r"(?i)(pass|passwd|password|pwd|pw|token|secret|key|auth|sig|signature)=[^&;/]*", r"\1=***", url)


def open_address(url: str, audio: bool, timeouts: Timeouts) -> Video:
    """A stream from the network. Raises CannotOpen, in about `timeouts.open_s` at most."""
    name = without_password(url)
    scheme = url.split("://")[0].lower()
    if scheme not in SCHEMES:
        raise CannotOpen(f"addresses such as {scheme}://… cannot be opened; there are: {', '.join(SCHEMES)}")
    silence_s = timeouts.segment_s if ".m3u8" in url else timeouts.read_s
    began_s = time.monotonic()
    try:
        container = av.open(
            url,
            options=_QUICKLY | _OPTIONS.get(scheme, {}),
            timeout=(timeouts.open_s / 2, silence_s),  # the first is for connecting and, again, for finding out
            metadata_errors="replace",
        )
    except av.error.FFmpegError as exc:
        waited_s = time.monotonic() - began_s
        reason = f"no answer in {waited_s:.0f} s" if waited_s >= timeouts.open_s / 2 else _reason(exc, url)
        raise CannotOpen(f"cannot open {name}: {reason}") from nameless(exc)
    return Video(container, name, Reading(audio=audio, live=True, silence_s=silence_s))


def _reason(exc: av.error.FFmpegError, url: str) -> str:
    if isinstance(exc, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return f"user name or password is wrong or missing ({_status(exc)})"
    if isinstance(exc, av.error.HTTPNotFoundError):
        return "there is no such stream at that host (404)"
    if isinstance(exc, av.error.InvalidDataError):
        return "what comes from there is not a video"
    if isinstance(exc, av.error.EOFError):
        return "the connection ended before there was a picture"
    if exc.errno == EIO and not _resolves(url):
        return "there is no host of that name"
    return _REASONS.get(exc.errno or 0, exc.strerror or "it fails")


def _status(exc: av.error.FFmpegError) -> int:
    return 401 if isinstance(exc, av.error.HTTPUnauthorizedError) else 403


def _resolves(url: str) -> bool:
    # FFmpeg says "Input/output error" of a host that is not known, as of everything else.
    host = re.match(r"[^:]+://(?:.*@)?\[?([^\]:/?#]*)", url)
    try:
        socket.getaddrinfo(host[1] if host else "", None)
    except (OSError, UnicodeError):
        return False
    return True


def open_camera(uri: str) -> "Video | OpenCvCamera":
    """A webcam, by number or device. Raises CannotOpen."""
    device = uri.removeprefix("webcam:")
    if not sys.platform.startswith("linux"):
        return OpenCvCamera(int(device) if device.isdecimal() else device)
    path = f"/dev/video{device}" if device.isdecimal() else device
    try:
        container = av.open(path, format="v4l2", metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as exc:
        reason = _NO_CAMERA.get(exc.errno or 0, exc.strerror or "it fails")
        raise CannotOpen(f"cannot open the camera {path}: {reason}") from exc
    return Video(container, path, Reading(live=True))


class OpenCvCamera:
    """A webcam by way of OpenCV, with the same face as `Video`."""

    damaged = 0
    rate = frames = duration_s = None
    live = True

    def __init__(self, device: int | str) -> None:
        os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")  # or Windows takes a minute to open
        self.name = f"webcam:{device}"
        self.audio = AudioTap()
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
