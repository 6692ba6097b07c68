"""Video through PyAV: pictures upright and in order, with what a recording needs to be true to them."""

import logging
import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from pipeline import Frame, Size
from pipeline.pictures import on_white
from pipeline.types import Picture
from pipeline.yuv import TRUE_COLOURS, YUV_FORMATS, Yuv420
from streamer.errors import CannotOpen, Cause, SourceLost
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import SourceInfo, VideoTags
from streamer.sources.clocks import FileClock, LiveClock
from streamer.sources.demuxer.main import turn_of
from streamer.sources.file_tracks import Kept
from streamer.sources.packets import Feed, Packet, file_feed
from streamer.sources.playback import Stopped
from streamer.sources.source import Health, Source

_LOG = logging.getLogger(__name__)

BT709 = 1
YUV_MATRICES = frozenset({1, 4, 5, 6, 7, 9})
"""H.273's numbers of ways from YUV to RGB, of those that swscale knows."""
LIMITED_RANGE = 1
MAX_DAMAGED_IN_A_ROW = 500
"""So many pieces in a row that cannot be decoded are no video."""


@dataclass(frozen=True, slots=True)
class LiveReading:
    """How a live source is read: each picture is decoded as soon as it is there, and time is counted from the first."""

    stopped: Stopped
    """Ends the pictures, also while none comes."""
    first_s: float = math.inf
    """Without a first picture for so long, there is none."""
    silence_s: float = math.inf
    """Without the next one for so long, it is lost."""


class Video(Source):
    """The pictures of a feed; the first is decoded at once.

    Raises:
        CannotOpen: there are no pictures in it. The feed is closed.
    """

    def __init__(self, feed: Feed, name: str, live: LiveReading | None = None, title: str | None = None) -> None:
        """
        Args:
            name: what errors call it.
            live: None for a recording.
            title: the name that its info gives; None is `name`.
        """
        self._name, self._feed, self._live = name, feed, live
        self._sent: deque[int] = deque()
        """The times of the packets whose pictures have not come."""
        try:
            recorded = feed.facts.recorded
            self.audio = PacketQueue(feed.audio, recorded=recorded)
            self._extras = PacketQueue(feed.extras, recorded=recorded)
            if feed.facts.unknown:
                _LOG.warning("%s announces sound of a kind that is not known, or not yet: it is left out", name)
            # Threads that take a frame each hold back as many frames: 40 ms a thread at 25 frames/s.
            feed.video.thread_type = "SLICE" if live else "AUTO"
            self._to_bgr = VideoReformatter()
            self._set_clock()
            self._decoded = self._decode()
            frame = self._first_frame()
            self._tags = self._tags_of(frame, self._ticks(frame))
            self._first, self._first_duration_s = self._picture(frame), _duration_s(frame)
        except BaseException:
            feed.close()
            raise
        self.info = self._info(title or name)

    @property
    def health(self) -> Health:
        return self._feed.health

    @property
    def extras(self) -> PacketQueue:
        return self._extras

    def __iter__(self) -> Iterator[Frame]:
        with self:
            aspect = self._tags.shown_pixel_aspect
            yield Frame(self._first, 0, 0.0, time.monotonic(), self._first_duration_s, aspect)
            for index, frame in enumerate(self._decoded, start=1):
                pts_s = float((self._ticks(frame) - self._tags.start_ticks) * self._time_base)
                yield Frame(self._picture(frame), index, pts_s, time.monotonic(), _duration_s(frame), aspect)

    def close(self) -> None:
        self._feed.close()

    def _info(self, title: str) -> SourceInfo:
        facts = self._feed.facts
        return SourceInfo(
            name=title,
            frame_size=Size(*self._first.shape[:2]),
            rate=facts.rate,
            frames=facts.frames,
            duration_s=facts.duration_s,
            tags=self._tags,
            live=not facts.recorded,
            codec=self._feed.video.codec_context.name,
            about=self._feed.about,
        )

    def _set_clock(self) -> None:
        facts = self._feed.facts
        self._timeless = facts.time_base is None
        self._time_base = facts.time_base or Fraction(1, 90_000)
        self._clock: FileClock | LiveClock = (
            LiveClock(self._time_base, facts.rate)
            if self._live
            else FileClock(self._time_base, facts.rate, facts.origin_s)
        )

    def _first_frame(self) -> av.VideoFrame:
        try:
            for frame in self._decoded:
                return frame
        except SourceLost as exc:
            raise CannotOpen(str(exc), exc.cause) from exc
        raise CannotOpen(f"{self._name} has no frames that can be decoded", Cause.CODEC)

    def _decode(self) -> Iterator[av.VideoFrame]:
        in_a_row = 0
        patience = _Patience(self._name, self._live)
        try:
            for packet in self._feed.packets:
                if patience.gone(damaged=in_a_row > 0):
                    return
                if packet is None:
                    continue
                if packet.stream is not self._feed.video:
                    self._keep(packet)
                    continue
                if packet.size:
                    time_s = packet.pts and float(packet.pts * packet.time_base)
                    if self._feed.facts.in_decoding_order and packet.dts is not None:
                        self._sent.append(packet.dts)
                    self._feed.health.add_packet(packet.size, time_s, key=packet.is_keyframe)
                try:
                    for frame in packet.decode():
                        yield frame
                        patience.begin_anew()
                    in_a_row = 0
                except av.error.InvalidDataError as exc:
                    self._feed.health.damaged += 1
                    if self._sent:
                        self._sent.pop()
                    in_a_row += 1
                    if in_a_row > MAX_DAMAGED_IN_A_ROW:
                        raise SourceLost(f"{self._name}: nothing can be decoded any more", Cause.CODEC) from exc
        except av.error.InvalidDataError:
            self._feed.health.damaged += 1  # a file that breaks off
        except av.error.FFmpegError as exc:
            raise SourceLost(f"{self._name}: {exc.strerror}") from exc

    def _keep(self, packet: Packet) -> None:
        # The last packet of each stream is empty: it flushes decoders.
        origin_s = self._clock.origin_s
        if not packet.size or origin_s is None:
            return
        if self._live and packet.pts is not None and packet.pts * packet.time_base < origin_s:
            return  # what was said before the first picture has no place in a recording of it
        (self.audio if packet.stream in self.audio.streams else self._extras).put(packet, origin_s)

    def _tags_of(self, first: av.VideoFrame, start_ticks: int) -> VideoTags:
        facts = self._feed.facts
        rotation, mirrored = turn_of(first) if facts.rotation is None else (facts.rotation, facts.mirrored)
        matrix, colour_range = int(first.colorspace), int(first.color_range)
        if first.format.is_rgb:  # what is written is none, and needs what makes it one again
            matrix, colour_range = (matrix if matrix in YUV_MATRICES else BT709), LIMITED_RANGE
        return VideoTags(
            time_base=self._time_base,
            start_ticks=start_ticks,
            rotation=rotation,
            mirrored=mirrored,
            pixel_aspect=self._feed.video.sample_aspect_ratio or Fraction(1),
            matrix=matrix,
            colour_range=colour_range,
            primaries=int(first.color_primaries),
            transfer=int(first.color_trc),
        )

    def _ticks(self, frame: av.VideoFrame) -> int:
        own = self._sent.popleft() if self._sent else frame.pts
        return self._clock.ticks(None if self._timeless else own, time.monotonic())

    def _picture(self, frame: av.VideoFrame) -> Picture | Yuv420:
        plain = frame.format.name in YUV_FORMATS and self._tags.is_upright
        if plain and not (frame.height % 2 or frame.width % 2):
            return Yuv420(frame)
        if any(component.is_alpha for component in frame.format.components):
            bgr = on_white(self._pixels(frame, "bgra"))
        else:
            bgr = self._pixels(frame, "bgr24")
        return np.ascontiguousarray(self._tags.upright(bgr))

    def _pixels(self, frame: av.VideoFrame, pixels: str) -> NDArray[np.uint8]:
        converted = self._to_bgr.reformat(frame, format=pixels, interpolation=TRUE_COLOURS)
        return np.asarray(converted.to_ndarray(), np.uint8)


