"""Where pictures go: a video file, a folder of pictures.

A sink is a context: left in peace, or by Ctrl-C, it completes what it has; left by any other error it
removes what it began. A file carries a hidden name beside its own until it is complete, so that nobody finds
half of one.
"""

from contextlib import suppress
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from typing import Protocol, Self, cast

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from pipeline import TRUE_COLOURS, Picture, Size, Yuv420
from streamer.errors import ConfigError, SinkError
from streamer.pictures import write_picture
from streamer.sound import AudioTap
from streamer.sources import SourceInfo


@dataclass(frozen=True, slots=True)
class Codec:
    """A way to encode video."""

    encoder: str
    """FFmpeg's name of it."""
    crf: int
    """Its quality when none is asked for; lower is better and larger."""
    crf_most: int
    presets: tuple[str, ...]
    """How much work to spend, the usual first; empty where the encoder has no such thing."""
    options: tuple[tuple[str, str], ...] = ()


X264_PRESETS = ("veryfast", "ultrafast", "superfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
CODECS = {
    "h264": Codec("libx264", 20, 51, X264_PRESETS),
    "h265": Codec("libx265", 23, 51, X264_PRESETS, (("x265-params", "log-level=error"),)),
    "vp9": Codec("libvpx-vp9", 31, 63, (), (("deadline", "realtime"), ("cpu-used", "7"), ("row-mt", "1"), ("b", "0"))),
    "av1": Codec("libsvtav1", 32, 63, ("10", *(str(each) for each in range(14) if each != 10))),
}
# Index and pictures are written in step, twice a second, so that a killed process leaves a playable file.
# Without an edit list the frames of such an mp4 would all be shown two frames late.
_FRAGMENTS = {
    "movflags": "hybrid_fragmented",
    "frag_duration": "500000",
    "use_editlist": "1",
    "flush_packets": "1",
}
_CLUSTERS = {"cluster_time_limit": "500", "flush_packets": "1"}
CRASH_SAFE = {".mp4": _FRAGMENTS, ".mov": _FRAGMENTS, ".mkv": _CLUSTERS, ".webm": _CLUSTERS}
FULL_RANGE = 2
FINEST_TIMESCALE = 10_000_000
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".webm")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a recording is encoded."""

    codec: str = "h264"
    crf: int | None = None
    """Quality, lower is better and larger; None is the codec's usual one."""
    preset: str | None = None
    """How much work to spend on a small file; None is the codec's usual one."""

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise ConfigError(f"no codec {self.codec!r}; there are: {', '.join(CODECS)}")
        most = CODECS[self.codec].crf_most
        if self.crf is not None and not 0 <= self.crf <= most:
            raise ConfigError(f"crf of {self.codec} is between 0 and {most}, not {self.crf}")
        presets = CODECS[self.codec].presets
        if self.preset is not None and self.preset not in presets:
            raise ConfigError(f"{self.codec} has no preset {self.preset!r}; there are: {', '.join(presets) or 'none'}")

    @property
    def options(self) -> dict[str, str]:
        """The encoder's own options."""
        codec = CODECS[self.codec]
        crf = codec.crf if self.crf is None else self.crf
        preset = self.preset or next(iter(codec.presets), None)
        return dict(codec.options) | {"crf": str(crf)} | ({"preset": preset} if preset else {})


