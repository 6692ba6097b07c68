"""Streams from the network: what comes by itself, in its own time, and may fall silent."""

from collections.abc import Iterator
from dataclasses import dataclass
from errno import EIO
from functools import partial
from types import MappingProxyType

from msgspec.structs import replace

from streamer.errors import CannotOpen, Cause, SourceLost
from streamer.sources.connection import RemoteFailed, RemoteFeed, RemoteSilent
from streamer.sources.demuxer.protocol import Request
from streamer.sources.failures import meaning_of, meaning_of_loss
from streamer.sources.file_tracks import Parts
from streamer.sources.packets import Feed, Packet, spliced
from streamer.sources.playback import Stopped
from streamer.sources.source import Health
from streamer.sources.timing.losses import Losses
from streamer.sources.timing.playout import Playing
from streamer.sources.uri import BARE_PASSWORD, Transport, has_bare_password, without_password
from streamer.sources.video import LiveReading, Video


@dataclass(frozen=True, slots=True)
class Access:
    """How what is there is asked for."""

    rtsp_transport: Transport = "auto"
    poll_hz: float | None = None
    """Pictures per second that are fetched from a web server which gives one JPEG a request; None takes that for a
    still."""


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

SCHEMES = ("http", "https", "rtmp", "rtmps", "rtsp", "rtsps", "srt", "tcp", "udp")

# To measure the rate FFmpeg takes twenty frames, which is a second and more. Three will do; with none, one believes
# the camera, which may say 25600. What comes slower than one a second is not waited for at all.
_QUICKLY = {"fpsprobesize": "3", "analyzeduration": "2000000"}
RTSP = ("rtsp", "rtsps")
_OPTIONS = MappingProxyType(
    {
        # What a slow reader leaves lying is dropped; FFmpeg would end the stream.
        "udp": {"overrun_nonfatal": "1"},
    }
)


def open_address(
    url: str,
    parts: Parts,
    timeouts: Timeouts,
    stopped: Stopped,
    playing: Playing | None,
    access: Access,
) -> Video:
    """A stream from the network. Raises CannotOpen, in about `timeouts.open_s` at most, or when stopped."""
    name = without_password(url)
    scheme = url.split("://")[0].lower()
    if scheme not in SCHEMES:
        there = ", ".join(SCHEMES)
        raise CannotOpen(f"addresses such as {scheme}://… cannot be opened; there are: {there}", Cause.NOT_FOUND)
    if has_bare_password(url):
        raise CannotOpen(f"cannot open {name}: {BARE_PASSWORD}", Cause.NOT_FOUND)
    silence_s = timeouts.segment_s if ".m3u8" in url else timeouts.read_s
    poll_s = None if access.poll_hz is None else 1 / access.poll_hz
    options, audio = _QUICKLY | _OPTIONS.get(scheme, {}), parts.kept != "none"
    request = Request(url, audio, options, video_track=parts.video_track, poll_s=poll_s)
    if poll_s is not None and 3 * poll_s > silence_s and scheme in ("http", "https"):
        silence_s = 3 * poll_s
    feed = (
        _connect_rtsp(request, name, timeouts.open_s, stopped, access)
        if scheme in RTSP
        else connect(request, name, timeouts.open_s, stopped)
    )
    live = LiveReading(stopped, max(timeouts.open_s, silence_s), silence_s, playing)
    return Video(feed, name, live, parts=parts)


def _connect_rtsp(request: Request, name: str, open_s: float, stopped: Stopped, access: Access) -> Feed:
    """As `connect`, by the transport that is wanted, or that the camera takes. Raises CannotOpen."""
    first, *others = ("tcp", "udp") if access.rtsp_transport == "auto" else (access.rtsp_transport,)
    over = partial(replace, request)
    try:
        return connect(over(options=request.options | {"rtsp_transport": first}), name, open_s, stopped)
    except CannotOpen as exc:
        if exc.cause is not Cause.UNUSABLE or not others:
            raise
    return connect(over(options=request.options | {"rtsp_transport": others[0]}), name, open_s, stopped)


def connect(request: Request, name: str, open_s: float, stopped: Stopped, files: tuple[int, ...] = ()) -> Feed:
    """A feed from a process that holds the connection; its failures are in our words.

    Args:
        files: descriptors that the process has as well; on Unix alone.

    Raises CannotOpen.
    """
    try:
        remote = RemoteFeed(request, open_s, stopped, files)
    except RemoteSilent as exc:
        reason = "it was stopped" if stopped.is_set() else f"no answer in {open_s:.3g} s"
        raise CannotOpen(f"cannot open {name}: {reason}", Cause.TIMEOUT) from exc
    except RemoteFailed as exc:
        meaning = meaning_of(exc.failed, request)
        raise CannotOpen(f"cannot open {name}: {meaning.reason}", meaning.cause) from exc
    health, losses = Health(), Losses(remote.facts.pauses)
    packets = _packets(remote, request, name)
    if remote.facts.recorded:
        packets = spliced(packets, remote.video, remote.facts, health, losses)
    return Feed(
        remote.video,
        remote.audio,
        remote.facts,
        packets,
        remote.close,
        health,
        losses,
        wait=remote.wait,
        arrived_s=lambda: remote.arrived_s,
    )


def _packets(remote: RemoteFeed, request: Request, name: str) -> Iterator[Packet | None]:
    try:
        yield from remote.packets()
    except RemoteFailed as exc:
        # So FFmpeg calls the end of an answer over HTTP whose length it was not told.
        if exc.failed.errno == EIO and request.url.lower().startswith("http") and not remote.facts.recorded:
            return
        why = meaning_of_loss(exc.failed, request)
        raise SourceLost(f"{name}: {why.reason}", why.cause) from exc
