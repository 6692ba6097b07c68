"""Parses the frames of one source by several processes, to the same bytes as by one.

The frames are cut into segments. Each process runs the network over one, beside the others; what depends on the frames
before, the parser's memory, goes from segment to segment in their order. A process that dies is replaced, and its
segment done again: nothing of it has been given to anybody.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Self

from pipeline import Frame, ParserSettings, PipelineError, Size, load_parser
from pipeline.types import Picture
from pipeline.yuv import Yuv420
from streamer.errors import ConfigError, ShutdownTimeout, StreamerError, WorkerDied
from streamer.parsings.parsed import FramesParsed, Saved
from streamer.processes.cores import cores
from streamer.processes.framing import ChannelClosed
from streamer.segments.messages import Begun, Done, GivenBack, Refused, Segment, SentFrame, Wanted
from streamer.segments.renewed import WAIT_S, Renewed, Start, Worker, end_text

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


@dataclass(slots=True)
class _Task:
    number: int
    frames: list[Frame]
    before: int
    stills: bool
    done: Done | None = None
    tries: int = 0


@dataclass(slots=True)
class _Shared:
    """What the threads have in common, under the lock of `changed`."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    tasks: deque[_Task] = field(default_factory=deque)
    """In their order. Those that were given back are the first."""
    held: set[int] = field(default_factory=set)
    """The numbers of those that processes have."""
    memories: dict[int, bytes] = field(default_factory=dict)
    """The memory before each segment whose turn it is, by its number."""
    sizes: tuple[Size, ...] = ()
    """The sizes that frames are likely to be looked at in."""
    error: StreamerError | PipelineError | None = None
    stopped: bool = False

    def goes_on(self) -> bool:
        return not self.stopped and self.error is None


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
        self._shared = _Shared()
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
        with self._shared.changed:
            self._shared.stopped = True
            self._shared.changed.notify_all()
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
        self._shared.memories[0] = self._saved.memory
        pending: deque[_Task] = deque()
        for number, (before, some) in enumerate(_cut(frames, self._settings, self._saved.masks)):
            pending.append(_Task(number, some, before, stills))
            with self._shared.changed:
                self._shared.tasks.append(pending[-1])
                self._shared.changed.notify_all()
            while len(pending) >= self._workers + SEGMENTS_AHEAD or (pending and pending[0].done):
                yield from self._given(pending.popleft())
        while pending:
            yield from self._given(pending.popleft())

    def _given(self, task: _Task) -> FramesParsed:
        with self._shared.changed:
            while task.done is None:
                if self._shared.error is not None:
                    raise self._shared.error
                self._shared.changed.wait(WAIT_S)
        saves = {each.masks: each for each in task.done.saved}
        for count, pair in enumerate(zip(task.frames, task.done.parsings, strict=True), start=task.before + 1):
            self._saved = saves.get(count, self._saved)
            yield pair

    def _work(self) -> None:
        """A thread's life: it holds a process, and waits for what that does."""
        worker = _Worker(self._start("a process that parses", _MODULE, self._settings), self._shared)
        try:
            while self._has_work():
                pid = worker.started(self._shared.goes_on)
                if pid is None:
                    return
                self.pids[threading.current_thread().name] = pid
                task = self._next()
                if task is not None:
                    self._do(task, worker)
        except (StreamerError, PipelineError) as exc:
            self._fail(exc)
        except BaseException:
            self._fail(WorkerDied("the thread that holds a process ended"))
            raise
        finally:
            try:
                worker.close()
            except ShutdownTimeout as exc:
                self._fail(exc)

    def _do(self, task: _Task, worker: "_Worker") -> None:
        """Raises WorkerDied where it ends process after process, PipelineError where none can parse it."""
        shared = self._shared
        try:
            done = worker.do(task)
        except ChannelClosed as exc:
            self._lost(task, end_text(exc, worker.close()))
            done = None
        with shared.changed:
            shared.held.discard(task.number)
            if done is None:
                # Before all that have not been begun, and behind those before it.
                place = sum(each.number < task.number for each in shared.tasks)
                shared.tasks.insert(place, task)
            else:
                task.done = done
                shared.sizes = done.sizes
                if not task.stills:
                    del shared.memories[task.number]
                    shared.memories[task.number + 1] = done.memory
            shared.changed.notify_all()

    def _fail(self, error: StreamerError | PipelineError) -> None:
        with self._shared.changed:
            self._shared.error = self._shared.error or error
            self._shared.changed.notify_all()

    def _has_work(self) -> bool:
        """Waits for a segment that nobody has; False if none is wanted any more."""
        shared = self._shared
        with shared.changed:
            while not shared.tasks and shared.goes_on():
                shared.changed.wait(WAIT_S)
            return shared.goes_on()

    def _next(self) -> _Task | None:
        """The first segment that nobody has, if there is one still."""
        shared = self._shared
        with shared.changed:
            if not shared.tasks or not shared.goes_on():
                return None
            task = shared.tasks.popleft()
            shared.held.add(task.number)
            return task

    def _lost(self, task: _Task, end: str) -> None:
        task.tries += 1
        which = f"frames {task.frames[0].index} to {task.frames[-1].index}"
        if task.tries == MAX_TRIES:
            raise WorkerDied(f"{which} ended {MAX_TRIES} processes that parsed them, the last {end}")
        _LOG.warning("a process that parses %s; another one parses %s again", end, which)
        self.redone += 1


class _Worker:
    """What a thread has done by its process."""

    def __init__(self, process: Worker, shared: _Shared) -> None:
        self._process, self._shared = process, shared
        self.started, self.close = process.started, process.close

    def do(self, task: _Task) -> Done | None:
        """Parses a segment; None if it is not wanted here any more. Raises ChannelClosed, PipelineError."""
        shared = self._shared
        segment = Segment([SentFrame.of(each, shared.sizes) for each in task.frames], task.before, task.stills)
        answer = self._asked(segment)
        while answer is not None:
            if isinstance(answer, Done):
                return answer
            if isinstance(answer, GivenBack):
                return None
            if isinstance(answer, Refused):
                raise PipelineError(answer.why)
            if isinstance(answer, Wanted):
                picture = task.frames[answer.place].picture
                assert isinstance(picture, Yuv420)
                answer = self._asked(picture.scaled(*answer.size))
            else:
                assert isinstance(answer, Begun)
                answer = self._asked(self._memory(task))
        return None

    def _asked(self, message: object) -> object:
        return self._process.ask(message, self._shared.goes_on)

    def _memory(self, task: _Task) -> bytes | None:
        """Waits for the memory before a segment; None where it is to be given back. Stills have none.

        The last one of those that processes have is given back where one before it was: its process may be the only
        one that there is for that.
        """
        if task.stills:
            return b""
        shared = self._shared
        with shared.changed:
            while task.number not in shared.memories:
                behind = shared.tasks and shared.tasks[0].number < task.number == max(shared.held)
                if behind or not shared.goes_on():
                    return None
                shared.changed.wait(WAIT_S)
            return shared.memories[task.number]


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
