"""Video files through PyAV: pictures upright and in order, with what a recording needs to be true to them."""

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
from streamer.errors import CannotOpen, SourceLost
from streamer.pictures import on_white

DAMAGED_MOST = 500
"""So many pieces in a row that cannot be decoded are no video."""

_CLOCK_STARTS_ANYWHERE = 0x0200
"""FFmpeg's AVFMT_TS_DISCONT, among `container.format.flags`."""

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
    """Packets of sound on their way from a source to a recording; whoever reads must `take` as fast as frames come."""

    def __init__(self, streams: tuple[AudioStream, ...] = ()) -> None:
        self.streams = streams
        self._packets: deque[av.Packet[AudioStream]] = deque()

    def put(self, packet: "av.Packet[AudioStream]", origin_s: Fraction) -> None:
        """Keeps a packet, its time counted from `origin_s` of the source's clock."""
        if packet.pts is not None:
            packet.pts -= round(origin_s / packet.time_base)
        if packet.dts is not None:
            packet.dts -= round(origin_s / packet.time_base)
        self._packets.append(packet)

    def take(self) -> list["av.Packet[AudioStream]"]:
        """What came since the last call, in the order of the source."""
        taken = list(self._packets)
        self._packets.clear()
        return taken


class Shot(NamedTuple):
    """One decoded picture, upright."""

    picture: Picture | Yuv420
    ticks: int


class VideoFile:
    """The pictures of a video file; its first is decoded at once."""

    def __init__(self, path: Path, audio: bool) -> None:
        self._path = path
        self._container = _opened(path)
        self.damaged = 0
        try:
            self._video = self._picture_stream()
            self.audio = AudioTap(tuple(self._container.streams.audio) if audio else ())
            self._video.thread_type = "AUTO"
            self._to_bgr = VideoReformatter()
            self._origin_s = _origin_s(self._container)
            self._decoded = self._decode()
            frame = self._first_frame()
            self.tags = _tags(frame, self._video, self._ticks(frame) or 0)
            self.first = self._shot(frame, self.tags.start_ticks)
        except BaseException:
            self._container.close()
            raise
        self.rate = self._video.average_rate or self._video.guessed_rate
        self.frames = self._video.frames or None
        self.duration_s = _duration_s(self._container, self._video)

    def __iter__(self) -> Iterator[Shot]:
        yield self.first
        last = self.first.ticks
        step = max(1, round(1 / (self.rate * self.tags.time_base))) if self.rate else 1
        for frame in self._decoded:
            ticks = self._ticks(frame)
            last = last + step if ticks is None else ticks
            yield self._shot(frame, last)

    def close(self) -> None:
        self._container.close()

    def _picture_stream(self) -> VideoStream:
        # A song's cover is a video stream of one picture; it is not what somebody opens a file for.
        for stream in self._container.streams.video:
            if not stream.disposition & av.stream.Disposition.attached_pic:
                return stream
        raise CannotOpen(f"{self._path} has no video in it")

    def _first_frame(self) -> av.VideoFrame:
        for frame in self._decoded:
            return frame
        raise CannotOpen(f"{self._path} has no frames that can be decoded")

    def _decode(self) -> Iterator[av.VideoFrame]:
        in_a_row = 0
        packets = self._container.demux(self._video, *self.audio.streams)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                if _is_audio(packet):
                    if packet.size:  # the last packet of each stream is empty: it flushes decoders
                        self.audio.put(packet, self._origin_s)
                    continue
                yield from packet.decode()  # type: ignore[misc]
                in_a_row = 0
            except av.error.InvalidDataError as exc:
                self.damaged += 1
                in_a_row += 1
                if in_a_row > DAMAGED_MOST:
                    raise SourceLost(f"{self._path}: nothing can be decoded any more") from exc
            except av.error.FFmpegError as exc:
                raise SourceLost(f"{self._path}: {exc.strerror}") from exc

    def _ticks(self, frame: av.VideoFrame) -> int | None:
        if frame.pts is None or not self._video.time_base:
            return frame.pts
        return frame.pts - round(self._origin_s / self._video.time_base)

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


def _opened(path: Path) -> InputContainer:
    try:
        return av.open(path)
    except av.error.EOFError as exc:
        raise CannotOpen(f"{path} has no frames in it") from exc
    except av.error.InvalidDataError as exc:
        raise CannotOpen(f"{path} is not a video, or its beginning or index is missing") from exc
    except (av.error.FFmpegError, OSError) as exc:
        raise CannotOpen(f"cannot open {path}: {exc.strerror}") from exc


def _is_audio(packet: "av.Packet[Stream]") -> TypeGuard["av.Packet[AudioStream]"]:
    return isinstance(packet.stream, AudioStream)


def _origin_s(container: InputContainer) -> Fraction:
    """Where the file's clock starts, for the kinds of file whose clock starts anywhere, such as MPEG-TS.

    The clock of all others starts at 0 by definition: their times are kept as they stand.
    """
    if container.start_time is None or not container.format.flags & _CLOCK_STARTS_ANYWHERE:
        return Fraction(0)
    return Fraction(container.start_time, av.time_base)


def _tags(first: av.VideoFrame, stream: VideoStream, start_ticks: int) -> VideoTags:
    return VideoTags(
        time_base=stream.time_base or Fraction(1, 90_000),
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
