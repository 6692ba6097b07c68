"""Animated pictures: GIF, and WebP, which has transparency and many colours. Neither has sound."""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import numpy as np

from pipeline import Size
from pipeline.types import Picture
from pipeline.yuv import Yuv420
from streamer.errors import SinkError
from streamer.media.circles import break_circle
from streamer.media.failures import WRITING_FAILS
from streamer.media.paths import check_target, partial_name
from streamer.media.tags import SourceInfo

WEBP_QUALITY = "80"
_TICKS = Fraction(1, 1000)
_GIF_TICKS = Fraction(1, 100)
"""GIF counts its times in these."""
MIN_GIF_TICKS = 2
"""Shorter times of a frame are a tenth of a second to most programs that show GIFs."""


class Animation:
    """A .gif or .webp file that is shown again and again: each picture at its time, whole or not at all."""

    damaged = 0
    left_out: tuple[str, ...] = ()

    def __init__(self, path: Path, info: SourceInfo, *, force: bool, alpha: bool = False) -> None:
        """
        Args:
            alpha: pictures are uint8 (H, W, 4), BGRA; for .webp only.

        Raises:
            SinkError: it cannot be written.
        """
        check_target(path, force)
        if path.suffix.lower() == ".gif" and alpha:
            raise SinkError(f"{path}: a GIF has no soft edges for what is cut out; write .webp, .webm or .mov")
        self.path, self._at = path, partial_name(path)
        self._is_gif, self._alpha = path.suffix.lower() == ".gif", alpha
        self._ticks = _GIF_TICKS if self._is_gif else _TICKS
        self._least = MIN_GIF_TICKS if self._is_gif else 1
        # Neither says which shape its pixels have, or nobody heeds it: they are square.
        self._size, self._rate = info.tags.shown_square_size(info.frame_size), info.rate or Fraction(25)
        self._begin_s: float | None = None
        self._last = -self._least
        self._graph = _palettes(self._size, self._ticks) if self._is_gif else None
        try:
            self._open()
        except WRITING_FAILS as exc:
            raise self._error(exc) from exc

    def write(self, picture: Picture | Yuv420, pts_s: float, duration_s: float | None = None) -> None:
        """As `streamer.recording.file.Sink`; pictures that come faster than a GIF can show them are left out."""
        self._begin_s = pts_s if self._begin_s is None else self._begin_s
        ticks = round((pts_s - self._begin_s) / self._ticks)
        if ticks - self._last < self._least:
            return
        bgr = picture.pixels if isinstance(picture, Yuv420) else picture
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(bgr), format="bgra" if self._alpha else "bgr24")
        if Size(*bgr.shape[:2]) != self._size:
            frame = frame.reformat(width=self._size.width, height=self._size.height)
        frame.pts, frame.time_base, self._last = ticks, self._ticks, ticks
        self._encode(frame)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        failed = kind is not None and not issubclass(kind, KeyboardInterrupt)
        try:
            if not failed and self._begin_s is not None:
                self._encode(None)
        except SinkError:
            self._discard()
            raise
        if failed or self._begin_s is None:
            self._discard()
            if not failed:
                raise SinkError(f"no picture came, so {self.path} was not written")
            return
        self._complete()

    def _open(self) -> None:
        options = {"loop": "0"}  # without end
        self._file: Any = av.open(f"file:{self._at}", "w", format="gif" if self._is_gif else "webp", options=options)
        codec = "gif" if self._is_gif else "libwebp_anim"
        stream: Any = self._file.add_stream(codec, self._rate)
        stream.height, stream.width = self._size
        stream.pix_fmt = "pal8" if self._is_gif else "yuva420p" if self._alpha else "yuv420p"
        stream.time_base = stream.codec_context.time_base = self._ticks
        if not self._is_gif:
            stream.options = {"quality": WEBP_QUALITY}
        self._stream = stream

    def _encode(self, frame: Any) -> None:
        try:
            for each in [frame] if self._graph is None else _through(self._graph, frame):
                plain = each is None or self._is_gif
                self._file.mux(self._stream.encode(each if plain else each.reformat(format=self._stream.pix_fmt)))
        except WRITING_FAILS as exc:
            raise self._error(exc) from exc

    def _complete(self) -> None:
        try:
            self._close()
            self._at.replace(self.path)
        except WRITING_FAILS as exc:
            self._at.unlink(missing_ok=True)
            raise self._error(exc) from exc

    def _discard(self) -> None:
        with suppress(*WRITING_FAILS):  # what cannot be completed is removed next
            self._close()
        self._at.unlink(missing_ok=True)

    def _close(self) -> None:
        try:
            self._file.close()
        finally:
            break_circle(self._file)

    def _error(self, exc: Exception) -> SinkError:
        return SinkError(f"cannot write {self.path}: {getattr(exc, 'strerror', None) or exc}")


def _palettes(size: Size, ticks: Fraction) -> Any:
    """Each frame gets 256 colours of its own: one palette for all would have to know the last frame first."""
    graph: Any = av.filter.Graph()
    buffer = graph.add_buffer(width=size.width, height=size.height, format="bgr24", time_base=ticks)
    split, palette = graph.add("split"), graph.add("palettegen", "stats_mode=single")
    use, sink = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=4"), graph.add("buffersink")
    buffer.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(palette, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    return graph


def _through(graph: Any, frame: Any) -> list[Any]:
    graph.push(frame)
    found = []
    while True:
        try:
            found.append(graph.pull())
        except (BlockingIOError, EOFError):
            return [*found, None] if frame is None else found
