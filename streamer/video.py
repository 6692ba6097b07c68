"""Video through PyAV: pictures upright and in order, with what a recording needs to be true to them."""

import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, TypeGuard

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Stream
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from pipeline import TRUE_COLOURS, YUV_FORMATS, Picture, Yuv420
from streamer.clocks import FileClock, LiveClock
from streamer.errors import CannotOpen, SourceLost
from streamer.pictures import on_white

DAMAGED_MOST = 500
"""So many pieces in a row that cannot be decoded are no video."""

SOUND_MOST = 100_000
"""Half an hour and more."""

_CLOCK_STARTS_ANYWHERE = 0x0200
"""FFmpeg's AVFMT_TS_DISCONT, among `container.format.flags`."""

_NO_TIMES = 0x0080
"""AVFMT_NOTIMESTAMPS."""

_UPRIGHT = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
_AS_STORED = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True, slots=True)
class VideoTags:
    """What a video says of its pictures, beside the pictures."""

    time_base: Fraction = Fraction(1, 90_000)
    """Seconds a tick of its timestamps."""
    start_ticks: int = 0
    """Timestamp of the first frame."""
    rotation: int = 0
    """Degrees by which the stored picture is turned counterclockwise to be upright: 0, 90, 180 or 270."""
    pixel_aspect: Fraction = Fraction(1)
    """Width over height of a stored pixel."""
    matrix: int = 2
    """How YUV becomes RGB, as ITU-T H.273 numbers it; 2 is not stated."""
    colour_range: int = 0
    """0 is not stated, 1 is 16-235, 2 is 0-255."""
    primaries: int = 2
    """H.273; 2 is not stated."""
    transfer: int = 2
    """H.273; 2 is not stated."""

    def stored(self, bgr: Picture) -> Picture:
        """An upright picture, turned as the video stores it."""
        return _turned(bgr, _AS_STORED.get(self.rotation))

    def upright(self, bgr: Picture) -> Picture:
        """A stored picture, turned upright."""
        return _turned(bgr, _UPRIGHT.get(self.rotation))


def _turned(bgr: Picture, code: int | None) -> Picture:
    return bgr if code is None else np.asarray(cv2.rotate(bgr, code), np.uint8)


class AudioTap:
    """Packets of sound on their way from a source to a recording, which may be in another thread.

    Whoever records must `take` as fast as frames come: of more than `SOUND_MOST` packets the oldest are dropped.
    """

    def __init__(self, streams: tuple[AudioStream, ...] = ()) -> None:
        self.streams = streams
        self._packets: deque[av.Packet[AudioStream]] = deque(maxlen=SOUND_MOST)

    def put(self, packet: "av.Packet[AudioStream]", origin_s: Fraction) -> None:
        """Keeps a packet, its time counted from `origin_s` of the source's clock."""
        if packet.pts is not None:
            packet.pts -= round(origin_s / packet.time_base)
        if packet.dts is not None:
            packet.dts -= round(origin_s / packet.time_base)
        self._packets.append(packet)

    def take(self) -> list["av.Packet[AudioStream]"]:
        """What came since the last call, in the order of the source."""
        taken = []
        while self._packets:  # one by one, for the source may be adding to them
            taken.append(self._packets.popleft())
        return taken


class Shot(NamedTuple):
    """One decoded picture, upright."""

    picture: Picture | Yuv420
    ticks: int


@dataclass(frozen=True, slots=True)
class Reading:
    """How a video is read."""

    audio: bool = False
    """Keep the packets of sound."""
    live: bool = False
    """It comes by itself: each picture is decoded as soon as it is there, and time is counted from the first."""
    silence_s: float = math.inf
    """Without a picture for so long, it is lost."""


