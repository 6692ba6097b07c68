"""Video through PyAV: pictures upright and in order, with what a recording needs to be true to them."""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from pipeline import TRUE_COLOURS, YUV_FORMATS, Picture, Yuv420
from streamer.errors import CannotOpen, Cause, SourceLost
from streamer.media.audio import AudioQueue
from streamer.media.images import on_white
from streamer.media.tags import VideoTags
from streamer.sources.clocks import FileClock, LiveClock
from streamer.sources.packets import Feed, FileFeed, Packet
from streamer.sources.playback import Stopped
from streamer.sources.vitals import Vitals

_LOG = logging.getLogger(__name__)

DAMAGED_MOST = 500
"""So many pieces in a row that cannot be decoded are no video."""


class Shot(NamedTuple):
    """One decoded picture, upright."""

    picture: Picture | Yuv420
    ticks: int


@dataclass(frozen=True, slots=True)
class Reading:
    """How a live source is read: each picture is decoded as soon as it is there, and time is counted from the first."""

    stopped: Stopped
    """Ends the pictures, also while none comes."""
    first_s: float = math.inf
    """Without a first picture for so long, there is none."""
    silence_s: float = math.inf
    """Without the next one for so long, it is lost."""


class Video:
    """The pictures of a feed; the first is decoded at once.

    Raises:
        CannotOpen: there are no pictures in it. The feed is closed.
    """

    def __init__(self, feed: Feed, name: str, reading: Reading | None = None) -> None:
        """
        Args:
            reading: None for a recording.
        """
        self.name = name
        self._feed = feed
        self._reading = reading
        self.damaged = 0
        self.vitals = Vitals()
        self.codec: str | None = feed.video.codec_context.name
        try:
            self.audio = AudioQueue(feed.audio)
            if feed.facts.unknown:
                _LOG.warning("%s announces sound of a kind that is not known, or not yet: it is left out", name)
            # Threads that take a frame each hold back as many frames: 40 ms a thread at 25 frames/s.
            feed.video.thread_type = "SLICE" if reading else "AUTO"
            self._to_bgr = VideoReformatter()
            self._set_clock()
            self._decoded = self._decode()
            frame = self._first_frame()
            self.tags = self._tags_of(frame, self._ticks(frame))
            self.first = self._shot(frame, self.tags.start_ticks)
        except BaseException:
            feed.close()
            raise
        self.frames, self.duration_s = feed.facts.frames, feed.facts.duration_s
        self.live = not feed.facts.recorded

    def __iter__(self) -> Iterator[Shot]:
        yield self.first
        for frame in self._decoded:
            yield self._shot(frame, self._ticks(frame))

    def close(self) -> None:
        self._feed.close()

    def _set_clock(self) -> None:
        facts = self._feed.facts
        self.rate = facts.rate
        self._timeless = facts.time_base is None
        self._time_base = facts.time_base or Fraction(1, 90_000)
        self._clock: FileClock | LiveClock = (
            LiveClock(self._time_base, self.rate)
            if self._reading
            else FileClock(self._time_base, self.rate, facts.origin_s)
        )

    def _first_frame(self) -> av.VideoFrame:
        try:
            for frame in self._decoded:
                return frame
        except SourceLost as exc:
            raise CannotOpen(str(exc), exc.cause) from exc
        raise CannotOpen(f"{self.name} has no frames that can be decoded", Cause.CODEC)

    def _decode(self) -> Iterator[av.VideoFrame]:
        in_a_row = 0
        patience = _Patience(self.name, self._reading)
        try:
            for packet in self._feed.packets():
                if patience.gone(damaged=in_a_row > 0):
                    return
                if packet is None:
                    continue
                if isinstance(packet.stream, AudioStream):
                    self._keep(packet)
                    continue
                if packet.size:
                    self.vitals.saw(
                        packet.size, packet.pts and float(packet.pts * packet.time_base), key=packet.is_keyframe
                    )
                try:
                    for frame in packet.decode():
                        yield frame
                        patience.begin_anew()
                    in_a_row = 0
                except av.error.InvalidDataError as exc:
                    self.damaged += 1
                    in_a_row += 1
                    if in_a_row > DAMAGED_MOST:
                        raise SourceLost(f"{self.name}: nothing can be decoded any more", Cause.CODEC) from exc
        except av.error.InvalidDataError:
            self.damaged += 1  # a file that breaks off
        except av.error.FFmpegError as exc:
            raise SourceLost(f"{self.name}: {exc.strerror}") from exc

    def _keep(self, packet: Packet) -> None:
        # The last packet of each stream is empty: it flushes decoders.
        origin_s = self._clock.origin_s
        if not packet.size or origin_s is None:
            return
        if self._reading and packet.pts is not None and packet.pts * packet.time_base < origin_s:
            return  # what was said before the first picture has no place in a recording of it
        self.audio.put(packet, origin_s)

    def _tags_of(self, first: av.VideoFrame, start_ticks: int) -> VideoTags:
        rotation = self._feed.facts.rotation
        return VideoTags(
            time_base=self._time_base,
            start_ticks=start_ticks,
            rotation=round((first.rotation if rotation is None else rotation) / 90) * 90 % 360,
            pixel_aspect=self._feed.video.sample_aspect_ratio or Fraction(1),
            matrix=int(first.colorspace),
            colour_range=int(first.color_range),
            primaries=int(first.color_primaries),
            transfer=int(first.color_trc),
        )

    def _ticks(self, frame: av.VideoFrame) -> int:
        return self._clock.ticks(None if self._timeless else frame.pts, time.monotonic())

    def _shot(self, frame: av.VideoFrame, ticks: int) -> Shot:
        plain = frame.format.name in YUV_FORMATS and not self.tags.rotation
        if plain and not (frame.height % 2 or frame.width % 2):
            return Shot(Yuv420(frame), ticks)
        if any(component.is_alpha for component in frame.format.components):
            bgr = on_white(self._pixels(frame, "bgra"))
        else:
            bgr = self._pixels(frame, "bgr24")
        return Shot(np.ascontiguousarray(self.tags.upright(bgr)), ticks)

    def _pixels(self, frame: av.VideoFrame, pixels: str) -> NDArray[np.uint8]:
        converted = self._to_bgr.reformat(frame, format=pixels, interpolation=TRUE_COLOURS)
        return np.asarray(converted.to_ndarray(), np.uint8)


class _Patience:
    """How long to wait for a picture."""

    def __init__(self, name: str, reading: Reading | None) -> None:
        self._name, self._reading = name, reading
        self._limit_s = reading.first_s if reading else math.inf
        self._since_s = time.monotonic()
        self._had_one = False

    def begin_anew(self) -> None:
        """A picture came."""
        self._had_one = True
        self._limit_s = self._reading.silence_s if self._reading else math.inf
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
        return self._reading is not None and self._reading.stopped.is_set()


def open_file(path: Path, audio: bool) -> Video:
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
        feed = FileFeed(container, str(path), audio)
    except CannotOpen:
        container.close()
        raise
    return Video(feed, str(path))
