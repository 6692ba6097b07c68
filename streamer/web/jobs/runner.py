"""Does the jobs: videos one after the other, each in a process of its own, and pictures beside them. For one event
loop."""

import asyncio
import json
import logging
import sqlite3
import threading
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from streamer.errors import ShutdownTimeout
from streamer.processes.child import Child, exit_text
from streamer.processes.framing import ChannelClosed
from streamer.web.jobs.files import RESULT, Folder
from streamer.web.jobs.store import Job, JobStore, Kind
from streamer.web.lines import event
from streamer.web.problems import Problem

SWEEP_S = 60.0
STANDSTILL_S = 5.0
"""Until the next try, where the database or the folder could not be written."""
_WAIT_S = 0.2
_MODULE = "streamer.web.jobs.work"
DoPictures = Callable[[Job, Path, Path, Callable[[int, int], None]], Awaitable[str]]
"""As `streamer.web.jobs.pictures.PictureJobs.do`."""


class Runner:
    """The jobs' life, from the queue to their end."""

    def __init__(
        self,
        store: JobStore,
        folder: Folder,
        precision: str,
        keep_s: float,
        do_pictures: DoPictures,
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            keep_s: time after its end for which a job is kept.
            do_pictures: does a job of pictures.
            clock: Unix seconds.
        """
        self._store, self._folder, self._precision, self._keep_s, self._clock = store, folder, precision, keep_s, clock
        self._do_pictures = do_pictures
        self._changed = asyncio.Event()
        self._stopped = False
        self._stops: dict[str, Callable[[], object]] = {}
        """What ends each job that runs, by its id."""
        self._child: Child | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.durations: dict[str, tuple[int, float]] = {}
        """Number and sum of seconds of the attempts at jobs, by the state that they left the job in."""

    def start(self) -> None:
        self._store.recover()
        jobs = self._store.all()
        # Also what a service that was killed had not yet removed: a job that is over needs no upload any more.
        waiting = (each.upload for each in jobs if not each.is_over)
        self._folder.sweep(waiting, (each.id for each in jobs if each.state not in ("failed", "cancelled")))
        lanes = self._run(self._do_video, "video"), self._run(self._do_picture, "picture", "batch"), self._sweep()
        self._tasks = [asyncio.create_task(each) for each in lanes]

    async def stop(self) -> None:
        """Ends what runs; those jobs wait again when the service starts."""
        self._stopped = True
        for stop in self._stops.values():
            stop()
        self.changed()
        self._tasks[-1].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._store.close()

    @property
    def pid(self) -> int | None:
        """The process of the video that is rendered."""
        return None if self._child is None else self._child.pid

    def changed(self) -> None:
        """Something is new: whoever waits looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def news(self, timeout_s: float) -> None:
        """Waits until something is new, or so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()

    def cancel(self, job: Job) -> None:
        """Ends a job."""
        self._store.end(job.id, "cancelled")
        if (stop := self._stops.get(job.id)) is not None:
            stop()  # its files go when it has ended
        else:
            self._folder.remove(job.id, job.upload)
        self.changed()

    def forget(self, job: Job) -> None:
        """Removes a job that is over."""
        self._store.forget(job.id)
        self._folder.remove(job.id, job.upload)
        self.changed()

    async def _run(self, do: Callable[[Job], Awaitable[str]], *kinds: Kind) -> None:
        """Does the jobs of these kinds, one after the other; `do` says why one is not over, if it is not."""
        begun: Job | None = None
        while not self._stopped:
            try:
                if begun is not None:
                    self._store.give_back(begun.id)
                begun = self._store.begin(*kinds)
                if begun is not None:
                    await self._one(begun, do)
                    begun = None
                    continue
            except (sqlite3.Error, OSError) as exc:  # a full disk has room again, and the jobs after this one wait
                event("jobs-stand-still", logging.ERROR, job=begun and begun.id, why=str(exc))
                await self._stand_still()
            else:
                await self.news(60.0)

    async def _stand_still(self) -> None:
        """Waits, whatever else becomes new: what other jobs tell is no reason to try again."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + STANDSTILL_S
        while not self._stopped and (left_s := until_s - loop.time()) > 0:
            await self.news(left_s)

    async def _one(self, job: Job, do: Callable[[Job], Awaitable[str]]) -> None:
        """Raises sqlite3.Error or OSError where what becomes of it cannot be stored."""
        loop = asyncio.get_running_loop()
        self.changed()
        self._folder.of(job.id).mkdir(mode=0o700, exist_ok=True)
        began_s = loop.time()
        why = await do(job)
        if self._stopped and not why:
            self._store.give_back(job.id)
        self._over(job, why, loop.time() - began_s)
        self.changed()

    async def _do_picture(self, job: Job) -> str:
        def tell(done: int, total: int) -> None:
            self._store.progress(job.id, done, total)
            self.changed()

        given = self._folder.upload(job.upload), self._folder.of(job.id) / RESULT
        task: asyncio.Future[str] = asyncio.ensure_future(self._do_pictures(job, *given, tell))
        self._stops[job.id] = task.cancel
        event("job-begun", job=job.id, attempt=job.attempt)
        await asyncio.wait({task})
        del self._stops[job.id]
        if task.cancelled():
            return ""
        error = task.exception()
        if error is None:
            self._store.end(job.id, "done", media_type=task.result())
        elif isinstance(error, OSError):
            self._store.end(job.id, "failed", {"type": "no-room", "detail": f"it cannot be stored: {error.strerror}"})
        elif isinstance(error, sqlite3.Error):
            raise error
        elif not isinstance(error, Problem):  # a fault of ours, which is not to end the jobs after it
            why = f"{type(error).__name__}: {error}"
            event("failed", logging.ERROR, job=job.id, trace="".join(traceback.format_exception(error)))
            self._store.again(job.id, {"type": "crashed-thrice", "detail": why})
            return why
        elif not self._stopped:
            self._store.end(job.id, "failed", {"type": error.kind, "detail": error.detail})
        return ""

    async def _do_video(self, job: Job) -> str:
        loop = asyncio.get_running_loop()
        first = json.dumps(self._asked(job, self._folder.of(job.id))).encode()
        try:
            child, stop = Child("the process of a job", _MODULE, first, wait_s=_WAIT_S), threading.Event()
        except OSError as exc:
            self._store.end(job.id, "failed", {"type": "cannot-start", "detail": f"no process for it: {exc.strerror}"})
            return ""
        self._child, self._stops[job.id] = child, stop.set
        event("job-begun", job=job.id, attempt=job.attempt, pid=child.pid)
        ended: dict[str, object] = {}
        why = ""
        try:
            while "ended" not in ended and "failed" not in ended:
                body = await loop.run_in_executor(None, child.receive, lambda: not stop.is_set())
                if body is None:
                    break
                ended = json.loads(bytes(body))
                if "done" in ended:
                    self._progress(job, ended)
        except ChannelClosed:
            why = "its process died"
        finally:
            self._child = None
            del self._stops[job.id]
            with suppress(ShutdownTimeout):
                code = await loop.run_in_executor(None, lambda: child.close(at_once=not why))
                why = why and f"{why} with {exit_text(code)}"
        if "ended" in ended:
            self._store.end(job.id, "done")
        elif "failed" in ended:
            self._store.end(job.id, "failed", {"type": "cannot-render", "detail": str(ended["failed"])})
        elif why:
            self._store.again(job.id, {"type": "crashed-thrice", "detail": why})
        return why

    def _progress(self, job: Job, told: dict[str, object]) -> None:
        done, total = told["done"], told["total"]
        assert isinstance(done, int)
        assert total is None or isinstance(total, int)
        self._store.progress(job.id, done, total)
        self.changed()

    def _over(self, job: Job, why: str, took_s: float) -> None:
        found = self._store.get(job.id)
        state = found.state if found else "forgotten"
        event("job-over", logging.INFO, job=job.id, state=state, why=why)
        count, total_s = self.durations.get(state, (0, 0.0))
        self.durations[state] = count + 1, total_s + took_s
        if found is None or found.state in ("failed", "cancelled"):
            self._folder.remove(job.id, job.upload)
        elif found.state == "done":
            self._folder.upload(job.upload).unlink(missing_ok=True)

    def _asked(self, job: Job, folder: Path) -> dict[str, object]:
        return {
            **job.request,
            "precision": self._precision,
            "source": str(self._folder.upload(job.upload)),
            "out": str(folder / "video.mp4"),
            "masks": str(folder / "masks.hpm"),
        }

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                for job in self._store.all():
                    if job.ended_s is not None and self._clock() - job.ended_s > self._keep_s:
                        self.forget(job)
            except (sqlite3.Error, OSError) as exc:
                event("jobs-stand-still", logging.ERROR, job=None, why=str(exc))
