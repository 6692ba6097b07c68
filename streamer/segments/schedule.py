"""Which process parses which segment, and what it waits for.

Segments are begun in their order and end in it, for each needs the parser's memory of the one before. So a process that
is far slower than the others would set the pace of all: what it is late with is given to another one as well, the first
that is done counts, and the slow one rests.
"""

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from pipeline import Frame, PipelineError, Size
from streamer.errors import StreamerError
from streamer.segments.messages import Done, Part
from streamer.segments.pace import Pace, is_late
from streamer.segments.renewed import WAIT_S

_LOG = logging.getLogger(__name__)

MAX_HOLDS = 3
"""So many processes at most are given the same segment."""


@dataclass(slots=True, eq=False)
class Task:
    """A segment to parse."""

    number: int
    frames: list[Frame]
    before: int
    """The number of frames before it, since the memory was empty."""
    stills: bool
    done: Done | None = None
    tries: int = 0

    def __str__(self) -> str:
        return f"frames {self.frames[0].index} to {self.frames[-1].index}"


@dataclass(slots=True, eq=False)
class Hold:
    """A segment that a process has."""

    task: Task
    pace: Pace
    begun_s: float
    waited_s: float = 0.0
    """For the memory before it."""
    waits_since_s: float | None = None
    late: bool = False
    """Another process was asked for it, too."""

    def took_s(self, now_s: float) -> float:
        """The time that it was worked at."""
        waits_s = 0.0 if self.waits_since_s is None else now_s - self.waits_since_s
        return now_s - self.begun_s - self.waited_s - waits_s


