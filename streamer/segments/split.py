"""Parses the frames of one source by several processes, to the same bytes as by one.

The frames are cut into segments. Each process runs the network over one, beside the others; what depends on the frames
before, the parser's memory, goes from segment to segment in their order. A process that dies is replaced, and its
segment done again: nothing of it has been given to anybody. One that is slow is not waited for; see `schedule`.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Self

from pipeline import Frame, ParserSettings, PipelineError, load_parser
from pipeline.types import Picture
from pipeline.yuv import Yuv420
from streamer.errors import ConfigError, ShutdownTimeout, StreamerError, WorkerDied
from streamer.parsings.parsed import FramesParsed, Saved
from streamer.processes.cores import cores
from streamer.processes.framing import ChannelClosed
from streamer.segments.messages import Averaged, Begun, Done, GivenBack, Refused, Segment, SentFrame, Wanted
from streamer.segments.renewed import Renewed, Start, Worker, end_text
from streamer.segments.schedule import Hold, Schedule, Task

_LOG = logging.getLogger(__name__)

MAX_SEGMENT_BYTES = 48 << 20
"""Of a segment's pictures and the network's answers to them, which a process holds at once."""
MAX_SEGMENT_FRAMES = 32
SEGMENTS_AHEAD = 2
"""Segments that wait in memory beside those that are parsed."""
MAX_TRIES = 3
"""A segment that ends so many processes is given up."""
ANSWER_BYTES = {"lite": 10}
"""Bytes of an answer and its picture for each pixel of the network's input."""
OTHER_ANSWER_BYTES = 40

_MODULE = "streamer.segments.main"


