"""Shares files out among processes, one file to each at a time.

A process that dies is replaced, and its file rendered again, a few times at most; what was parsed of it is kept where
masks are. A file that cannot be rendered is recorded, and the others go on.
"""

import hashlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import PipelineError
from streamer.batch.events import Again, Event, Outcome, Share, Slow
from streamer.batch.manifest import Entry, Manifest
from streamer.batch.messages import Asked, Ended, Failed, Going, Stopped, Work
from streamer.batch.running import Running, slow_one
from streamer.errors import ShutdownTimeout, SinkError, StreamerError, WorkerDied
from streamer.media.images import is_picture
from streamer.media.paths import partial_name
from streamer.offline import Rendering
from streamer.parsings.resume import is_finished
from streamer.parsings.threads import threads_beside
from streamer.processes.framing import ChannelClosed
from streamer.segments.renewed import WAIT_S, Renewed, Start, Worker, end_text
from streamer.segments.split import threads_each
from streamer.sources.uri import without_password

MAX_TRIES = 3
"""A file that ends so many processes is given up."""
PATIENCE_S = 10.0
"""Time for a process to give up its file when the run is stopped."""
SILENCE_S = 600.0
"""A process that has come no further for so long is ended, and its file passed over: no frame takes as long."""
PLACE_S = 5.0
"""A process that is not up after so long may wait for a place: one that has nothing to do gives up its own."""
STOPPED = 130
FAILED = 1

_MODULE = "streamer.batch.main"


