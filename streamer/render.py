"""The render thread: every captured frame, in order, with the newest masks, to the window and the recording."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from pipeline import Frame, Parsing, Picture, Yuv420, draw
from streamer.config import StreamConfig
from streamer.offline import free_name
from streamer.parse import WAIT_S, Newest
from streamer.pictures import write_picture
from streamer.ring import EndOfStream, Reader
from streamer.sinks import Recorder
from streamer.sources import Source
from streamer.stats import Stats
from streamer.window import CLOSED, Window, snapshot_name

OPACITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""What the key `o` goes through."""


class RenderLoop:
    """What the thread does; made by another, run by its own."""

    def __init__(
        self,
        config: StreamConfig,
        reader: Reader,
        newest: Newest,
        stats: Stats,
        stop: threading.Event,
        source: Callable[[float], Source | None],
    ) -> None:
        """
        Args:
            source: gives the source once it is open, or None after so many seconds without.
        """
        self._config = config
        self._reader, self._newest, self._stats, self._stop = reader, newest, stats, stop
        self._source = source
        self._look = config.look
        self._paused = False
        self._last: Picture | Yuv420 | None = None

    def run(self) -> None:
        """Draws and shows until the frames end or the stream is stopped."""
        with ExitStack() as stack:
            window = stack.enter_context(Window(f"streamer {self._config.stream}")) if self._config.window else None
            recorder: Recorder | None = None
            while not self._stop.is_set():
                if recorder is None and self._config.record is not None:
                    ended = self._reader.writer_ended
                    recorder = self._recorder(stack)
                    if recorder is None and ended:
                        break  # the source never opened
                    if recorder is None:
                        continue
                try:
                    frame = self._reader.next(WAIT_S)
                except EndOfStream:
                    break
                self._stats.dropped("behind", self._reader.missed)
                if frame is not None:
                    self._show(frame, window, recorder)
                elif window:
                    self._obey(window.keys(), 0)
            self._account()

    def _recorder(self, stack: ExitStack) -> Recorder | None:
        config = self._config
        source = self._source(WAIT_S)
        if source is None or config.record is None:
            return None
        recorder = Recorder(
            Path(config.record), source.info, source.audio, config.encoding, force=config.force, keep=True
        )
        return stack.enter_context(recorder)

    def _show(self, frame: Frame, window: Window | None, recorder: Recorder | None) -> None:
        parsing = self._fresh(frame)
        picture = frame.picture if parsing is None else draw(frame, parsing, self._look)
        self._last = picture
        if recorder:
            recorder.write(picture, frame.pts_s)
        if window:
            keys = window.keys() if self._paused else window.show(_bgr(picture))
            self._obey(keys, frame.index)
        age_s = None if parsing is None else max(0.0, frame.captured_s - parsing.captured_s)
        self._stats.shown(time.monotonic(), frame.captured_s, age_s)

    def _fresh(self, frame: Frame) -> Parsing | None:
        """The newest masks, unless they are too old for this frame."""
        parsing = self._newest.wait_for(frame.index, self._config.mask_wait_s)
        if parsing is None or frame.captured_s - parsing.captured_s > self._config.mask_ttl_s:
            return None
        return parsing

    def _obey(self, keys: Iterator[str], frame_index: int) -> None:
        for key in keys:
            if key == CLOSED:
                self._stop.set()
            match key:
                case " ":
                    self._paused = not self._paused
                case "o":
                    self._look = replace(self._look, opacity=_next_opacity(self._look.opacity))
                case "l":
                    self._look = replace(self._look, legend=not self._look.legend)
                case "s" if self._last is not None:
                    write_picture(free_name(snapshot_name(frame_index)), _bgr(self._last))

    def _account(self) -> None:
        self._stats.dropped("behind", self._reader.missed)
        self._stats.dropped("at_end", self._reader.unread)


def _next_opacity(opacity: float) -> float:
    return next((each for each in OPACITIES if each > opacity), OPACITIES[0])


def _bgr(picture: Picture | Yuv420) -> Picture:
    return picture.bgr if isinstance(picture, Yuv420) else picture
