"""Video through PyAV: pictures upright and in order, with what a recording needs to be true to them."""

import logging
import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from pipeline import Frame, Size
from pipeline.hdr import HDR
from pipeline.pictures import on_white
from pipeline.types import Picture
from pipeline.yuv import DEEP_FORMAT, TRUE_COLOURS, YUV_FORMATS, Yuv420
from streamer.errors import CannotOpen, Cause, SourceLost
from streamer.media.broken_end import BrokenEnd
from streamer.media.fields import FrameFilter
from streamer.media.light import light_of
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import SourceInfo, VideoTags
from streamer.media.tones import BT709, LIMITED_RANGE, ToSdr
from streamer.sources.demuxer.main import turn_of
from streamer.sources.file_tracks import ANY_PARTS, Parts
from streamer.sources.packets import Feed, Packet, file_feed
from streamer.sources.playback import Stopped
from streamer.sources.source import Delivery, Health, Source
from streamer.sources.timing.buffer import Buffer
from streamer.sources.timing.clocks import FileClock, FrameClock
from streamer.sources.timing.live_clock import LiveClock
from streamer.sources.timing.losses import Undecoded
from streamer.sources.timing.playout import Playing, Playout
from streamer.sources.timing.silence import Silence
from streamer.sources.timing.stamps import TIMELESS_BASE, stamped

_LOG = logging.getLogger(__name__)

YUV_MATRICES = frozenset({1, 4, 5, 6, 7, 9})
"""H.273's numbers of ways from YUV to RGB, of those that swscale knows."""
EIGHT = 8
COLOURS = 3
FIELDS = {2: "tff", 3: "bff", 4: "tff", 5: "bff"}
"""FFmpeg's numbers of the order of fields, and which one is shown first."""
MIN_LATE_S = 0.5
"""A recording's first picture that can be decoded is so much later than its first packet, and it is said."""
MAX_EARLY = 10_000
MAX_DAMAGED_IN_A_ROW = 500
"""So many pieces in a row that cannot be decoded are no video."""


@dataclass(frozen=True, slots=True)
class LiveReading:
    """How a live source is read: time is counted from the first picture."""

    stopped: Stopped
    """Ends the pictures, also while none comes."""
    first_s: float = math.inf
    """Without a first picture for so long, there is none."""
    silence_s: float = math.inf
    """Without the next one for so long, it is lost."""
    playing: Playing | None = None
    """None gives each picture as soon as it is there."""