class Batch:
    """A run over files."""

    def __init__(
        self,
        works: Sequence[Work],
        settings: Rendering,
        workers: int,
        manifest: Manifest,
        start: Start = Renewed,
        *,
        splits: bool = True,
    ) -> None:
        """
        Args:
            works: their files' folders exist.
            settings: how; with `resume`, what an earlier run completed is left out.
            workers: number of processes that parse.
            manifest: of the folder that they go into.
            start: where the processes are.
            splits: where there are fewer files than processes, one file has several.
        """
        self._start, self._may_split = start, splits
        self._folder = manifest.path.parent
        self._settings, self._workers, self._manifest = settings, workers, manifest
        self._digest = digest_of(settings)
        self._waiting = deque(sorted(works, key=lambda work: -_size(work.source)))
        self._changed = threading.Condition()
        self._running: list[Running] = []
        self._given_up: dict[Path, str] = {}
        """The files, by their `out`, that are to go on elsewhere, and the threads that had them."""
        self._events: queue.Queue[Event | StreamerError | PipelineError | None] = queue.Queue(256)
        self._stop = threading.Event()
        self._stopped_s: float | None = None
        self.pids: dict[str, int] = {}
        """The processes that there are, by the names of the threads that hold them."""

    def run(self, tell: Callable[[Event], None], stopped: Callable[[], bool]) -> list[Outcome]:
        """Renders them; what became of each that was begun.

        Args:
            tell: called in this thread.
            stopped: asked several times a second; what is being rendered then is given up.

        Raises:
            SinkError: the manifest cannot be written.
            WorkerDied: no process can be started, or the thread that holds one ended.
            PipelineError: what was parsed before cannot be read.
        """
        count = min(self._workers, len(self._waiting))
        threads = [threading.Thread(target=self._work, name=f"files {number}") for number in range(1, count + 1)]
        for each in threads:
            each.start()
        try:
            return self._outcomes(count, tell, stopped)
        finally:
            self._stop.set()
            while any(each.is_alive() for each in threads):
                with suppress(queue.Empty):
                    self._events.get(timeout=WAIT_S)
            for each in threads:
                each.join()

    def _outcomes(self, count: int, tell: Callable[[Event], None], stopped: Callable[[], bool]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        error: StreamerError | PipelineError | None = None
        while count:
            if stopped():
                self._stop.set()
            try:
                event = self._events.get(timeout=WAIT_S)
            except queue.Empty:
                continue
            if event is None:
                count -= 1
            elif isinstance(event, StreamerError | PipelineError):
                error = error or event
                self._stop.set()
            else:
                tell(event)
                if isinstance(event, Outcome):
                    outcomes.append(event)
        if error is not None:
            raise error
        return outcomes

    def _work(self) -> None:
        """A thread's life: it holds a process, and waits for what that does."""
        parser = self._settings.parser
        first = threads_beside(parser) if self._workers == 1 else parser
        first = threads_each(first, self._workers)
        worker = self._start("a process that renders", _MODULE, first)
        try:
            network_s = 0.0
            while (running := self._next(network_s, worker)) is not None:
                outcome = self._outcome(running, worker)
                network_s = running.network_s or network_s
                if outcome is not None and outcome.state != "complete":
                    self._manifest.write(self._entry(outcome))
                self._is_over(running, outcome)
        except (StreamerError, PipelineError) as exc:
            self._events.put(exc)
        except BaseException:
            self._events.put(WorkerDied("the thread that holds a process ended"))
            raise
        finally:
            try:
                worker.close()
            except ShutdownTimeout as exc:
                self._events.put(exc)
            self._events.put(None)

    def _next(self, network_s: float, worker: Worker) -> Running | None:
        """A file for a process: one that nobody has, or one that is taken from a slow process.

        It waits for what others have in hand, which may become its own. Where one of these waits for a place, the
        process is ended, whose place it may be: a machine that died took its places along.

        Args:
            network_s: the time that the network takes there for a frame; 0 if it is not known.
            worker: the process.
        """
        name, has_place = threading.current_thread().name, True
        while True:
            with self._changed:
                while not self._stop.is_set() and (self._waiting or self._running):
                    running = self._taken(name)
                    if running is not None:
                        return running
                    if has_place and self._wants_place():
                        break
                    slow = slow_one(self._running, network_s)
                    if slow is not None:
                        slow.given_up = True
                        self._events.put(Slow(slow.work, slow.where, slow.network_s, network_s))
                    self._changed.wait(WAIT_S)
                else:
                    return None
            worker.close()
            has_place = False

    def _taken(self, name: str) -> Running | None:
        """A file that nobody has, for the process that a thread holds."""
        for work in self._waiting:
            before = self._given_up.get(work.out)
            if before != name:
                self._waiting.remove(work)
                self._running.append(Running(work, name, given_up_by=before))
                return self._running[-1]
        return None

    def _wants_place(self) -> bool:
        """Whether a process has not come up for long."""
        begun_s = [each.starts_since_s for each in self._running if each.starts_since_s is not None]
        return bool(begun_s) and time.monotonic() - min(begun_s) > PLACE_S

    def _is_over(self, running: Running, outcome: Outcome | None) -> None:
        """A process has no more to do with a file, whose outcome is None if it is another one's now."""
        with self._changed:
            self._running.remove(running)
            if outcome is None:
                self._given_up[running.work.out] = running.by
                self._waiting.append(running.work)
            self._changed.notify_all()
        if outcome is not None:
            self._events.put(outcome)

    def _outcome(self, running: Running, worker: Worker) -> Outcome | None:
        """Renders one; None if it is given up for another process.

        Raises SinkError: the manifest cannot be written; WorkerDied: no process can be started."""
        work = running.work
        if self._settings.resume:
            try:
                if self._is_complete(work):
                    return Outcome(work, "complete")
            except StreamerError as exc:
                return Outcome(work, "failed", FAILED, str(exc))
        fresh = not work.out.exists()
        self._manifest.write(self._line(work, state="begun", fresh=fresh))
        for tried in range(1, MAX_TRIES + 1):
            running.starts_since_s = time.monotonic()
            pid = worker.started(self._goes_on)
            running.starts_since_s = None
            if pid is None:
                return Outcome(work, "stopped", STOPPED, "the run was stopped", tries=tried)
            self.pids[running.by] = pid
            running.where = worker.where
            try:
                return self._one(running, worker, tried)
            except _Silent:
                worker.close()
                _remove_partial(work)
                why = f"{work.source}: no frame came for {SILENCE_S:.0f} s: its process was ended, and it is given up"
                return Outcome(work, "failed", FAILED, why, tries=tried)
            except ChannelClosed as exc:
                code = worker.close()
                end = end_text(exc, code)
            if fresh and work.out.exists():  # a file has its name when it is complete
                return Outcome(work, "done", tries=tried)
            _remove_partial(work)
            if not self._goes_on():
                return Outcome(work, "stopped", STOPPED, "the run was stopped", tries=tried)
            if tried < MAX_TRIES:
                self._events.put(Again(work, f"its process {end}"))
        why = f"{work.source} ended {MAX_TRIES} processes that rendered it, the last {end}: given up"
        return Outcome(work, "failed", code or FAILED, why, tries=MAX_TRIES)

    def _one(self, running: Running, worker: Worker, tried: int) -> Outcome | None:
        """Raises ChannelClosed, _Silent."""
        work, settings = running.work, self._settings
        if (tried > 1 or running.given_up_by is not None) and work.masks is not None and not work.redraws:
            # What an earlier process parsed is kept, where each frame was parsed: masks between two are made of both.
            resumes = settings.parse_every == 1 and not settings.force
            settings = replace(settings, resume=resumes, force=not resumes)
        elif work.masks is None or work.redraws:
            settings = replace(settings, resume=False)
        asked: object = Asked(work, settings, self._splits(work))
        while (answer := self._asked(worker, asked)) is not None:
            if isinstance(answer, Ended):
                running.network_s = answer.network_s
                return Outcome(work, "done", rendered=answer.rendered, tries=tried)
            if isinstance(answer, Failed):
                return Outcome(work, "failed", FAILED, answer.why, tries=tried)
            if not isinstance(answer, Going):
                break
            running.came(answer)
            self._events.put(Share(work, answer.done, answer.total))
            asked = self._goes_on() and not running.given_up
        if running.given_up and isinstance(answer, Stopped):
            return None
        worker.close()
        _remove_partial(work)
        return Outcome(work, "stopped", STOPPED, "the run was stopped", tries=tried)

    def _asked(self, worker: Worker, message: object) -> object:
        """Its answer; None where the run is stopped and none came. Raises ChannelClosed, _Silent."""
        begun_s = time.monotonic()
        answer = worker.ask(message, lambda: self._patience() and time.monotonic() - begun_s < SILENCE_S)
        if answer is None and self._goes_on():
            raise _Silent
        return answer

    def _splits(self, work: Work) -> int:
        """Where there are fewer files than processes, one file has several."""
        if not self._may_split or work.redraws or self._settings.parse_every > 1 or is_picture(Path(work.source)):
            return 1
        with self._changed:
            return max(1, self._workers // (len(self._waiting) + len(self._running)))

    def _goes_on(self) -> bool:
        return not self._stop.is_set()

    def _patience(self) -> bool:
        """Whether to wait for a process: one that is asked to stop has some seconds to give up its file."""
        if not self._stop.is_set():
            return True
        self._stopped_s = self._stopped_s or time.monotonic()
        return time.monotonic() - self._stopped_s < PATIENCE_S

    def _is_complete(self, work: Work) -> bool:
        """Whether an earlier run completed it, by its masks; without them, by the manifest. Raises StreamerError."""
        if not work.out.exists():
            return False
        if work.masks is not None and not work.redraws:
            return is_finished(work.masks)
        entry = self._manifest.last.get(self._name(work))
        if entry is None or (entry.settings, entry.version) != (self._digest, _version(work.source)):
            return False
        # A file has its name when it is complete: one killed before the last line was written is done as well.
        return entry.state == "done" or (entry.state == "begun" and entry.fresh)

    def _entry(self, outcome: Outcome) -> Entry:
        assert outcome.state != "complete"
        done = outcome.rendered
        return self._line(
            outcome.work,
            state=outcome.state,
            exit=outcome.exit,
            why=outcome.why,
            frames=done.frames if done else 0,
            seconds=round(done.seconds, 3) if done else 0.0,
            tries=outcome.tries,
        )

    def _line(self, work: Work, **fields: Any) -> Entry:
        name, version = self._name(work), _version(work.source)
        return Entry(out=name, source=without_password(work.source), settings=self._digest, version=version, **fields)

    def _name(self, work: Work) -> str:
        return work.out.relative_to(self._folder).as_posix()


class _Silent(Exception):
    """Raised where a process has come no further for `SILENCE_S`."""


def digest_of(settings: Rendering) -> str:
    """Hex digits that differ where files would be rendered in another way."""
    alike = replace(settings, resume=False, force=False, parser=replace(settings.parser, threads=None, in_flight=1))
    return hashlib.blake2b(repr(alike).encode(), digest_size=8).hexdigest()


def _version(source: str) -> str:
    """The size of a file and when it was changed, in nanoseconds; of what is no file, nothing."""
    try:
        found = Path(source).stat()
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def _size(source: str) -> int:
    try:
        return Path(source).stat().st_size
    except OSError:
        return 0


def _remove_partial(work: Work) -> None:
    """What a process left that died."""
    try:
        partial_name(work.out).unlink(missing_ok=True)
    except OSError as exc:
        raise SinkError(f"cannot remove {partial_name(work.out)}: {exc.strerror}") from exc
