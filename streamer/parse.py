"""The parse thread: the newest frame to the inference process and back, then to whoever wants it."""

import threading
import time
from contextlib import ExitStack
from pathlib import Path

from pipeline import Frame, Parsing, PipelineError, load_parser
from streamer.config import StreamConfig
from streamer.errors import WorkerDied
from streamer.publisher import Publisher
from streamer.ring import EndOfStream, Reader
from streamer.stats import Stats
from streamer.worker import Worker, WorkerSettings

WAIT_S = 0.2
"""No wait is longer: `stop` is looked at between two."""


class Newest:
    """The newest parsing, from the thread that makes them to the one that shows them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._parsing: Parsing | None = None
        self._ready = False
        self._begun = -1

    def ready(self) -> None:
        """The next frame that comes will be parsed at once."""
        with self._changed:
            self._ready = True

    def begin(self, frame_index: int) -> None:
        """This frame is being parsed."""
        with self._changed:
            self._ready, self._begun = False, frame_index
            self._changed.notify_all()

    def end(self, parsing: Parsing | None) -> None:
        """It was parsed, or not."""
        with self._changed:
            self._parsing = parsing or self._parsing
            self._begun = -1
            self._changed.notify_all()

    def get(self) -> Parsing | None:
        """What there is."""
        with self._changed:
            return self._parsing

    def wait_for(self, frame_index: int, timeout_s: float) -> Parsing | None:
        """The parsing of this very frame if it is on its way and comes in time, else the newest there is."""
        with self._changed:
            self._changed.wait_for(lambda: not self._coming(frame_index), timeout_s)
            return self._parsing

    def _coming(self, frame_index: int) -> bool:
        done = self._parsing is not None and self._parsing.frame_index >= frame_index
        return not done and (self._ready or self._begun == frame_index)


class Pace:
    """When the next frame may be parsed. Pure: it is told the time."""

    def __init__(self, hz: float | None) -> None:
        self._period_s = 0.0 if hz is None else 1.0 / hz
        self._due_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """Seconds from now until the next one is due; 0 when it is."""
        return max(0.0, self._due_s - now_s)

    def begin(self, now_s: float) -> None:
        """One is being parsed from now. What was missed is not made up for."""
        late_s = now_s - self._due_s
        self._due_s = (self._due_s if late_s < self._period_s else now_s) + self._period_s


class ParseLoop:
    """What the thread does; made by another, run by its own."""

    def __init__(
        self, config: StreamConfig, reader: Reader, newest: Newest, stats: Stats, stop: threading.Event
    ) -> None:
        """Raises PipelineError when there is no such parser, or no such way to run it."""
        self._config = config
        self._parser = load_parser(
            config.parser,
            model_dir=_folder(config),
            size=config.size,
            runtime=config.runtime,
            precision=config.precision,
            threads=config.threads,
        )
        for name in config.hide:
            self._parser.label_set.id_of(name)
        self._reader, self._newest, self._stats, self._stop = reader, newest, stats, stop
        self._worker: Worker | None = None

    def run(self) -> None:
        """Parses the newest frame again and again until the frames end or the stream is stopped."""
        pace = Pace(self._config.parse_hz)
        with ExitStack() as stack:
            publisher = self._publisher(stack)
            ending = "stopped"
            while not self._stop.is_set():
                if publisher:
                    publisher.tick(time.monotonic())
                wait_s = pace.wait_s(time.monotonic())
                if wait_s and not self._reader.writer_ended:
                    self._stop.wait(min(wait_s, WAIT_S))
                    continue
                self._newest.ready()
                try:
                    frame = self._reader.newest(WAIT_S)
                except EndOfStream as end:
                    ending = "ended" if end.error is None else "failed"
                    break
                if frame is not None:
                    pace.begin(time.monotonic())
                    self._newest.begin(frame.index)
                    parsing = self._parsed(frame, stack)
                    self._newest.end(parsing)
                    if parsing is not None:
                        self._deliver(parsing, publisher)
            if publisher:
                publisher.close(ending)

    def _publisher(self, stack: ExitStack) -> Publisher | None:
        config = self._config
        if config.publish is None:
            return None
        return stack.enter_context(
            Publisher(config.publish, stream=config.stream, parser=config.parser, insecure=config.insecure)
        )

    def _parsed(self, frame: Frame, stack: ExitStack) -> Parsing | None:
        """None if the stream was stopped first, or the process failed over it and another will take the next."""
        fit = self._parser.fit_for(frame.size)
        if self._worker is None:
            config = self._config
            settings = WorkerSettings(
                fit.input_size, config.parser, _folder(config), config.runtime, config.precision, config.threads
            )
            self._worker = stack.enter_context(Worker(settings))
        try:
            reading = self._worker.infer(fit.shrink(frame.picture), fit, self._stop)
        except WorkerDied:
            if not self._worker.restarts_left:
                raise
            return None
        except PipelineError as exc:
            # What never could will not; what could may have run out of memory, which comes in many words.
            if self._newest.get() is None or not self._worker.restarts_left:
                raise
            self._worker.abandon(exc)
            return None
        finally:
            self._stats.worker_restarts(self._worker.restarts)
        return None if reading is None else self._parser.assemble(frame, reading)

    def _deliver(self, parsing: Parsing, publisher: Publisher | None) -> None:
        self._stats.parsed(time.monotonic(), parsing.captured_s)
        if publisher:
            publisher.publish(parsing)


def _folder(config: StreamConfig) -> Path | None:
    return None if config.model_dir is None else Path(config.model_dir)
