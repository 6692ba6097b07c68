"""Work with files, on a thread that a disk may hold: a network drive that hangs, a pipe that nobody reads."""

import queue
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


class Disk:
    """Does work in order, for one thread at a time. `end` it, whatever happens."""

    def __init__(self, path: Path, patience_s: float = PATIENCE_S) -> None:
        """
        Args:
            path: what is written, for messages.
        """
        self._path, self._patience_s = path, patience_s
        # Not more than came within `patience_s`, since after that it is left.
        self._jobs: queue.Queue[_Job[object] | None] = queue.Queue()
        self._pending: deque[_Job[object]] = deque()
        self._left = threading.Event()
        # The one thread that nothing is certain to wake: a program must be able to end without it.
        threading.Thread(target=self._run, name=f"disk of {path}", daemon=True).start()

    def do(self, work: Callable[[], T]) -> T:
        """Does it, after what was begun before, and waits. Raises what it raises, or SinkError if the disk hangs."""
        job = self._put(work)
        if not job.done.wait(self._patience_s):
            raise self._leave()
        self._settle()
        return job.result()

    def begin(self, work: Callable[[], object]) -> None:
        """Does it soon. Raises what earlier work, or this, has raised, or SinkError if the disk hangs."""
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
            raise self._leave()

    def _leave(self) -> SinkError:
        return SinkError(
            f"cannot write {self._path}: its disk does not answer within {self._patience_s:g} s, or nobody reads the"
            " pipe that it is"
        )

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
