"""Work with files, on a thread that a disk may hold: a network drive that hangs, a pipe that nobody reads."""

import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar, cast

from streamer.errors import SinkError

T = TypeVar("T")

PATIENCE_S = 3.0
"""Time after which a disk that does not answer is left."""
COMPUTES_S = 0.01
"""A thread that computed for so long meanwhile, decoding a file on a busy machine, does not wait for a disk."""
SHORT_S = 0.05
"""Time that is waited for each piece of work where nothing else waits: a disk that answers has done it by then."""


class _Job(Generic[T]):
    """A piece of work and what came of it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.began_s = time.monotonic()
        self.done = threading.Event()
        self._work = work
        self._result: T | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as exc:  # noqa: BLE001  # raised again in the thread that wants the result
            self._error = exc
        self.done.set()

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return cast(T, self._result)


def unwritten(path: Path, patience_s: float) -> Exception:
    """The error for what could not be written in time."""
    return SinkError(
        f"cannot write {path}: its disk does not answer within {patience_s:g} s, or nobody reads the pipe that it is"
    )


class Disk:
    """Does work in order, for one thread at a time. `end` it, whatever happens."""

    def __init__(
        self,
        path: Path,
        patience_s: float = PATIENCE_S,
        hangs: Callable[[Path, float], Exception] = unwritten,
    ) -> None:
        """
        Args:
            path: what is written or read, for messages.
            hangs: makes the error for a disk that does not answer within so many seconds.
        """
        self._path, self._patience_s, self._hangs = path, patience_s, hangs
        # Not more than came within `patience_s`, since after that it is left.
        self._jobs: queue.Queue[_Job[object] | None] = queue.Queue()
        self._pending: deque[_Job[object]] = deque()
        self._left = threading.Event()
        # The one thread that nothing is certain to wake: a program must be able to end without it.
        self._thread = threading.Thread(target=self._run, name=f"disk of {path}", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], T]) -> T:
        """Does it, after what was begun before, and waits. Raises what it raises, or the error of a disk that hangs."""
        job = self._put(work)
        used_s = self._used_s()
        while not job.done.wait(self._patience_s):
            before_s, used_s = used_s, self._used_s()
            if used_s - before_s < COMPUTES_S:
                raise self._hangs(self._path, self._patience_s)
        self._settle()
        return job.result()

    def begin(self, work: Callable[[], object]) -> None:
        """Does it soon. Raises what earlier work, or this, has raised, or the error of a disk that hangs."""
        idle = not self._pending
        job = self._put(work)
        self._pending.append(job)
        if idle:
            job.done.wait(SHORT_S)
        self._settle()

    def end(self, last: Callable[[], object] = lambda: None) -> None:
        """Nothing more comes. Safe to call twice; waits for nothing.

        Args:
            last: done last of all, whenever the disk answers again.
        """
        if not self._left.is_set():
            self._left.set()
            self._put(last)
            self._jobs.put_nowait(None)

    def _put(self, work: Callable[[], T]) -> _Job[T]:
        job = _Job(work)
        self._jobs.put_nowait(cast("_Job[object]", job))
        return job

    def _settle(self) -> None:
        while self._pending and self._pending[0].done.is_set():
            self._pending.popleft().result()
        if self._pending and time.monotonic() - self._pending[0].began_s > self._patience_s:
            raise self._hangs(self._path, self._patience_s)

    def _used_s(self) -> float:
        """Processor time of the thread; 0 where the system does not tell, and once it is to end: it may be gone."""
        if sys.platform == "linux" and self._thread.ident is not None and not self._left.is_set():
            return time.clock_gettime(time.pthread_getcpuclockid(self._thread.ident))
        return 0.0

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()


def patiently(path: Path, work: Callable[[], T]) -> T:
    """Does one piece of work with a path. Raises what it raises, or SinkError if its disk hangs."""
    disk = Disk(path)
    try:
        return disk.do(work)
    finally:
        disk.end()