class Video:
    """The pictures of something that PyAV has opened; the first is decoded at once.

    Raises:
        CannotOpen: there are no pictures in it. What was opened is closed.
    """

    def __init__(self, container: InputContainer, name: str, reading: Reading) -> None:
        self.name = name
        self._container = container
        self._reading = reading
        self.damaged = 0
        try:
            self._video = self._picture_stream()
            self.audio = AudioTap(tuple(container.streams.audio) if reading.audio else ())
            # Threads that take a frame each hold back as many frames: 40 ms a thread at 25 frames/s.
            self._video.thread_type = "SLICE" if reading.live else "AUTO"
            self._to_bgr = VideoReformatter()
            self._set_clock()
            self._decoded = self._decode()
            frame = self._first_frame()
            self.tags = _tags(frame, self._video, self._time_base, self._ticks(frame))
            self.first = self._shot(frame, self.tags.start_ticks)
        except BaseException:
            container.close()
            raise
        self.frames = self._video.frames or None
        self.duration_s = _duration_s(container, self._video)
        self.live = reading.live and self.duration_s is None

    def __iter__(self) -> Iterator[Shot]:
        yield self.first
        for frame in self._decoded:
            yield self._shot(frame, self._ticks(frame))

    def close(self) -> None:
        self._container.close()

    def _set_clock(self) -> None:
        video = self._video
        # Some formats have no times, and FFmpeg makes up 25 frames a second for them. A file must do with that.
        self._timeless = self._reading.live and bool(self._container.format.flags & _NO_TIMES)
        self.rate = None if self._timeless else video.average_rate or video.guessed_rate
        self._time_base = (None if self._timeless else video.time_base) or Fraction(1, 90_000)
        self._clock: FileClock | LiveClock = (
            LiveClock(self._time_base, self.rate)
            if self._reading.live
            else FileClock(self._time_base, self.rate, _origin_s(self._container))
        )

    def _picture_stream(self) -> VideoStream:
        # A song's cover is a video stream of one picture; it is not what somebody opens a file for.
        for stream in self._container.streams.video:
            if not stream.disposition & av.stream.Disposition.attached_pic:
                return stream
        raise CannotOpen(f"{self.name} has no video in it")

    def _first_frame(self) -> av.VideoFrame:
        try:
            for frame in self._decoded:
                return frame
        except SourceLost as exc:
            raise CannotOpen(str(exc)) from exc
        raise CannotOpen(f"{self.name} has no frames that can be decoded")

    def _decode(self) -> Iterator[av.VideoFrame]:
        in_a_row = 0
        seen_s = time.monotonic()
        packets = self._container.demux(self._video, *self.audio.streams)
        while True:
            try:
                packet = next(packets, None)
                # Also at an end: FFmpeg calls it one when an RTSP sender falls silent.
                if time.monotonic() - seen_s > self._reading.silence_s:
                    raise SourceLost(f"{self.name}: no picture for {self._reading.silence_s:g} s")
                if packet is None:
                    return
                if _is_audio(packet):
                    self._keep(packet)
                    continue
                for frame in packet.decode():
                    yield frame  # type: ignore[misc]
                    seen_s = time.monotonic()
                in_a_row = 0
            except av.error.InvalidDataError as exc:
                self.damaged += 1
                in_a_row += 1
                if in_a_row > DAMAGED_MOST:
                    raise SourceLost(f"{self.name}: nothing can be decoded any more") from nameless(exc)
            except av.error.ExitError as exc:
                raise SourceLost(f"{self.name}: nothing came for {self._reading.silence_s:g} s") from nameless(exc)
            except av.error.FFmpegError as exc:
                raise SourceLost(f"{self.name}: {exc.strerror}") from nameless(exc)

    def _keep(self, packet: "av.Packet[AudioStream]") -> None:
        # The last packet of each stream is empty: it flushes decoders.
        origin_s = self._clock.origin_s
        if not packet.size or origin_s is None:
            return
        if self._reading.live and packet.pts is not None and packet.pts * packet.time_base < origin_s:
            return  # what was said before the first picture has no place in a recording of it
        self.audio.put(packet, origin_s)

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


def open_file(path: Path, audio: bool) -> Video:
    """A file with a video in it. Raises CannotOpen."""
    try:
        container = av.open(path, metadata_errors="replace")
    except av.error.EOFError as exc:
        raise CannotOpen(f"{path} has no frames in it") from exc
    except av.error.InvalidDataError as exc:
        raise CannotOpen(f"{path} is not a video, or its beginning or index is missing") from exc
    except (av.error.FFmpegError, OSError) as exc:
        raise CannotOpen(f"cannot open {path}: {exc.strerror}") from exc
    return Video(container, str(path), Reading(audio=audio))


def nameless(exc: av.error.FFmpegError) -> av.error.FFmpegError:
    """The same error without what was opened: the address of a camera has its password in it."""
    return type(exc)(exc.errno or 0, exc.strerror or "")


def _is_audio(packet: "av.Packet[Stream]") -> TypeGuard["av.Packet[AudioStream]"]:
    return isinstance(packet.stream, AudioStream)


def _origin_s(container: InputContainer) -> Fraction:
    """Where the file's clock starts, for the kinds of file whose clock starts anywhere, such as MPEG-TS.

    The clock of all others starts at 0 by definition: their times are kept as they stand.
    """
    if container.start_time is None or not container.format.flags & _CLOCK_STARTS_ANYWHERE:
        return Fraction(0)
    return Fraction(container.start_time, av.time_base)


def _tags(first: av.VideoFrame, stream: VideoStream, time_base: Fraction, start_ticks: int) -> VideoTags:
    return VideoTags(
        time_base=time_base,
        start_ticks=start_ticks,
        rotation=round(first.rotation / 90) * 90 % 360,
        pixel_aspect=stream.sample_aspect_ratio or Fraction(1),
        matrix=int(first.colorspace),
        colour_range=int(first.color_range),
        primaries=int(first.color_primaries),
        transfer=int(first.color_trc),
    )


def _duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / av.time_base
