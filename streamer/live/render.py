"""The render thread: every captured frame, in order, with the newest masks, to the window and the recording."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from pipeline import Picture, Yuv420, draw
from streamer.errors import SinkError
from streamer.live.config import StreamConfig
from streamer.live.parse import WAIT_S
from streamer.live.ring import EndOfStream, Reader
from streamer.live.sinks.sink import Outlets
from streamer.live.sinks.snapshots import Saver
from streamer.live.stats import Stats
from streamer.live.sync import Masked, Sync
from streamer.live.sinks.window import CLOSED, QUIT, Window
from streamer.recording.live import LiveRecorder
from streamer.recording.segments import Filing
from streamer.sources.source import Source

OPACITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""What the key `o` goes through."""


class RenderLoop:
    """What the thread does; made by another, run by its own."""

    def __init__(
        self,
        config: StreamConfig,
        reader: Reader,
        sync: Sync,
        stats: Stats,
        stop: threading.Event,
        source: Callable[[float], Source | None],
        outlets: Outlets,
    ) -> None:
        """
        Args:
            sync: decides which masks each frame is shown with.
            source: gives the source once it is open, or None after so many seconds without.
        """
        self._config = config
        self._reader, self._sync, self._stats, self._stop = reader, sync, stats, stop
        self._source = source
        self._outlets = outlets
        self._window: Window | None = None
        self._recorder: LiveRecorder | None = None
        self.saver = Saver(config.keeps_s, stats)
        self._unseen = self._unshown = 0
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
                    self._show_all(self._sync.rest())
                    break
                self._stats.dropped("behind", self._reader.missed)
                self._show_all(self._sync.push(frame))
                if frame is None:
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

    def _show_all(self, shown: Iterator[Masked]) -> None:
        for number, masked in enumerate(shown):
            # A stop does not take back the frame at hand; those that have waited with it are not drawn any more.
            if number and self._stop.is_set():
                self._unshown += 1
            else:
                self._show(masked)

    def _show(self, masked: Masked) -> None:
        if not (self._window or self._recorder):
            self._unseen += 1
            self._stats.dropped("no_sink", self._unseen)
            return
        frame, parsing = masked.frame, masked.parsing
        picture = frame.picture if parsing is None else draw(frame, parsing, self._look)
        self.saver.picture = picture
        self._record(picture, frame.pts_s)
        self._display(picture)
        self._obey_keys(frame.index)
        self._stats.shown(time.monotonic(), frame.captured_s, masked.age_s)

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
        self._stats.dropped("at_end", self._reader.unread + self._sync.waiting + self._unshown)


def _next_opacity(opacity: float) -> float:
    return next((each for each in OPACITIES if each > opacity), OPACITIES[0])


def _bgr(picture: Picture | Yuv420) -> Picture:
    return picture.bgr if isinstance(picture, Yuv420) else picture