@dataclass(slots=True)
class Schedule:
    """What the threads that hold processes have in common. All under the lock of `changed`; methods take it."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    sizes: tuple[Size, ...] = ()
    """The sizes that frames are likely to be looked at in."""
    error: StreamerError | PipelineError | None = None
    stopped: bool = False
    _tasks: deque[Task] = field(default_factory=deque)
    """In their order. Those that were given back are the first."""
    _holds: list[Hold] = field(default_factory=list)
    _paces: list[Pace] = field(default_factory=list)
    _memories: dict[tuple[Part, int], bytes] = field(default_factory=dict)
    """What is known of the memory before each segment that is not done, by its number."""

    def goes_on(self) -> bool:
        return not self.stopped and self.error is None

    def begin(self, memory: bytes) -> None:
        """The memory before the first segment."""
        self._memories = {(part, 0): memory for part in Part}

    def add(self, task: Task) -> None:
        with self.changed:
            self._tasks.append(task)
            self.changed.notify_all()

    def result(self, task: Task) -> Done:
        """Waits for the parsings of a segment. Raises what went wrong with any."""
        with self.changed:
            while task.done is None:
                if self.error is not None:
                    raise self.error
                self.changed.wait(WAIT_S)
            return task.done

    def fail(self, error: StreamerError | PipelineError) -> None:
        with self.changed:
            self.error = self.error or error
            self.changed.notify_all()

    def stop(self) -> None:
        with self.changed:
            self.stopped = True
            self.changed.notify_all()

    def joins(self, where: str) -> Pace:
        """There is a new process."""
        with self.changed:
            self._paces.append(Pace(where))
            return self._paces[-1]

    def leaves(self, pace: Pace) -> None:
        """A process is no more."""
        with self.changed:
            self._paces.remove(pace)

    def has_work(self, pace: Pace | None) -> bool:
        """Waits for a segment that nobody has; False if none is wanted any more.

        Args:
            pace: of the process that waits; None before it is started.
        """
        with self.changed:
            while self.goes_on() and (not self._tasks or self._rests(pace)):
                self._look_after_late()
                if not self._tasks or self._rests(pace):
                    self.changed.wait(WAIT_S)
            return self.goes_on()

    def take(self, pace: Pace) -> Hold | None:
        """The first segment that nobody has, if there is one still."""
        with self.changed:
            if not self._tasks or not self.goes_on():
                return None
            hold = Hold(self._tasks.popleft(), pace, time.monotonic())
            self._holds.append(hold)
            return hold

    def memory(self, hold: Hold, part: Part) -> bytes | None:
        """Waits for a part of the memory before a segment; None where it is to be given back.

        The last one of those that processes have is given back where one before it was: its process may be the only
        one that there is for that.
        """
        task = hold.task
        with self.changed:
            hold.waits_since_s = time.monotonic()
            hold.pace.begun_s = hold.pace.begun_s or hold.waits_since_s - hold.begun_s
            while (part, task.number) not in self._memories:
                self._look_after_late()
                last = max(each.task.number for each in self._holds)
                behind = self._tasks and self._tasks[0].number < task.number == last
                if behind or task.done is not None or not self.goes_on():
                    return None
                self.changed.wait(WAIT_S)
            hold.waited_s += time.monotonic() - hold.waits_since_s
            hold.waits_since_s = None
            return self._memories[part, task.number]

    def averaged(self, hold: Hold, memory: bytes) -> None:
        """The averages after a segment: whoever has the next one may go on with them."""
        with self.changed:
            if hold.task.done is None:
                self._memories[Part.AVERAGES, hold.task.number + 1] = memory
                self.changed.notify_all()

    def end(self, hold: Hold, done: Done | None) -> None:
        """A process has no more to do with a segment: it is done, or None for what was given back or lost."""
        task, now_s = hold.task, time.monotonic()
        with self.changed:
            self._holds.remove(hold)
            if hold.late:
                hold.pace.rest(hold.took_s(now_s), now_s)
            elif done is not None:
                hold.pace.did(len(task.frames), hold.took_s(now_s))
            if done is not None:
                self._done(task, done)
            elif task.done is None and not self._is_held(task):
                self._put_back(task)
            self.changed.notify_all()

    def _done(self, task: Task, done: Done) -> None:
        """The first one that has done it counts; the others would have done the same."""
        if task.done is not None:
            return
        task.done = done
        self.sizes = done.sizes
        if task in self._tasks:  # for another process, which has not begun
            self._tasks.remove(task)
        if not task.stills:
            for part in Part:
                self._memories.pop((part, task.number), None)
            self._memories[done.part, task.number + 1] = done.memory

    def _put_back(self, task: Task) -> None:
        """Before all that have not been begun, and behind those before it."""
        if task not in self._tasks:
            self._tasks.insert(sum(each.number < task.number for each in self._tasks), task)

    def _is_held(self, task: Task) -> bool:
        return any(each.task is task for each in self._holds)

    def _rests(self, pace: Pace | None) -> bool:
        """Whether a process is to leave what there is to others, of which there have to be some."""
        return pace is not None and time.monotonic() < pace.rests_until_s and bool(self._holds)

    def _has_turn(self, task: Task) -> bool:
        return any((part, task.number) in self._memories for part in Part)

    def _look_after_late(self) -> None:
        """Gives the segment that all wait for to another process, too, if the one that has it is late."""
        wanted = [each for each in self._holds if each.task.done is None]
        if not wanted:
            return
        first = min((each.task for each in wanted), key=lambda task: task.number)
        holds = [each for each in wanted if each.task is first]
        newest, now_s = holds[-1], time.monotonic()
        if newest.late or len(holds) == MAX_HOLDS or not (first.stills or self._has_turn(first)):
            return
        took_s, usual_s = newest.took_s(now_s), newest.pace.usual_s(len(first.frames), self._paces)
        if usual_s is None or not is_late(took_s, usual_s):
            return
        newest.late = True
        newest.pace.late += 1
        self._put_back(first)
        self.changed.notify_all()
        _LOG.warning(
            "%s is slow: it has had %s for %.1f s, which takes %.1f s elsewhere; another one parses them, too, and it"
            " is given less",
            newest.pace.where,
            first,
            took_s,
            usual_s,
        )