def threads_each(settings: ParserSettings, workers: int) -> ParserSettings:
    """The settings for one of so many processes: threads that were not named are the cores, divided."""
    return settings if settings.threads else replace(settings, threads=max(1, cores() // workers))


class Split:
    """Several processes that parse one source. `with` ends them. See `streamer.parsings.parsed.FrameParser`."""

    def __init__(self, settings: ParserSettings, workers: int, start: Start = Renewed) -> None:
        """Starts nothing yet.

        Args:
            settings: of the parsers; the same for one process gives the same parsings.
            workers: number of the processes that parse; this one is not among them.
            start: where they are.
        """
        self._start = start
        self._settings = threads_each(settings, workers)
        self._workers = workers
        self._schedule = Schedule()
        self._saved = Saved()
        self._threads = [
            threading.Thread(target=self._work, name=f"segments {number}") for number in range(1, workers + 1)
        ]
        self.pids: dict[str, int] = {}
        """The processes that there are, by the names of the threads that hold them."""
        self.redone = 0
        """Segments that were done again, for their process had died."""

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._schedule.stop()
        for each in self._threads:
            each.join()

    def reset(self) -> None:
        self._saved = Saved()

    def load(self, saved: Saved) -> None:
        self._saved = saved

    def saved(self, masks: int) -> Saved:
        return self._saved

    def parsed(self, frames: Iterable[Frame], every: int, *, stills: bool) -> FramesParsed:
        """As `parsed_frames`. Once for each `Split`.

        Raises:
            ConfigError: masks are to be carried between frames, which one process does.
            WorkerDied: a segment ended process after process.
            PipelineError: it cannot be parsed.
        """
        if every > 1:
            raise ConfigError(
                f"parse_every {every} follows masks from frame to frame, which one process does: leave out --workers"
            )
        return self._parsed(frames, stills=stills)

    def _parsed(self, frames: Iterable[Frame], *, stills: bool) -> FramesParsed:
        self._schedule.begin(self._saved.memory)
        pending: deque[Task] = deque()
        for number, (before, some) in enumerate(_cut(frames, self._settings, self._saved.masks)):
            pending.append(Task(number, some, before, stills))
            self._schedule.add(pending[-1])
            while len(pending) >= self._workers + SEGMENTS_AHEAD or (pending and pending[0].done):
                yield from self._given(pending.popleft())
        while pending:
            yield from self._given(pending.popleft())

    def _given(self, task: Task) -> FramesParsed:
        done = self._schedule.result(task)
        saves = {each.masks: each for each in done.saved}
        for count, pair in enumerate(zip(task.frames, done.parsings, strict=True), start=task.before + 1):
            self._saved = saves.get(count, self._saved)
            yield pair

    def _work(self) -> None:
        """A thread's life: it holds a process, and waits for what that does."""
        schedule, pace = self._schedule, None
        worker = self._start("a process that parses", _MODULE, self._settings)
        try:
            while schedule.has_work(pace):
                pid = worker.started(schedule.goes_on)
                if pid is None:
                    return
                self.pids[threading.current_thread().name] = pid
                pace = pace or schedule.joins(worker.where)
                hold = schedule.take(pace)
                if hold is not None and not self._do(hold, worker):
                    schedule.leaves(pace)
                    pace = None
        except (StreamerError, PipelineError) as exc:
            schedule.fail(exc)
        except BaseException:
            schedule.fail(WorkerDied("the thread that holds a process ended"))
            raise
        finally:
            try:
                worker.close()
            except ShutdownTimeout as exc:
                schedule.fail(exc)

    def _do(self, hold: Hold, worker: Worker) -> bool:
        """Whether the process lives still.

        Raises WorkerDied where a segment ends process after process, PipelineError where none can parse it.
        """
        try:
            done = _done(hold, worker, self._schedule)
        except ChannelClosed as exc:
            self._lost(hold.task, end_text(exc, worker.close()))
            self._schedule.end(hold, None)
            return False
        self._schedule.end(hold, done)
        return True

    def _lost(self, task: Task, end: str) -> None:
        task.tries += 1
        if task.tries == MAX_TRIES:
            raise WorkerDied(f"{task} ended {MAX_TRIES} processes that parsed them, the last {end}")
        _LOG.warning("a process that parses %s; another one parses %s again", end, task)
        self.redone += 1


def _done(hold: Hold, process: Worker, schedule: Schedule) -> Done | None:
    """Has a segment parsed; None if it is not wanted here any more. Raises ChannelClosed, PipelineError."""
    task = hold.task
    message: object = Segment([SentFrame.of(each, schedule.sizes) for each in task.frames], task.before, task.stills)
    while True:
        answer = process.ask(message, schedule.goes_on)
        if answer is None or isinstance(answer, GivenBack):
            return None
        if isinstance(answer, Done):
            return answer
        if isinstance(answer, Refused):
            raise PipelineError(answer.why)
        if isinstance(answer, Averaged):
            schedule.averaged(hold, answer.memory)
            message = None
        elif isinstance(answer, Wanted):
            picture = task.frames[answer.place].picture
            assert isinstance(picture, Yuv420)
            message = picture.scaled(*answer.size)
        else:
            assert isinstance(answer, Begun)
            message = schedule.memory(hold, answer.part)


def _cut(frames: Iterable[Frame], settings: ParserSettings, before: int) -> Iterator[tuple[int, list[Frame]]]:
    """Segments, each after the number of frames before it."""
    pixels = settings.input_size.area if settings.input_size else _usual_pixels(settings)
    answer_bytes = pixels * ANSWER_BYTES.get(settings.name, OTHER_ANSWER_BYTES)
    some: list[Frame] = []
    for frame in frames:
        some.append(frame)
        most = MAX_SEGMENT_BYTES // (_bytes_of(frame.picture) + answer_bytes)
        if len(some) >= max(1, min(MAX_SEGMENT_FRAMES, most)):
            yield before, some
            before += len(some)
            some = []
    if some:
        yield before, some


def _usual_pixels(settings: ParserSettings) -> int:
    return load_parser(settings).model.pixels


def _bytes_of(picture: Picture | Yuv420) -> int:
    return picture.shape[0] * picture.shape[1] * 3 // 2 if isinstance(picture, Yuv420) else picture.nbytes
