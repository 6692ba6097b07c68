"""The parse thread: the newest frame to the inference process and back, then to whoever wants it."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, astuple
from pathlib import Path

from pipeline import Fit, Frame, Parsing, Picture, PipelineError, Reading, Size, Zoom, load_parser, network_size
from streamer.errors import SinkError, WorkerDied
from streamer.inference.worker import Worker, WorkerSettings
from streamer.live.config import StreamConfig
from streamer.live.latest import Newest
from streamer.live.rate import Governor, Plan, affordable
from streamer.live.ring import EndOfStream, Freshest, Reader
from streamer.live.sinks.sink import Outlets
from streamer.live.stats import Stats
from streamer.live.still import Repeats
from streamer.masks.headers import Percentiles, Totals
from streamer.zeromq.publisher import Publisher

WAIT_S = 0.2
"""No wait is longer: `stop` is looked at between two."""
SMALLER = (0.7, 0.5, 0.35)
"""Of the network's usual input, so many pixels may be what is parsed on a machine that is too slow for all."""


class Pace:
    """When the next frame may be parsed. Pure: it is told the time."""

    def __init__(self) -> None:
        self._due_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """Seconds from now until the next one is due; 0 when it is."""
        return max(0.0, self._due_s - now_s)

    def begin(self, now_s: float, interval_s: float) -> None:
        """One is being parsed from now, the next so much later. What was missed is not made up for."""
        late_s = now_s - self._due_s
        self._due_s = (self._due_s if late_s < interval_s else now_s) + interval_s