def _duration_s(frame: av.VideoFrame) -> float | None:
    return float(frame.duration * frame.time_base) if frame.duration and frame.time_base else None


class _Patience:
    """How long to wait for a picture."""

    def __init__(self, name: str, live: LiveReading | None) -> None:
        self._name, self._live = name, live
        self._limit_s = live.first_s if live else math.inf
        self._since_s = time.monotonic()
        self._had_one = False

    def begin_anew(self) -> None:
        """A picture came."""
        self._had_one = True
        self._limit_s = self._live.silence_s if self._live else math.inf
        self._since_s = time.monotonic()

    def gone(self, *, damaged: bool) -> bool:
        """Whether nobody wants a picture any more. Raises SourceLost when none came in time.

        Args:
            damaged: what came last cannot be decoded, as when a camera was set to another codec.
        """
        if time.monotonic() - self._since_s > self._limit_s:
            # Before the first one, the picture that the others build on may just not have come.
            if damaged and self._had_one:
                raise SourceLost(f"{self._name}: nothing that can be decoded for {self._limit_s:g} s", Cause.CODEC)
            raise SourceLost(f"{self._name}: no picture for {self._limit_s:g} s", Cause.TIMEOUT)
        return self._live is not None and self._live.stopped.is_set()


def open_file(path: Path, kept: Kept, video_track: int | None = None) -> Video:
    """A file with a video in it. Raises CannotOpen."""
    try:
        # By its protocol: of a name such as 10:30.mp4 FFmpeg would take the beginning for one.
        container = av.open(f"file:{path}", metadata_errors="replace")
    except av.error.EOFError as exc:
        raise CannotOpen(f"{path} has no frames in it", Cause.CODEC) from exc
    except av.error.InvalidDataError as exc:
        raise CannotOpen(f"{path} is not a video, or its beginning or index is missing") from exc
    except (av.error.FFmpegError, OSError) as exc:
        raise CannotOpen(f"cannot open {path}: {exc.strerror}") from exc
    try:
        feed = file_feed(container, str(path), kept, video_track)
    except CannotOpen:
        container.close()
        raise
    return Video(feed, str(path), title=path.name)
