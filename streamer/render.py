"""The render thread: every captured frame, in order, with the newest masks, to the window and the recording."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from pipeline import Frame, Parsing, Picture, Yuv420, draw
from streamer.config import StreamConfig
from streamer.errors import SinkError
from streamer.live_recorder import LiveRecorder
from streamer.outlets import Outlets
from streamer.parse import WAIT_S, Newest
from streamer.ring import EndOfStream, Reader
from streamer.saving import Saver
from streamer.segments import Filing
from streamer.sources import Source
from streamer.stats import Stats
from streamer.window import CLOSED, QUIT, Window

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
        outlets: Outlets,
    ) -> None:
        """
        Args:
            source: gives the source once it is open, or None after so many seconds without.
        """
        self._config = config
        self._reader, self._newest, self._stats, self._stop = reader, newest, stats, stop
        self._source = source
        self._outlets = outlets
        self._window: Window | None = None
        self._recorder: LiveRecorder | None = None
        self.saver = Saver(config.keeps_s, stats)
        self._unseen = 0
        self._look = config.look
        self._paused = False

    def run(self) -> None:
        """Draws and shows until the frames end or the stream is stopped."""
        with ExitStack() as stack:
            stack.push(lambda *exc: self._recorder.__exit__(*exc) if self._recorder else None)
            if self._config.window:
                self._window = stack.enter_context(Window(f"streamer {self._config.stream}"))
            waiting = self._config.encodes
            while not self._stop.is_set():
                if waiting:
                    ended = self._reader.writer_ended
                    waiting = not self._begins_recording()
                    if waiting and ended:
                        break  # the source never opened
                    if waiting:
                        self._obey_keys(0)
                        continue
                try:
                    frame = self._reader.next(WAIT_S)
                except EndOfStream:
                    break
                self._stats.dropped("behind", self._reader.missed)
                if frame is not None:
                    self._show(frame)
                else:
                    self._obey_keys(0)
            self._account()

    def _begins_recording(self) -> bool:
        """Whether the source is there to be recorded."""
        config = self._config
        source = self._source(WAIT_S)
        if source is None:
            return False
        filing = None
        if config.record is not None:
            filing = Filing(Path(config.record), config.segment_s, config.keep_free_bytes, config.force)
        self._recorder = LiveRecorder(source.info, source.audio, config.encoding, filing, self.saver.recent)
        return True

    def _show(self, frame: Frame) -> None:
        if not (self._window or self._recorder):
            self._unseen += 1
            self._stats.dropped("no_sink", self._unseen)
            return
        parsing = self._fresh(frame)
        picture = frame.picture if parsing is None else draw(frame, parsing, self._look)
        self.saver.picture = picture
        self._record(picture, frame.pts_s)
        self._display(picture)
        self._obey_keys(frame.index)
        age_s = None if parsing is None else max(0.0, frame.captured_s - parsing.captured_s)
        self._stats.shown(time.monotonic(), frame.captured_s, age_s)

    def _display(self, picture: Picture | Yuv420) -> None:
        try:
            if self._window and not self._paused:
                self._window.show(_bgr(picture))
        except SinkError as exc:
            self._window = None
            self._outlets.fail("window", exc)

    def _record(self, picture: Picture | Yuv420, pts_s: float) -> None:
        recorder = self._recorder
        if recorder is None:
            return
        try:
            recorder.write(picture, pts_s)
        except SinkError as exc:
            clips_go_on = recorder.encodes and bool(self._config.clip_seconds)
            if not clips_go_on:
                self._recorder = None  # it has kept what it had
                if self.saver.recent:
                    self.saver.recent.clear()
            self._outlets.fail("recording", exc, partly=clips_go_on)

    def _fresh(self, frame: Frame) -> Parsing | None:
        """The newest masks, unless they are too old for this frame."""
        parsing = self._newest.wait_for(frame.index, self._config.mask_wait_s)
        if parsing is None or frame.captured_s - parsing.captured_s > self._config.mask_ttl_s:
            return None
        return parsing if parsing.frame_size == frame.size else None  # a camera may change its picture's size

    def _obey_keys(self, frame_index: int) -> None:
        for key in self._window.keys() if self._window else ():
            if key == CLOSED:
                self._window = None
            if key == QUIT or (key == CLOSED and not self._outlets.end("window", "it was closed")):
                self._stop.set()
            match key:
                case " ":
                    self._paused = not self._paused
                case "o":
                    self._look = replace(self._look, opacity=_next_opacity(self._look.opacity))
                case "l":
                    self._look = replace(self._look, legend=not self._look.legend)
                case "s":
                    self.saver.snapshot_here(frame_index)
                case "c":
                    self.saver.clip_here(frame_index)

    def _account(self) -> None:
        self._stats.dropped("behind", self._reader.missed)
        self._stats.dropped("at_end", self._reader.unread)


def _next_opacity(opacity: float) -> float:
    return next((each for each in OPACITIES if each > opacity), OPACITIES[0])


def _bgr(picture: Picture | Yuv420) -> Picture:
    return picture.bgr if isinstance(picture, Yuv420) else picture