class ParseLoop:
    """What the thread does; made by another, run by its own."""

    def __init__(
        self,
        config: StreamConfig,
        reader: Reader,
        newest: Newest,
        stats: Stats,
        stop: threading.Event,
        outlets: Outlets,
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
        self._freshest = Freshest(reader)
        self._outlets = outlets
        self._publisher: Publisher | None = None
        self._repeats = Repeats(config.still_for_s)
        self._governor: Governor | None = None
        self._governed: Size | None = None
        self._zoom, self._times = Zoom(), 1.0
        self._worker: Worker | None = None

    def run(self) -> None:
        """Parses the newest frame again and again until the frames end or the stream is stopped."""
        pace = Pace()
        with ExitStack() as stack:
            stack.callback(self._newest.close)
            self._begin_publishing(stack)
            ending = "stopped"
            while not self._stop.is_set():
                self._tell(lambda to: to.tick(time.monotonic()))
                wait_s = pace.wait_s(time.monotonic())
                if wait_s and not self._reader.writer_ended:
                    self._stop.wait(min(wait_s, WAIT_S))
                    continue
                self._newest.ready()
                try:
                    frame = self._freshest.take(WAIT_S)
                except EndOfStream as end:
                    ending = self._ending(end)
                    break
                if frame is not None:
                    pace.begin(time.monotonic(), self._plan_for(frame.size).interval_s)
                    self._newest.begin(frame.index)
                    parsing = self._parsed(frame, stack)
                    self._newest.end(parsing)
                    if parsing is not None:
                        self._deliver(parsing)
            self._tell(lambda to: to.close(ending, self._totals()))

    def _ending(self, end: EndOfStream) -> str:
        if end.error is not None:
            return "failed"
        # Of a stream that is stopped, the frames may end before this thread hears of it.
        return "stopped" if self._stop.is_set() else "ended"

    def _begin_publishing(self, stack: ExitStack) -> None:
        config = self._config
        if config.publish is not None:
            publisher = Publisher(config.publish, stream=config.stream, parser=config.parser, insecure=config.insecure)
            self._publisher = stack.enter_context(publisher)

    def _tell(self, tell: Callable[[Publisher], None]) -> None:
        """To the publisher, if there is one still; one that fails says goodbye, if it can, and ends."""
        publisher = self._publisher
        if publisher is None:
            return
        try:
            tell(publisher)
        except SinkError as exc:
            self._publisher = None
            self._outlets.fail("publisher", exc)
            with suppress(SinkError):
                publisher.close("failed", self._totals())

    def _plan_for(self, frame_size: Size) -> Plan:
        """How to parse the next frame; of another size, everything has to be found out anew."""
        if self._governor is None or self._governed != frame_size:
            self._governed, self._repeats = frame_size, Repeats(self._config.still_for_s)
            interval_s = 1.0 / self._config.parse_hz if self._config.parse_hz else 0.0
            self._governor = Governor(self._config.max_mask_age_s, self._sizes(frame_size, self._times), interval_s)
        return self._governor.plan

    def _sizes(self, frame_size: Size, times: float) -> list[Size]:
        """Of the network's input, that the governor may choose from, the largest first.

        Args:
            times: so many of the usual rows and columns the largest is to have.
        """
        own = self._parser.fit_for(frame_size).input_size
        if self._config.size is not None or not self._parser.model.compiles_at_once:
            return [own]
        smaller = (network_size(frame_size, int(share * own.area)) for share in SMALLER)
        zoomed = self._parser.zoomed(frame_size, times).input_size
        return sorted({zoomed, own, *smaller}, key=lambda size: -size.area)

    def _parsed(self, frame: Frame, stack: ExitStack) -> Parsing | None:
        """None if the stream was stopped first, or the process died over it and another will take the next."""
        began_s = time.monotonic()
        fit = self._parser.fit_for(frame.size, self._plan_for(frame.size).size)
        small = fit.shrink(frame.picture)
        reading = self._repeats.recall(small, time.monotonic())
        if reading is not None:
            self._stats.repeated()
            return self._parser.assemble(frame, reading)
        reading = self._read(small, fit, frame.pts_s, stack)
        if reading is None:
            return None
        self._repeats.remember(small, reading, time.monotonic())
        self._govern(frame, began_s)
        self._look_closer(frame, reading)
        return self._parser.assemble(frame, reading)

    def _read(self, small: Picture, fit: Fit, pts_s: float, stack: ExitStack) -> Reading | None:
        if self._worker is None:
            config = self._config
            settings = WorkerSettings(
                fit.input_size, config.parser, _folder(config), config.runtime, config.precision, config.threads
            )
            self._worker = stack.enter_context(Worker(settings))
        try:
            return self._worker.infer(small, fit, pts_s, self._stop)
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

    def _govern(self, frame: Frame, began_s: float) -> None:
        """Tells the governor how long this one took."""
        governor = self._governor
        if governor is not None:
            now_s = time.monotonic()
            plan = governor.parsed(now_s, now_s - frame.captured_s, now_s - began_s, self._stats.fallen_behind())
            self._stats.governed(plan.size, governor.age_s, within_reach=governor.within_reach)

    def _look_closer(self, frame: Frame, reading: Reading) -> None:
        """The next frames are parsed larger, as far as there is time for it, while the people in them are small."""
        wanted = self._zoom.seen(reading.people, self._parser.fit_for(frame.size), frame.pts_s)
        if self._governor is None:
            return
        times = affordable(wanted, self._times, self._governor.work_s)
        if times != self._times:
            self._times = times
            self._governor.offer(self._sizes(frame.size, times))

    def _deliver(self, parsing: Parsing) -> None:
        self._stats.parsed(time.monotonic(), parsing.captured_s)
        self._tell(lambda to: to.publish(parsing))

    def _totals(self) -> Totals:
        """As far as the stream has come."""
        at = self._stats.snapshot(time.monotonic())
        dropped = {name: count for name, count in asdict(at.drops).items() if count}
        delays = [Percentiles(*astuple(delay)) for delay in (at.parsed_after, at.shown_after, at.mask_age)]
        ended = tuple(each.name for each in at.sinks_ended)
        return Totals(at.captured, at.parsed, at.shown, dropped, delays[0], delays[1], delays[2], ended)


def _folder(config: StreamConfig) -> Path | None:
    return None if config.model_dir is None else Path(config.model_dir)