class Video(Source):
    """The pictures of a feed; the first is decoded at once.

    Raises:
        CannotOpen: there are no pictures in it. The feed is closed.
    """

    def __init__(
        self,
        feed: Feed,
        name: str,
        live: LiveReading | None = None,
        title: str | None = None,
        *,
        parts: Parts = ANY_PARTS,
    ) -> None:
        """
        Args:
            name: what errors call it.
            live: None for a recording.
            title: the name that its info gives; None is `name`.
            parts: what is done with interlaced video and HDR.
        """
        self._name, self._feed, self._live, self._parts = name, feed, live, parts
        self._to_sdr: ToSdr | None = None
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
            self._to_bgr, self._to_deep = VideoReformatter(), VideoReformatter()
            self._first_ticks: int | None = None
            self._begin()
            # Whoever watches sees fields as combs, so only files are kept as they are.
            whole = parts.deinterlace or live is not None
            self._decoded = _deinterlaced(self._decode(), name) if whole else self._decode()
            frame = self._first_frame()
            first_ticks = self._first_ticks = self._ticks(frame)
            self._tags = self._shown_as(self._tags_of(frame, 0 if self._begins else first_ticks), frame)
            self._first, self._first_duration_s = self._picture(frame), _duration_s(frame)
            self._late_s = float(first_ticks * self._time_base) if self._begins and not self._timed else 0.0
            if self._late_s > MIN_LATE_S:
                late = f"{self._late_s:.1f} s are left out: their pictures build on others that are not in it"
                _LOG.warning("%s was cut out of something longer: its first %s", name, late)
        except BaseException:
            feed.close()
            raise
        self.info = self._info(title or name)

    @property
    def _begins(self) -> bool:
        """Whether time begins with the first picture: nothing else is there, and the clock started anywhere."""
        alone = not self._feed.audio and not self._feed.extras
        return self._timed or (alone and self._feed.facts.starts_anywhere)

    @property
    def health(self) -> Health:
        health = self._feed.health
        health.skipped = self._buffer.skipped if self._buffer else 0
        if self._feed.facts.recorded:
            health.lost_pictures = self._feed.losses.pictures + self._undecoded.pictures
            health.lost_sound_s = self._feed.losses.sound_s
        return health

    @property
    def extras(self) -> PacketQueue:
        return self._extras

    @property
    def delivery(self) -> Delivery:
        if self._playout is None or self._buffer is None:
            return Delivery()
        return Delivery(self._playout.delay_s, self._playout.uneven_s, self._buffer.behind_s)

    def __iter__(self) -> Iterator[Frame]:
        with self:
            aspect = self._tags.shown_pixel_aspect
            yield Frame(self._first, 0, 0.0, time.monotonic(), self._first_duration_s, aspect)
            first_ticks = self._first_ticks or 0
            for index, frame in enumerate(self._decoded, start=1):
                pts_s = float((self._ticks(frame) - first_ticks) * self._time_base)
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
            duration_s=facts.duration_s and max(0.0, facts.duration_s - self._late_s),
            tags=self._tags,
            live=not facts.recorded,
            codec=self._feed.video.codec_context.name,
            about=self._feed.about,
        )

    def _begin(self) -> None:
        facts = self._feed.facts
        self._time_base = facts.time_base or TIMELESS_BASE
        self._timed = self._live is not None and not facts.recorded
        self._timeless = facts.time_base is None and not self._timed
        self._clock: FileClock | FrameClock = FileClock(self._time_base, facts.rate, facts.origin_s)
        self._packets = self._feed.packets
        self._undecoded = Undecoded(self._feed.video.codec_context.name, timed=not facts.in_decoding_order)
        self._playout: Playout | None = None
        self._buffer: Buffer | None = None
        self._early: deque[Packet] = deque(maxlen=MAX_EARLY)
        """Sound that came before it is known when the first picture is shown."""
        if self._live is not None and self._timed:
            self._clock = FrameClock(self._time_base, facts.rate)
            self._packets = self._in_time(self._live)

    def _in_time(self, live: LiveReading) -> Iterator[Packet | None]:
        """The packets, each with its time; where the source is played, when they are due."""
        facts, playing = self._feed.facts, live.playing
        usual_s = float(1 / facts.rate) if facts.rate else None
        clock = LiveClock(usual_s=usual_s, in_pieces=facts.in_pieces, by_arrival=playing is not None)
        timed = stamped(self._feed.packets, self._feed.arrived_s, clock, timeless=facts.time_base is None)
        if playing is None:
            return (each and each.packet for each in timed)
        self._playout = Playout(playing.latency_s, in_pieces=facts.in_pieces)
        self._buffer = Buffer(timed, self._feed.wait, self._playout, playing, live.stopped)
        return iter(self._buffer)

    def _first_frame(self) -> av.VideoFrame:
        try:
            for frame in self._decoded:
                return frame
        except SourceLost as exc:
            raise CannotOpen(str(exc), exc.cause) from exc
        raise CannotOpen(f"{self._name} has no frames that can be decoded", Cause.CODEC)

    def _decode(self) -> Iterator[av.VideoFrame]:
        in_a_row = 0
        live = self._live
        silence = Silence(self._name) if live is None else Silence(self._name, live.first_s, live.silence_s)
        end = BrokenEnd(self._feed.video, kept=self._live is None and not self._feed.facts.in_decoding_order)
        try:
            for packet in self._packets:
                pictures = packet is not None and self._takes(packet)
                if pictures:
                    end.sent(packet)
                try:
                    for frame in packet.decode() if packet is not None and pictures else ():
                        end.came(frame)
                        yield self._came(frame)
                        silence.broken()
                    in_a_row = 0 if pictures else in_a_row
                except av.error.InvalidDataError as exc:
                    self._feed.health.damaged += 1
                    if self._sent:
                        self._sent.pop()
                    in_a_row += 1
                    if in_a_row > MAX_DAMAGED_IN_A_ROW:
                        raise SourceLost(f"{self._name}: nothing can be decoded any more", Cause.CODEC) from exc
                silence.look(damaged=in_a_row > 0)
                if live is not None and live.stopped.is_set():
                    return
        except av.error.InvalidDataError:
            self._feed.health.damaged += 1  # a file that breaks off
        except av.error.FFmpegError as exc:
            raise SourceLost(f"{self._name}: {exc.strerror}") from exc
        yield from map(self._came, end.lost())
        self._undecoded.over = True

    def _came(self, frame: av.VideoFrame) -> av.VideoFrame:
        self._undecoded.came(frame.pts, interlaced=bool(frame.interlaced_frame))
        self._feed.health.flawed += bool(frame.is_corrupt)
        return frame

    def _takes(self, packet: Packet) -> bool:
        """Whether a packet is one of pictures; it is counted, or kept where it is of something else."""
        if packet.stream is not self._feed.video:
            self._keep(packet)
            return False
        if packet.size:
            time_s = packet.pts and float(packet.pts * packet.time_base)
            if self._feed.facts.in_decoding_order and packet.dts is not None:
                self._sent.append(packet.dts)
            if not packet.is_discard:
                self._undecoded.sent(packet.pts, packet.size)
            self._feed.health.add_packet(packet.size, time_s, key=packet.is_keyframe)
        return True

    def _keep(self, packet: Packet) -> None:
        # The last packet of each stream is empty: it flushes decoders.
        if not packet.size:
            return
        if isinstance(self._clock, FileClock):
            sound = packet.stream in self.audio.streams
            (self.audio if sound else self._extras).put(packet, self._feed.facts.origin_s)
            return
        self._early.append(packet)
        if self._first_ticks is None or self._clock.shift is None:
            return
        origin_s = (self._first_ticks - self._clock.shift) * self._time_base
        while self._early:
            packet = self._early.popleft()
            if packet.pts * packet.time_base >= origin_s:  # else it has no place in a recording of the pictures
                self.audio.put(packet, origin_s)

    def _tags_of(self, first: av.VideoFrame, start_ticks: int) -> VideoTags:
        facts = self._feed.facts
        rotation, mirrored = turn_of(first) if facts.rotation is None else (facts.rotation, facts.mirrored)
        matrix, colour_range = int(first.colorspace), int(first.color_range)
        if first.format.is_rgb:  # what is written is none, and needs what makes it one again
            matrix, colour_range = (matrix if matrix in YUV_MATRICES else BT709), LIMITED_RANGE
        bits = max(component.bits for component in first.format.components)
        whole = not first.format.is_rgb and len(first.format.components) == COLOURS
        return VideoTags(
            time_base=self._time_base,
            bits=bits if whole else EIGHT,
            light=light_of(first),
            fields=FIELDS.get(self._feed.video.codec_context.field_order) if first.interlaced_frame else None,
            start_ticks=start_ticks,
            rotation=rotation,
            mirrored=mirrored,
            pixel_aspect=self._feed.video.sample_aspect_ratio or Fraction(1),
            matrix=matrix,
            colour_range=colour_range,
            primaries=int(first.color_primaries),
            transfer=int(first.color_trc),
        )

    def _shown_as(self, tags: VideoTags, first: av.VideoFrame) -> VideoTags:
        """What is said of the pictures that are given, where they may be HDR."""
        if tags.transfer not in HDR:
            return tags
        self._to_sdr = ToSdr(tags.transfer, tags.light)
        self._keeps_hdr = self._parts.hdr and tags.bits > EIGHT and _is_even(first)
        if self._keeps_hdr:
            return tags
        _LOG.warning("%s is HDR: it is shown and written as ordinary video", self._name)
        plain = replace(tags, bits=EIGHT, light=None, colour_range=LIMITED_RANGE)
        return replace(plain, matrix=BT709, primaries=BT709, transfer=BT709)

    def _ticks(self, frame: av.VideoFrame) -> int:
        own = frame.pts
        if self._sent:
            own = min(self._sent)  # the times of ASF are those of the pictures, in the order of decoding
            self._sent.remove(own)
        return self._clock.ticks(None if self._timeless else own)

    def _picture(self, frame: av.VideoFrame) -> Picture | Yuv420:
        if self._to_sdr is not None and not self._keeps_hdr:
            frame = self._to_sdr.video(frame)
        if _is_even(frame) and frame.format.name in YUV_FORMATS:
            return Yuv420(self._tags.upright_planes(frame))
        if _is_even(frame) and self._tags.bits > EIGHT:
            return self._deep(frame)
        if any(component.is_alpha for component in frame.format.components):
            bgr = on_white(self._pixels(frame, "bgra"))
        else:
            bgr = self._pixels(frame, "bgr24")
        return np.ascontiguousarray(self._tags.upright(bgr))

    def _deep(self, frame: av.VideoFrame) -> Yuv420:
        deep = frame
        if frame.format.name != DEEP_FORMAT:
            deep = self._to_deep.reformat(frame, format=DEEP_FORMAT, interpolation=TRUE_COLOURS)
        deep = self._tags.upright_planes(deep)
        plain = self._to_bgr.reformat(deep, format=YUV_FORMATS[0], interpolation=TRUE_COLOURS)
        return Yuv420(plain, deep, as_shown=None if self._to_sdr is None else self._to_sdr.rgb)

    def _pixels(self, frame: av.VideoFrame, pixels: str) -> NDArray[np.uint8]:
        converted = self._to_bgr.reformat(frame, format=pixels, interpolation=TRUE_COLOURS)
        return np.asarray(converted.to_ndarray(), np.uint8)


def _is_even(frame: av.VideoFrame) -> bool:
    return not (frame.height % 2 or frame.width % 2)


def _deinterlaced(frames: Iterator[av.VideoFrame], name: str) -> Iterator[av.VideoFrame]:
    """Each picture, whole; those that are not interlaced as they are."""
    whole: FrameFilter | None = None
    for frame in frames:
        # Not before it is needed: it keeps a picture back, and makes YUV of RGB.
        if whole is None and frame.interlaced_frame:
            _LOG.warning("%s is interlaced: whole pictures are made of its fields", name)
            whole = FrameFilter(lambda graph: graph.add("bwdif", "mode=send_frame:deint=interlaced"))
        yield from [frame] if whole is None else whole.put(frame)
    yield from [] if whole is None else whole.finish()


def _duration_s(frame: av.VideoFrame) -> float | None:
    return float(frame.duration * frame.time_base) if frame.duration and frame.time_base else None


def open_file(path: Path, parts: Parts) -> Video:
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
        feed = file_feed(container, str(path), parts.kept, parts.video_track)
    except CannotOpen:
        container.close()
        raise
    return Video(feed, str(path), title=path.name, parts=parts)
