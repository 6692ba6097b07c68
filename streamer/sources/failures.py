"""What FFmpeg says when a connection fails, in our words."""

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
    EPROTONOSUPPORT,
)
from pathlib import Path
from types import MappingProxyType

from streamer.errors import Cause
from streamer.sources.demuxer.main import is_plain_tcp
from streamer.sources.demuxer.protocol import Failed, Request
from streamer.sources.uri import is_whole


@dataclass(frozen=True, slots=True)
class Meaning:
    """Of what FFmpeg says."""

    reason: str
    cause: Cause


_NO_PASSWORD = "user name or password is wrong or missing"
_KINDS = MappingProxyType(
    {
        "HTTPUnauthorizedError": Meaning(f"{_NO_PASSWORD} (401)", Cause.AUTH),
        "HTTPForbiddenError": Meaning(f"{_NO_PASSWORD} (403)", Cause.AUTH),
        "HTTPNotFoundError": Meaning("there is no such stream at that host (404)", Cause.NOT_FOUND),
        "HTTPBadRequestError": Meaning("it does not understand what it is asked for (400)", Cause.FAILED),
        "HTTPOtherClientError": Meaning(
            "it refuses (4xx): it may have too many viewers, or other addresses", Cause.FAILED
        ),
        "HTTPServerError": Meaning("it has an error of its own (5xx)", Cause.FAILED),
        "EndlessRedirect": Meaning("it sends us on from address to address without end", Cause.UNUSABLE),
        "InvalidDataError": Meaning("what comes from there is not a video", Cause.CODEC),
        "HungUp": Meaning("it hung up before it said anything", Cause.ENDED),
        "EOFError": Meaning("the connection ended before there was a picture", Cause.ENDED),
        "ProtocolNotFoundError": Meaning(
            "this FFmpeg does not know that protocol (PyAV's own has no SRT): build PyAV with one that does, or let"
            " MediaMTX or ffmpeg pass the stream on as RTSP or MPEG-TS",
            Cause.NOT_FOUND,
        ),
        "NoVideo": Meaning("there is no video in it", Cause.CODEC),
    }
)
_NUMBERS = MappingProxyType(
    {
        ECONNREFUSED: Meaning("nobody listens there", Cause.REFUSED),
        ECONNRESET: Meaning("it hung up", Cause.ENDED),
        EPROTONOSUPPORT: Meaning(
            "the camera refuses to send in this way; --rtsp-transport has udp, tcp and auto", Cause.UNUSABLE
        ),
        EINVAL: Meaning("FFmpeg cannot make anything of it (Invalid argument)", Cause.UNUSABLE),
        EHOSTUNREACH: Meaning("there is no way to that host", Cause.UNREACHABLE),
        ENETUNREACH: Meaning("there is no way to that network", Cause.UNREACHABLE),
    }
)
_NOT_WHOLE = Meaning("this is no whole address, such as rtsp://host:554/path or tcp://host:port", Cause.NOT_FOUND)
_NO_PIPED_VIDEO = Meaning(
    "what comes is not a video, or one whose index stands at its end, as mp4's does: send MPEG-TS or Matroska",
    Cause.CODEC,
)
_NO_RTSP = Meaning("it hung up, or does not speak RTSP", Cause.ENDED)
# FFmpeg says "Invalid data" of a connection that is closed before anything came, as by a camera that starts.
_HUNG_UP = MappingProxyType(
    {
        "rtsp": _NO_RTSP,
        "rtsps": _NO_RTSP,
        "tcp": Meaning("it hung up, or what it sent is not a video", Cause.ENDED),
    }
)
_WEB = frozenset({"http", "https"})
_BROKE_OFF = Meaning("it hung up, or what it sent broke off before there was a video", Cause.ENDED)
_NO_DEVICE = Meaning("there is no such device", Cause.NOT_FOUND)
_NOT_A_CAMERA = Meaning("it is not a camera", Cause.NOT_FOUND)
_NOT_ALLOWED = Meaning("it may not be read; on Linux the group 'video' may", Cause.AUTH)
_NO_CAMERA = MappingProxyType(
    {
        ENOENT: _NO_DEVICE,
        ENOTDIR: _NO_DEVICE,
        ENODEV: Meaning("there is no camera behind it", Cause.NOT_FOUND),
        ENXIO: Meaning("there is no camera behind it", Cause.NOT_FOUND),
        ENOTTY: _NOT_A_CAMERA,
        EISDIR: _NOT_A_CAMERA,
        EINVAL: Meaning("it is not a camera that gives pictures", Cause.NOT_FOUND),
        EBUSY: Meaning("another program uses it", Cause.FAILED),
        EACCES: _NOT_ALLOWED,
        EPERM: _NOT_ALLOWED,
    }
)
X11 = "x11grab"
"""FFmpeg's name of its reader of X11."""
OUTSIDE = "what was asked for, size=HxW at left=X, top=Y, is not within it"
_NO_SCREEN = MappingProxyType(
    {
        EIO: Meaning("no display answers there, or it does not let us in (XAUTHORITY, xhost)", Cause.NOT_FOUND),
        EINVAL: Meaning(OUTSIDE, Cause.NOT_FOUND),
    }
)
_GONE = Meaning("it is not there any more", Cause.NOT_FOUND)


def meaning_of(failed: Failed, request: Request) -> Meaning:
    plain = Meaning(failed.reason, Cause.FAILED)
    if request.format == X11:
        return _NO_SCREEN.get(failed.errno, plain)
    if request.format is not None:
        known = _NO_CAMERA.get(failed.errno, plain)
        return replace(known, reason=f"{known.reason}; {_cameras()}") if known is _NO_DEVICE else known
    if not failed.host_known:
        return Meaning("there is no host of that name", Cause.UNREACHABLE)
    if failed.errno == EINVAL and not is_whole(request.url):
        return _NOT_WHOLE
    if failed.kind == "InvalidDataError" and request.url.startswith("pipe:"):
        return _NO_PIPED_VIDEO
    scheme = request.url.split("://")[0].lower()
    if failed.kind == "InvalidDataError" and scheme in _HUNG_UP and not is_plain_tcp(request.url):
        return _HUNG_UP[scheme]
    if failed.errno == EIO and scheme in _WEB:
        return _BROKE_OFF
    return _KINDS.get(failed.kind) or _NUMBERS.get(failed.errno, plain)


def meaning_of_loss(failed: Failed, request: Request) -> Meaning:
    """Of what failed after it had given pictures."""
    gone = request.format == X11 or (request.format is not None and failed.errno == ENODEV)
    return _GONE if gone else Meaning(failed.reason, Cause.FAILED)


def _cameras() -> str:
    there = sorted(str(each) for each in Path("/dev").glob("video*"))
    return f"there are: {', '.join(there)}" if there else "there is none at all"
