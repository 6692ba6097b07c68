"""The processes for stills, and who is served by which. For one event loop."""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Protocol

from streamer.errors import ShutdownTimeout, StreamerError, WorkerDied
from streamer.stills.messages import Answered, Asked, Loaded, Mask, Parse, Show, StillSettings, Trouble
from streamer.stills.worker import StillWorker
from streamer.web.lines import event
from streamer.web.problems import Problem
from streamer.web.stills.queue import Place, Queue

MAX_RESTARTS = 5
RESTARTS_WITHIN_S = 60.0
PAUSE_S = 30.0
"""A process that died so often is tried again after this time, for as long as the service runs."""
READY_S = 600.0
"""To load a network: M2FP makes its graph the first time."""
POISON_S = 600.0
MAX_POISON = 1000
ATTEMPTS = 2
BACKLOG_S = 1.0
"""A process more is started when pictures have been waiting for this long."""
SPARE_IDLE_S = 60.0
"""It is ended when it had nothing to do for this long."""


class Worker(Protocol):
    """A process for stills. Methods but `stop` are for one thread at a time."""

    @property
    def pid(self) -> int: ...

    def wait_ready(self, timeout_s: float) -> Loaded:
        """Raises WorkerDied, or ValueError where the network cannot be loaded."""

    def ask(self, asked: Asked, timeout_s: float) -> Answered:
        """Raises WorkerDied."""

    def stop(self) -> None:
        """From any thread: waits no more."""

    def close(self) -> None:
        """Ends it. Raises ShutdownTimeout."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and how it came."""

    answered: Answered
    upload_s: float
    """From the request's headers to the end of its body."""
    queued_s: float
    worker_s: float


@dataclass(eq=False)
class _Waiting:
    asked: Asked
    future: "asyncio.Future[Reply]"
    since_s: float
    attempts: int = 0


