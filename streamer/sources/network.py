"""Streams from the network: what comes by itself, in its own time, and may fall silent."""

from collections.abc import Iterator
from dataclasses import dataclass
from errno import EIO, ENODEV
from types import MappingProxyType

from streamer.errors import CannotOpen, Cause, SourceLost
from streamer.sources.connection import RemoteFailed, RemoteFeed, RemoteSilent
from streamer.sources.demuxer.protocol import Request
from streamer.sources.failures import PULLED_OUT, Meaning, meaning_of
from streamer.sources.packets import Feed, Packet, spliced
from streamer.sources.playback import Stopped
from streamer.sources.source import Health
from streamer.sources.timing.playout import Playing
from streamer.sources.uri import without_password
from streamer.sources.video import LiveReading, Video


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
_OPTIONS = MappingProxyType(
    {
        "rtsp": {"rtsp_transport": "tcp"},
        "rtsps": {"rtsp_transport": "tcp"},
        # What a slow reader leaves lying is dropped; FFmpeg would end the stream.
        "udp": {"overrun_nonfatal": "1"},
    }
)


def open_address(
    url: str,
    audio: bool,
    video_track: int | None,
    timeouts: Timeouts,
    stopped: Stopped,
    playing: Playing | None,
) -> Video:
    """A stream from the network. Raises CannotOpen, in about `timeouts.open_s` at most, or when stopped."""
    name = without_password(url)
    scheme = url.split("://")[0].lower()
    if scheme not in SCHEMES:
        there = ", ".join(SCHEMES)
        raise CannotOpen(f"addresses such as {scheme}://… cannot be opened; there are: {there}", Cause.NOT_FOUND)
    request = Request(url, audio, _QUICKLY | _OPTIONS.get(scheme, {}), video_track=video_track)
    silence_s = timeouts.segment_s if ".m3u8" in url else timeouts.read_s
    feed = connect(request, name, timeouts.open_s, stopped)
    return Video(feed, name, LiveReading(stopped, max(timeouts.open_s, silence_s), silence_s, playing))


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
    health = Health()
    packets = _packets(remote, request, name)
    if remote.facts.recorded:
        packets = spliced(packets, remote.video, remote.facts, health)
    return Feed(remote.video, remote.audio, remote.facts, packets, remote.close, health, wait=remote.wait)


def _packets(remote: RemoteFeed, request: Request, name: str) -> Iterator[Packet | None]:
    try:
        yield from remote.packets()
    except RemoteFailed as exc:
        # So FFmpeg calls the end of an answer over HTTP whose length it was not told.
        if exc.failed.errno == EIO and request.url.lower().startswith("http") and not remote.facts.recorded:
            return
        pulled_out = request.format is not None and exc.failed.errno == ENODEV
        why = PULLED_OUT if pulled_out else Meaning(exc.failed.reason, Cause.FAILED)
        raise SourceLost(f"{name}: {why.reason}", why.cause) from exc
