"""The parse thread: the newest frame to the inference process and back, then to the sinks."""

import threading
import time
from contextlib import ExitStack

from pipeline import Frame, Parser, Parsing, PipelineError
from pipeline.network.letterbox import Letterbox
from pipeline.parsing.reading import Reading
from pipeline.types import Picture
from streamer.errors import WorkerDied
from streamer.inference.seat import Seat
from streamer.live.config import StreamConfig
from streamer.live.latest import LatestParsings
from streamer.live.planner import Limits, Planner
from streamer.live.ring import EndOfStream, LatestFrames, RingReader
from streamer.live.sinks.sink import Remaining, SinkSet
from streamer.live.sinks.table import Place, Row

WAIT_S = 0.2
"""No wait is longer: `stop` is looked at between two."""


class Pace:
    """The time at which the next frame may be parsed. Pure: it is told the time."""

    def __init__(self) -> None:
        self._due_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """Seconds from now until the next one is due; 0 when it is."""
        return max(0.0, self._due_s - now_s)

    def begin(self, now_s: float, interval_s: float) -> None:
        """Starts an interval with a frame that is parsed from now on. A late start is not made up for."""
        late_s = now_s - self._due_s
        self._due_s = (self._due_s if late_s < interval_s else now_s) + interval_s


class ParseLoop:
    """The work of the parse thread. Made by another thread."""

    def __init__(
        self,
        parser: Parser,
        config: StreamConfig,
        reader: RingReader,
        newest: LatestParsings,
        stop: threading.Event,
        rows: tuple[Row[Parsing], ...],
        place: Place,
        remaining: Remaining,
    ) -> None:
        """
        Args:
            parser: made of the configuration's settings; the worker's answers are put together by it.
            rows: the sinks for what is parsed.
        """
        self._config = config
        self._parser = parser
        masks = config.masks
        interval_s = 1.0 / masks.parse_hz if masks.parse_hz else 0.0
        limits = Limits(masks.max_mask_age_s, interval_s, masks.still_for_s, config.parser.input_size)
        self._planner = Planner(self._parser, limits)
        self._reader, self._newest, self._stats, self._stop = reader, newest, place.stats, stop
        self._freshest = LatestFrames(reader)
        self._rows, self._place = rows, place
        self._sinks: SinkSet[Parsing] = SinkSet(remaining)
        self._worker = Seat(parser.settings)

    def run(self) -> None:
        """Parses the newest frame again and again until the frames end or the stream is stopped."""
        with ExitStack() as stack:
            stack.callback(self._newest.close)
            stack.enter_context(self._sinks)
            for row in self._rows:
                if row.wanted(self._config):
                    self._sinks.add(row.name, row.make(self._place))
            stack.enter_context(self._worker)
            self._sinks.close(self._parse_all())

    def _parse_all(self) -> str:
        """Parses until the end; returns how that came: ended, stopped or failed."""
        pace = Pace()
        while not self._stop.is_set():
            self._sinks.tick()
            wait_s = pace.wait_s(time.monotonic())
            if wait_s and not self._reader.writer_ended:
                self._stop.wait(min(wait_s, WAIT_S))
                continue
            self._newest.ready()
            try:
                frame = self._freshest.take(WAIT_S)
            except EndOfStream as end:
                return self._ending(end)
            if frame is not None:
                pace.begin(time.monotonic(), self._planner.plan(frame.size).interval_s)
                self._newest.begin(frame.index)
                parsing = self._parsed(frame)
                self._newest.end(parsing)
                if parsing is not None:
                    self._stats.parsed(time.monotonic(), parsing.captured_s)
                    self._sinks.write(parsing)
        return "stopped"

    def _ending(self, end: EndOfStream) -> str:
        if end.error is not None:
            return "failed"
        # Of a stream that is stopped, the frames may end before this thread hears of it.
        return "stopped" if self._stop.is_set() else "ended"

    def _parsed(self, frame: Frame) -> Parsing | None:
        """None if the stream was stopped first, or the process died over it and another will take the next."""
        began_s = time.monotonic()
        planner = self._planner
        self._parser.see(frame)
        fit = self._parser.fit_for(frame.size, planner.plan(frame.size).size)
        small = fit.shrink(frame.picture)
        reading = planner.recall(small, time.monotonic())
        if reading is not None:
            self._stats.repeated()
            return self._parser.assemble(frame, reading)
        reading = self._read(small, fit, frame.pts_s)
        if reading is None:
            return None
        dropped = self._stats.fallen_behind()
        planner.parsed(frame, small, reading, began_s, time.monotonic(), dropped, self._worker.lost(dropped))
        self._stats.governed(fit.input_size, planner.too_slow_s, people_too_small=planner.people_too_small)
        return self._parser.assemble(frame, reading)

    def _read(self, small: Picture, fit: Letterbox, pts_s: float) -> Reading | None:
        try:
            next_size = self._planner.next_size
            reading = self._worker.infer(small, fit, pts_s, self._stop, next_size)
            if next_size is not None and self._worker.next_ready:
                self._planner.made_ready(next_size)
            return reading
        except WorkerDied as exc:
            if not self._worker.restarts_left:
                raise self._worker.given_up from exc
            return None
        except PipelineError as exc:
            # What never could will not; what could may have run out of memory, which comes in many words.
            if self._newest.get() is None or not self._worker.restarts_left:
                raise
            self._worker.abandon(exc)
            return None
        finally:
            self._stats.worker_restarts(self._worker.restarts)
