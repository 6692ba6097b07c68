"""Where pictures go: a video file, a folder of pictures.

A sink is a context: left in peace, or by Ctrl-C, it completes what it has; left by any other error it
removes what it began. A file carries a hidden name beside its own until it is complete, so that nobody finds
half of one.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, cast

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from pipeline import Picture, Size
from streamer.errors import ConfigError, SinkError
from streamer.pictures import write_picture
from streamer.sources import SourceInfo
from streamer.video import TRUE_COLOURS, AudioTap


@dataclass(frozen=True, slots=True)
class Codec:
    """A way to encode video."""

    encoder: str
    """FFmpeg's name of it."""
    crf: int
    """Its quality when none is asked for; lower is better and larger."""
    crf_most: int
    options: tuple[tuple[str, str], ...] = ()


CODECS = {
    "h264": Codec("libx264", 20, 51, (("preset", "veryfast"),)),
    "h265": Codec("libx265", 23, 51, (("preset", "veryfast"), ("x265-params", "log-level=error"))),
    "vp9": Codec("libvpx-vp9", 31, 63, (("deadline", "realtime"), ("cpu-used", "7"), ("row-mt", "1"), ("b", "0"))),
    "av1": Codec("libsvtav1", 32, 63, (("preset", "10"),)),
}
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".webm")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a recording is encoded."""

    codec: str = "h264"
    crf: int | None = None
    """Quality, lower is better and larger; None is the codec's usual one."""

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise ConfigError(f"no codec {self.codec!r}; there are: {', '.join(CODECS)}")
        most = CODECS[self.codec].crf_most
        if self.crf is not None and not 0 <= self.crf <= most:
            raise ConfigError(f"crf of {self.codec} is between 0 and {most}, not {self.crf}")