class Sink(Protocol):
    """Takes pictures in the order of time."""

    path: Path

    def write(self, picture: Picture | Yuv420, pts_s: float) -> None:
        """Takes a picture, which nobody writes to any more. Raises SinkError when it cannot be encoded or stored."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None: ...


class Recorder:
    """A video file: each picture at its time, sound and tags as in the source."""

    def __init__(
        self, path: Path, info: SourceInfo, audio: AudioTap, encoding: Encoding, *, force: bool, keep: bool = False
    ) -> None:
        """With `keep`, a full disk leaves what was written: a live picture cannot be had again. Raises SinkError."""
        _check_target(path, force)
        self.path = path
        self._keep = keep
        self._info, self._audio = info, audio
        self._stored_size = Size(*info.tags.stored(np.empty((*info.frame_size, 3), np.uint8)).shape[:2])
        self._to_yuv = VideoReformatter()
        self._last_ticks: int | None = None
        self._step = max(1, round(1 / ((info.rate or 30) * info.tags.time_base)))
        self._partial = path.with_name(f".{path.stem}.partial{path.suffix}")
        self._container = self._opened()
        try:
            self._stream = self._picture_stream(encoding)
            self._sound = {stream: self._container.add_stream_from_template(stream) for stream in audio.streams}
        except (OSError, ValueError) as exc:
            self._discard()
            raise SinkError(f"cannot write {path}: {self._why_not(encoding.codec)} ({exc})") from exc

    def write(self, picture: Picture | Yuv420, pts_s: float) -> None:
        tags = self._info.tags
        ticks = tags.start_ticks + round(pts_s / tags.time_base)
        # Encoders and containers refuse a time that does not grow, and cameras repeat theirs.
        if self._last_ticks is not None:
            ticks = max(ticks, self._last_ticks + 1)
        self._last_ticks = ticks
        frame = self._encodable(picture)
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
            kept = self._give_up()
            raise SinkError(f"cannot write {self.path}: {exc.strerror}{kept}") from exc

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            packets = self._stream.encode(frame)
            if frame is None and packets:
                # FFmpeg lets an mp4 end with the last packet, which need not be the last picture.
                packets[-1].duration = (self._last_ticks or 0) + self._step - (packets[-1].dts or 0)
            self._container.mux(packets)
            for packet in self._audio.take():
                packet.stream = self._sound[packet.stream]
                self._container.mux(packet)
        except (OSError, ValueError) as exc:
            kept = self._give_up()
            raise SinkError(f"cannot write {self.path}: {getattr(exc, 'strerror', None) or exc}{kept}") from exc

    def _give_up(self) -> str:
        """Keeps what there is, or removes it; what to say of it."""
        if not self._keep:
            self._discard()
            return ""
        with suppress(OSError):
            self._container.close()
        self._partial.replace(self.path)
        return "; what was written until then is kept"

    def _opened(self) -> OutputContainer:
        # The header is written with the first packet and not here: FFmpeg's mp4 writer crashes when it is closed
        # between the two. Making the file now tells of a folder that cannot be written before any work is done.
        try:
            self._partial.touch()
            return av.open(str(self._partial), "w", options=self._container_options())
        except (OSError, ValueError) as exc:
            self._partial.unlink(missing_ok=True)
            raise SinkError(f"cannot write {self.path}: {getattr(exc, 'strerror', None) or exc}") from exc

    def _container_options(self) -> dict[str, str]:
        options = CRASH_SAFE.get(self.path.suffix.lower(), {})
        if options is _FRAGMENTS:
            # When a track begins is written in this unit; in the usual thousandths, sound would shift against pictures.
            units = [self._info.tags.time_base.denominator, *(stream.sample_rate for stream in self._audio.streams)]
            options = options | {"movie_timescale": str(min(lcm(*units), FINEST_TIMESCALE))}
        return options

    def _picture_stream(self, encoding: Encoding) -> VideoStream:
        tags = self._info.tags
        encoder, rate = CODECS[encoding.codec].encoder, self._info.rate or 30
        stream = cast(VideoStream, self._container.add_stream(encoder, rate, encoding.options))
        context = stream.codec_context
        # Two colour samples a side share one of brightness: an odd row or column is repeated to make it even.
        context.height, context.width = (side + side % 2 for side in self._stored_size)
        context.pix_fmt = self._pixels = _pixels(encoder, tags.colour_range)
        context.time_base = stream.time_base = tags.time_base
        context.gop_size = max(1, round(2 * (self._info.rate or 30)))
        context.sample_aspect_ratio = tags.pixel_aspect
        context.colorspace, context.color_range = tags.matrix, tags.colour_range
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        if tags.rotation:
            stream.set_display_rotation(tags.rotation)
        return stream

    def _encodable(self, picture: Picture | Yuv420) -> av.VideoFrame:
        tags = self._info.tags
        if isinstance(picture, Yuv420):
            # As the source has it, to the last bit: what is not drawn on is not converted.
            same = picture.shape == self._stored_size and picture.video.format.name == self._pixels
            if same and not tags.rotation:
                return picture.video
            picture = picture.bgr
        bgr = av.VideoFrame.from_ndarray(self._fitted(tags.stored(picture)), format="bgr24")
        return self._to_yuv.reformat(
            bgr,
            format=self._pixels,
            interpolation=TRUE_COLOURS,
            dst_colorspace=tags.matrix,
            dst_color_range=tags.colour_range or None,
        )

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
        with suppress(OSError):  # what cannot be completed is removed next
            self._container.close()
        self._partial.unlink(missing_ok=True)


def _pixels(encoder: str, colour_range: int) -> str:
    """The kind of pixels to encode. FFmpeg has a name of its own for those that use all 256 levels, and would
    convert them, at the loss of a level of colour, for an encoder that was told of the other kind."""
    known = [each.name for each in av.Codec(encoder, "w").video_formats or ()]
    return "yuvj420p" if colour_range == FULL_RANGE and "yuvj420p" in known else "yuv420p"


class PictureFolder:
    """A folder of pictures, one for each that comes, named as they are told."""

    def __init__(self, path: Path, names: list[str], *, force: bool) -> None:
        self.path = path
        self._targets = [path / name for name in names]
        for target in self._targets:
            _check_target(target, force)
        self._written = 0

    def write(self, picture: Picture | Yuv420, pts_s: float) -> None:
        bgr = picture.bgr if isinstance(picture, Yuv420) else picture
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