class Pool:
    """Sends each picture to the next process that is free."""

    def __init__(
        self,
        settings: StillSettings,
        queue: Queue,
        *,
        answer_s: float,
        idle_s: float | None = None,
        spare: int = 0,
        start: Callable[[StillSettings], Worker] = StillWorker,
    ) -> None:
        """
        Args:
            queue: its `workers` are the processes that there are from the beginning.
            answer_s: time after which a process that does not answer is replaced.
            idle_s: time without a wish after which a process is ended until it is wanted again; None keeps it.
            spare: the number of processes more, each with one thread, that there are only while pictures wait.
            start: starts a process.
        """
        self._kept, self._spare = queue.workers, spare
        self._settings, self._answer_s, self._idle_s, self._start_worker = settings, answer_s, idle_s, start
        self.queue = queue
        self._waiting: dict[Place, _Waiting] = {}
        self._free = asyncio.Condition()
        self._threads = ThreadPoolExecutor(queue.workers + spare, "stills")
        self._tasks: list[asyncio.Task[None]] = []
        self._workers: dict[int, Worker] = {}
        self._poison: OrderedDict[bytes, float] = OrderedDict()
        self._stopped = False
        self.loaded: Loaded | None = None
        """What the processes say of themselves; None until the first is ready."""
        self.ready: set[int] = set()
        """The numbers of the processes that wait for pictures, or have one."""
        self._idle = 0
        """How many of these wait."""
        self.unloaded: set[int] = set()
        """The numbers of those that were ended because nobody asked, and are not ready again; spare ones are not."""
        self._starting: set[int] = set()
        """Of these, those that are started again: each will take a picture that waits."""
        self.restarts = 0
        self.abandoned = 0
        """Wishes that left the line before a process had them: nobody waited any more."""
        self.trouble = ""
        """Why a process could not be started, the last time."""

    def start(self) -> None:
        """Starts the processes, and does not wait for them."""
        self._tasks = [asyncio.create_task(self._serve(number)) for number in range(self._kept + self._spare)]

    async def stop(self) -> None:
        """Ends the processes; who waits is answered that the service ends."""
        self._stopped = True
        for worker in self._workers.values():
            worker.stop()
        async with self._free:
            self._free.notify_all()
        await asyncio.gather(*self._tasks)
        self._threads.shutdown()
        for waiting in self._waiting.values():
            if not waiting.future.done():
                waiting.future.set_exception(Problem("starting", "the service is ending", retry_after_s=5))

    @property
    def takes(self) -> bool:
        """Whether a picture that comes now will be parsed, as far as is known."""
        return bool(self.ready or self.unloaded)

    @property
    def pids(self) -> dict[int, int]:
        """The process ids, by the numbers of the processes."""
        return {number: worker.pid for number, worker in self._workers.items()}

    async def ask(self, place: Place, asked: Asked) -> Reply:
        """The answer to a wish; raises Problem. Who is cancelled leaves the line, or, in a process, leaves it running:
        the place is free when that is."""
        self._refuse_poison(asked)
        waiting = _Waiting(asked, asyncio.get_running_loop().create_future(), time.monotonic())
        self._waiting[place] = waiting
        self.queue.push(place)
        async with self._free:
            self._free.notify_all()
        try:
            return await waiting.future
        finally:
            if self.queue.withdraw(place):
                self.abandoned += 1
                self._done(place)

    def _done(self, place: Place) -> None:
        self._waiting.pop(place, None)
        self.queue.leave(place)

    async def _serve(self, number: int) -> None:
        """The life of one process after the other."""
        died_s: deque[float] = deque(maxlen=MAX_RESTARTS)
        while not self._stopped:
            try:
                if number < self._kept:
                    await self._one_process(number)
                    await self._sleep(number)
                elif await self._is_wanted(number):
                    await self._one_process(number)
            except WorkerDied as exc:
                self._forget(number)
                if self._stopped:
                    return
                self.trouble = str(exc)
                self.restarts += 1
                died_s.append(time.monotonic())
                event("worker-died", logging.WARNING, worker=number, why=str(exc))
                if len(died_s) == MAX_RESTARTS and died_s[-1] - died_s[0] < RESTARTS_WITHIN_S:
                    await self._pause()

    async def _sleep(self, number: int) -> None:
        """Without a process, until more pictures wait than there are processes that wait for one."""
        if self._stopped:
            return
        self.unloaded.add(number)
        event("worker-unloaded", worker=number)
        async with self._free:
            await self._free.wait_for(lambda: self._stopped or self.queue.waiting > self._idle + len(self._starting))
            self._starting.add(number)

    async def _is_wanted(self, number: int) -> bool:
        """Waits until pictures have been waiting for a while; whether a spare process is to take one of them."""
        async with self._free:
            await self._free.wait_for(lambda: self._stopped or self._is_behind())
            with suppress(TimeoutError):
                async with asyncio.timeout(BACKLOG_S):
                    await self._free.wait_for(lambda: self._stopped or not self._is_behind())
            if self._stopped or not self._is_behind():
                return False
            self._starting.add(number)
            return True

    def _is_behind(self) -> bool:
        """Whether more pictures wait than there are processes that could take one."""
        return bool(self.ready) and self.queue.waiting > self._idle + len(self._starting)

    def _forget(self, number: int) -> None:
        """It is not unloaded any more."""
        self.unloaded.discard(number)
        self._starting.discard(number)

    async def _pause(self) -> None:
        until_s = time.monotonic() + PAUSE_S
        while not self._stopped and time.monotonic() < until_s:
            await asyncio.sleep(0.2)

    async def _one_process(self, number: int) -> None:
        """Starts a process and has it answer until it dies, or nobody asks any more. Raises WorkerDied."""
        loop = asyncio.get_running_loop()
        is_spare = number >= self._kept
        settings = replace(self._settings, threads=1) if is_spare else self._settings
        worker = await loop.run_in_executor(self._threads, self._start_worker, settings)
        self._workers[number] = worker
        try:
            if self._stopped:
                return
            try:
                self.loaded = await loop.run_in_executor(self._threads, worker.wait_ready, READY_S)
            except ValueError as exc:
                raise WorkerDied(f"the network cannot be loaded: {exc}") from exc
            self._set_ready(number, True)
            self._forget(number)
            event("worker-ready", worker=number, pid=worker.pid, reached=dict(self.loaded.reached))
            while (place := await self._next(SPARE_IDLE_S if is_spare else self._idle_s)) is not None:
                await self._answer(worker, place)
        finally:
            self._set_ready(number, False)
            self._starting.discard(number)
            self._workers.pop(number, None)
            with suppress(ShutdownTimeout):
                await loop.run_in_executor(self._threads, worker.close)

    def _set_ready(self, number: int, ready: bool) -> None:
        """Notes it, and how many are expected to work on what waits."""
        (self.ready.add if ready else self.ready.discard)(number)
        self.queue.workers = max(self._kept, len(self.ready))

    async def _next(self, idle_s: float | None) -> Place | None:
        """The next place; None when the pool is stopped, or nobody asked for so long that the process is to end."""
        async with self._free:
            while not self._stopped:
                place = self.queue.pop()
                if place is not None:
                    return place
                self._idle += 1
                try:
                    async with asyncio.timeout(idle_s):
                        await self._free.wait()
                except TimeoutError:
                    return None
                finally:
                    self._idle -= 1
        return None

    async def _answer(self, worker: Worker, place: Place) -> None:
        """Has a process answer one wish. Raises WorkerDied."""
        waiting = self._waiting[place]
        waiting.attempts += 1
        began_s = time.monotonic()
        work: Callable[[], Answered] = lambda: worker.ask(waiting.asked, self._answer_s)  # noqa: E731
        try:
            answered = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except StreamerError:
            self._after_death(place, waiting)
            raise
        seconds = time.monotonic() - began_s
        if isinstance(waiting.asked, Parse | Mask):
            self.queue.served(place, seconds)
        self._done(place)
        if isinstance(answered, Trouble):
            event("trouble", logging.ERROR, why=answered.message, trace=answered.trace)
        if not waiting.future.done():
            upload_s = waiting.since_s - place.entered_s
            waiting.future.set_result(Reply(answered, upload_s, began_s - waiting.since_s, seconds))

    def _after_death(self, place: Place, waiting: _Waiting) -> None:
        """What becomes of a wish whose process died: another gets it, once."""
        if waiting.future.done() or self._stopped:
            self._done(place)
        elif waiting.attempts < ATTEMPTS:
            self.queue.push(place)
        else:
            self._done(place)
            self._remember_poison(waiting.asked)
            waiting.future.set_exception(
                Problem(
                    "worker-died", f"{ATTEMPTS} processes died of this picture, or while they had it", retry_after_s=3
                )
            )

    def _remember_poison(self, asked: Asked) -> None:
        if isinstance(asked, Parse | Mask | Show):
            self._poison[_digest(asked.body)] = time.monotonic()
            while len(self._poison) > MAX_POISON:
                self._poison.popitem(last=False)

    def _refuse_poison(self, asked: Asked) -> None:
        if self._poison and isinstance(asked, Parse | Mask | Show):
            since_s = self._poison.get(_digest(asked.body))
            if since_s is not None and time.monotonic() - since_s < POISON_S:
                raise Problem("poison", f"this picture ended {ATTEMPTS} processes; it is refused for 10 minutes")


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=16).digest()
