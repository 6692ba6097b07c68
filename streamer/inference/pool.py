"""The inference processes of this program, shared by its streams.

A stream alone has one process with a thread per core. Several have a process per core with one thread each, which
parses twice as many pictures: small networks wait for each other's threads most of the time. Each stream stays with one
process, which averages its answers over time. M2FP, large enough for all threads, has one process for all.
"""

import os
import threading
from dataclasses import dataclass, field, replace
from itertools import count

from pipeline import ParserSettings, PipelineError, Size
from streamer.errors import WorkerDied
from streamer.inference.messages import WorkerSettings
from streamer.inference.turn import Turns
from streamer.inference.worker import Worker

POOLED = "lite"
"""The parser that is small enough for one thread."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many processes there are, and the threads of each; None is one per core."""

    processes: int
    threads: int | None


def plan_for(settings: ParserSettings, streams: int, cores: int) -> Plan:
    """The processes for so many streams. Threads that were asked for are given, and fewer processes then.

    >>> plan_for(ParserSettings(), streams=4, cores=2)
    Plan(processes=2, threads=1)
    """
    if streams < 2 or settings.name != POOLED:
        return Plan(1, settings.threads)
    threads = settings.threads or 1
    return Plan(max(1, cores // threads), threads)


@dataclass(eq=False, slots=True)
class Process:
    """One process, and the streams that use it."""

    worker: Worker
    threads: int | None
    turns: Turns = field(default_factory=Turns)
    streams: set[int] = field(default_factory=set)

    @property
    def deaths(self) -> int:
        """Number of times that another process was started in place of this one."""
        return self.worker.restarts


class Pool:
    """The processes for one kind of parser. Any thread may call it; it ends with its last stream."""

    def __init__(self, settings: ParserSettings, cores: int | None = None) -> None:
        """
        Args:
            cores: of this machine, or those that this process may use.
        """
        self._settings = settings
        self._cores = cores or usable_cores()
        self._lock = threading.Lock()
        self._processes: list[Process] = []
        self._of: dict[int, Process] = {}
        self._next: dict[int, Process] = {}
        self._keys = count()

    @property
    def processes(self) -> list[Process]:
        """Those that there are now."""
        with self._lock:
            return list(self._processes)

    def join(self) -> int:
        """Adds a stream; its key."""
        with self._lock:
            key = next(self._keys)
            self._place(key)
            self._rearrange()
        return key

    def leave(self, key: int) -> int:
        """Removes a stream; the number of those that are left. `end_unused` ends what nobody uses any more."""
        with self._lock:
            for places in (self._of, self._next):
                process = places.pop(key, None)
                if process is not None:
                    process.streams.discard(key)
            self._rearrange()
            return len(self._of)

    def process_of(self, key: int, size: Size) -> Process:
        """The process that parses for a stream now.

        A stream moves to another only when that has its network: the one with all threads is there until those with one
        thread are.

        Args:
            size: of the next picture's input.
        """
        with self._lock:
            new = self._next.get(key)
            if new is None:
                return self._of[key]
        ready = _is_ready(new, size)
        with self._lock:
            if ready is not None and self._next.get(key) is new:
                del self._next[key]
                (self._of[key] if ready else new).streams.discard(key)
                self._of[key] = new if ready else self._of[key]
            process = self._of[key]
        self.end_unused()
        return process

    def _plan(self) -> Plan:
        return plan_for(self._settings, len(self._of), self._cores)

    def _place(self, key: int) -> None:
        self._of[key] = self._for(key, plan_for(self._settings, len(self._of) + 1, self._cores))

    def _rearrange(self) -> None:
        """Sends streams from processes of another plan to those of the present one."""
        if not self._of:
            return
        plan = self._plan()
        for key, process in self._of.items():
            wanted = self._next.get(key, process)
            if wanted.threads != plan.threads:
                old = self._next.pop(key, None)
                if old is not None:
                    old.streams.discard(key)
                if process.threads != plan.threads:
                    self._next[key] = self._for(key, plan)

    def _for(self, key: int, plan: Plan) -> Process:
        """The process of this plan with the fewest streams, or another one if there may be more."""
        fit = [each for each in self._processes if each.threads == plan.threads]
        free = [each for each in fit if not each.streams]
        if not free and len(fit) < plan.processes:
            settings = WorkerSettings(Size(0, 0), replace(self._settings, threads=plan.threads))
            free = [Process(Worker(settings, max_restarts=None), plan.threads)]
            self._processes += free
        chosen = min(free or fit, key=lambda each: len(each.streams))
        chosen.streams.add(key)
        return chosen

    def end_unused(self) -> None:
        """Ends the processes that no stream uses. Raises ShutdownTimeout."""
        with self._lock:
            unused = [each for each in self._processes if not each.streams]
            self._processes = [each for each in self._processes if each.streams]
        for each in unused:
            with each.turns.turn(_NEVER):
                each.worker.close()


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_ready(process: Process, size: Size) -> bool | None:
    """Whether a process has its network, which is begun here; None if that is not known yet."""
    with process.turns.turn(_AT_ONCE) as has_it:
        if not has_it:
            return None  # another stream waits for it
        try:
            return process.worker.is_ready(size) or None
        except (WorkerDied, PipelineError):
            return False


_NEVER, _AT_ONCE = threading.Event(), threading.Event()
_AT_ONCE.set()