class Sink(Protocol):
    """Takes pictures in the order of time."""

    path: Path

    def write(self, bgr: Picture, pts_s: float) -> None:
        """Takes uint8 (H, W, 3), BGR. Raises SinkError when it cannot be encoded or stored."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None: ...


class Recorder:
    """A video file: each picture at its time, sound and tags as in the source."""

    def __init__(self, path: Path, info: SourceInfo, audio: AudioTap, encoding: Encoding, *, force: bool) -> None:
        _check_target(path, force)
        self.path = path
        self._info = info
        self._audio = audio
        self._stored_size = Size(*info.tags.stored(np.empty((*info.frame_size, 3), np.uint8)).shape[:2])
        self._to_yuv = VideoReformatter()
        self._last_ticks: int | None = None
        self._partial = path.with_name(f".{path.stem}.partial{path.suffix}")
        self._container = self._opened()
        try:
            self._stream = self._picture_stream(CODECS[encoding.codec], encoding.crf)
            self._sound = {stream: self._container.add_stream_from_template(stream) for stream in audio.streams}
            self._container.start_encoding()
        except (av.error.FFmpegError, ValueError, OSError) as exc:
            self._discard()
            raise SinkError(f"cannot write {path}: {self._why_not(encoding.codec)} ({exc})") from exc

    def write(self, bgr: Picture, pts_s: float) -> None:
        tags = self._info.tags
        ticks = tags.start_ticks + round(pts_s / tags.time_base)
        # Encoders and containers refuse a time that does not grow, and cameras repeat theirs.
        if self._last_ticks is not None:
            ticks = max(ticks, self._last_ticks + 1)
        self._last_ticks = ticks
        frame = av.VideoFrame.from_ndarray(self._fitted(tags.stored(bgr)), format="bgr24")
        frame = self._to_yuv.reformat(
            frame,
            format="yuv420p",
            interpolation=TRUE_COLOURS,
            dst_colorspace=tags.matrix,
            dst_color_range=tags.colour_range or None,
        )
        frame.pts, frame.time_base = ticks, tags.time_base
        self._mux(frame)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if kind is None or issubclass(kind, KeyboardInterrupt):
            self.close()
        else:
            self._discard()

    def close(self) -> None:
        """Completes the file and gives it its name."""
        if self._last_ticks is None:
            self._discard()
            raise SinkError(f"no picture came, so {self.path} was not written")
        self._mux(None)
        try:
            self._container.close()
            self._partial.replace(self.path)
        except OSError as exc:
            self._discard()
            raise SinkError(f"cannot write {self.path}: {exc.strerror}") from exc

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
            for packet in self._audio.take():
                packet.stream = self._sound[packet.stream]
                self._container.mux(packet)
        except OSError as exc:  # FFmpegError is one too
            self._discard()
            raise SinkError(f"cannot write {self.path}: {exc.strerror}") from exc

    def _opened(self) -> OutputContainer:
        # Index and pictures are written in step, so that a killed process leaves a playable file; without an edit
        # list the frames of such a file would all be shown two frames late.
        options = (
            {"movflags": "hybrid_fragmented+frag_keyframe", "use_editlist": "1"}
            if self.path.suffix in (".mp4", ".mov")
            else {}
        )
        try:
            return av.open(str(self._partial), "w", options=options)
        except (OSError, ValueError) as exc:
            raise SinkError(f"cannot write {self.path}: {getattr(exc, 'strerror', None) or exc}") from exc

    def _picture_stream(self, codec: Codec, crf: int | None) -> VideoStream:
        tags = self._info.tags
        options = dict(codec.options) | {"crf": str(codec.crf if crf is None else crf)}
        stream = cast(VideoStream, self._container.add_stream(codec.encoder, self._info.rate or 30, options))
        context = stream.codec_context
        # Two colour samples a side share one of brightness: an odd row or column is repeated to make it even.
        context.height, context.width = (side + side % 2 for side in self._stored_size)
        context.pix_fmt = "yuv420p"
        context.time_base = stream.time_base = tags.time_base
        context.gop_size = max(1, round(2 * (self._info.rate or 30)))
        context.sample_aspect_ratio = tags.pixel_aspect
        context.colorspace, context.color_range = tags.matrix, tags.colour_range
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        if tags.rotation:
            stream.set_display_rotation(tags.rotation)
        return stream

    def _fitted(self, bgr: Picture) -> Picture:
        """Of the file's size: a picture of another one is scaled into it, its shape kept, on black."""
        height, width = bgr.shape[:2]
        if (height, width) != self._stored_size:
            scale = min(self._stored_size.height / height, self._stored_size.width / width)
            height, width = max(1, round(height * scale)), max(1, round(width * scale))
            scaled = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
            top, left = (self._stored_size.height - height) // 2, (self._stored_size.width - width) // 2
            bgr = np.zeros((*self._stored_size, 3), np.uint8)
            bgr[top : top + height, left : left + width] = scaled
        if self._stored_size.height % 2 or self._stored_size.width % 2:
            below, beside = (side % 2 for side in self._stored_size)
            bgr = np.asarray(cv2.copyMakeBorder(bgr, 0, below, 0, beside, cv2.BORDER_REPLICATE), np.uint8)
        return bgr

    def _why_not(self, codec: str) -> str:
        sound = ", ".join(stream.codec_context.name for stream in self._audio.streams)
        with_sound = f" with sound as {sound}" if sound else ""
        return f"{self.path.suffix} does not take {codec}{with_sound} at {self._stored_size}; .mkv takes nearly all"

    def _discard(self) -> None:
        try:
            self._container.close()
        except OSError:
            pass  # what cannot be completed is removed next
        finally:
            self._partial.unlink(missing_ok=True)


class PictureFolder:
    """A folder of pictures, one for each that comes, named as they are told."""

    def __init__(self, path: Path, names: list[str], *, force: bool) -> None:
        self.path = path
        self._targets = [path / name for name in names]
        for target in self._targets:
            _check_target(target, force)
        self._written = 0

    def write(self, bgr: Picture, pts_s: float) -> None:
        write_picture(self._targets[self._written], bgr)
        self._written += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Each picture is complete as soon as it is written."""


def _check_target(path: Path, force: bool) -> None:
    if not path.parent.is_dir():
        raise SinkError(f"no folder {path.parent} to write {path.name} into")
    if path.is_dir():
        raise SinkError(f"{path} is a folder")
    if path.exists() and not force:
        raise SinkError(f"{path} exists; --force overwrites it")
