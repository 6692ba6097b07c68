"""The parent's handle on the inference process."""

import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Self, cast

from pipeline import PipelineError, Size
from pipeline.network.letterbox import Letterbox
from pipeline.parsing.reading import Reading
from pipeline.types import Picture
from streamer.errors import WorkerDied
from streamer.inference.messages import Answered, Failure, Job, Ready, WorkerSettings
from streamer.processes.child import Child, exit_text
from streamer.processes.framing import ChannelClosed

__all__ = ["Worker", "WorkerSettings"]

WAIT_S = 0.2
MAX_RESTARTS = 5
RESTARTS_WITHIN_S = 60.0
DRAIN_S = 2.0
"""Time for the answer to a picture that nobody waits for any more; another stream may need the process."""

# The threads of these wait for work by asking again and again, OpenBLAS's for 26 ms after each product: on the cores
# that the network wants, for work that is not worth a second thread.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
_MODULE = "streamer.inference.main"


def given_up(death: WorkerDied | None) -> WorkerDied:
    """The error to raise when a process has died too often."""
    return WorkerDied(
        f"the inference process was restarted {MAX_RESTARTS} times within {RESTARTS_WITHIN_S:.0f} s"
        f" and is not again; the last time, {death}"
    )


class Worker:
    """Runs a network in a process of its own, and starts another when that one dies. For one thread at a time.

    `with` starts it and closes it.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        ready_s: float = 300.0,
        answer_s: float = 10.0,
        max_restarts: int | None = MAX_RESTARTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            max_restarts: maximum within `RESTARTS_WITHIN_S`; None leaves it to the callers to count.
            ready_s: maximum time to load the network; M2FP makes its graph the first time.
            answer_s: maximum time for one picture.
            clock: monotonic seconds.
        """
        self._settings = settings
        self._ready_s, self._answer_s = ready_s, answer_s
        self._max_restarts = max_restarts
        self._clock = clock
        self._child: _Child | None = None
        self._death: WorkerDied | None = None
        self._restarted_s: deque[float] = deque(maxlen=MAX_RESTARTS)
        self._started_s = 0.0
        self._closed = False
        self.next_ready = False
        """Whether pictures of the `next_size` that `infer` was last called with need not wait for their network."""
        self.restarts = 0
        """Number of processes that were started in place of one that had died."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process id, None while there is no process."""
        return self._child.pid if self._child else None

    @property
    def restarts_left(self) -> int:
        """Number of restarts that are still allowed now; with none, `WorkerDied` is final."""
        if self._max_restarts is None:
            return MAX_RESTARTS
        now_s = self._clock()
        return self._max_restarts - sum(now_s - then_s < RESTARTS_WITHIN_S for then_s in self._restarted_s)

    def start(self) -> None:
        """Begins to load, and does not wait for it. Raises WorkerDied."""
        with self._noting_death():
            self._running(self._settings.size)

    def wait_ready(self, timeout_s: float) -> bool:
        """Whether the network is loaded, at the latest after this time. Raises as `infer`."""
        until_s = self._clock() + timeout_s
        with self._noting_death():
            child = self._running(self._settings.size)
            return child.wait_ready(lambda: self._loading() and self._clock() < until_s)

    def is_ready(self, size: Size) -> bool:
        """Whether a network is loaded; begins to load that of this size otherwise. Hardly waits. Raises as `infer`."""
        with self._noting_death():
            child = self._running(size)
            return child.wait_ready(lambda: self._loading() and False)

    @property
    def given_up(self) -> WorkerDied:
        """The error to raise when it died and there are no `restarts_left`."""
        return given_up(self._death)

    def infer(
        self,
        small: Picture,
        fit: Letterbox,
        pts_s: float,
        stop: threading.Event,
        next_size: Size | None = None,
        stream: int = 0,
        streams: frozenset[int] = frozenset({0}),
    ) -> Reading | None:
        """The network's output, as from `Parser.infer` in this process; None if `stop` was set first.

        Args:
            small, fit, pts_s: as for `Parser.infer`.
            stop: looked at every 0.2 s.
            next_size: make a network for this input size ready, beside the present one. It may take several
                pictures until `next_ready` says that it is.
            stream: whose picture it is; answers are averaged over time for each stream.
            streams: those that use this process; what is remembered of others is forgotten.

        Raises:
            WorkerDied: the process ended, or did not answer in time and was ended. The next call starts another,
                unless that was done `MAX_RESTARTS` times within `RESTARTS_WITHIN_S`.
            PipelineError: loading failed, which it would again, or this picture could not be parsed.
        """
        with self._noting_death():
            child = self._running(fit.input_size)
            if not child.wait_ready(lambda: self._loading() and not stop.is_set()):
                return None
            asked_s = self._clock()
            job = Job(small, fit, pts_s, next_size, stream, streams)
            answered = child.ask(job, lambda: self._answering(asked_s) and not stop.is_set())
        self.next_ready = answered is not None and answered.next_ready
        return None if answered is None else answered.reading

    def abandon(self, why: PipelineError) -> None:
        """Ends a process that lives and cannot parse any more, as one that has no memory left; as if it had died."""
        self._death = WorkerDied(str(why))
        self._end_child()

    def close(self) -> None:
        """Ends the process, within three seconds, whatever it does. For good; safe to call twice.

        Raises:
            ShutdownTimeout: the system could not end it.
        """
        self._closed = True
        self._end_child()

    def _running(self, size: Size) -> "_Child":
        """The process that takes the next picture."""
        if self._closed:
            raise ValueError("the worker is closed")
        if self._child is not None and self._child.unanswered and not self._child.settled(DRAIN_S):
            # It was left in the middle of a picture: its answer would be taken for the next one's.
            self._end_child()
        if self._child is None:
            self._count_restart()
            # The size that is wanted now: where compiling takes longer than an answer may, it is done in `ready_s`.
            self._child = _Child(replace(self._settings, size=size))
            self._started_s = self._clock()
        return self._child

    def _count_restart(self) -> None:
        if self._death is None:
            return
        if not self.restarts_left:
            raise self.given_up from self._death
        self._death = None
        self.restarts += 1
        self._restarted_s.append(self._clock())

    def _loading(self) -> bool:
        return self._in_time(self._started_s, self._ready_s, "was not ready")

    def _answering(self, asked_s: float) -> bool:
        return self._in_time(asked_s, self._answer_s, "stopped answering")

    def _in_time(self, since_s: float, limit_s: float, failing: str) -> bool:
        """True, or raises WorkerDied."""
        if self._clock() - since_s >= limit_s:
            raise WorkerDied(f"the inference process {failing} after {limit_s:g} s")
        return True

    @contextmanager
    def _noting_death(self) -> Iterator[None]:
        try:
            yield
        except WorkerDied as exc:
            self._death = self._death or exc
            self._end_child()
            raise

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _Child:
    """One process, from its start to its end."""

    def __init__(self, settings: WorkerSettings) -> None:
        first = pickle.dumps(settings, pickle.HIGHEST_PROTOCOL)
        try:
            self._child = Child("the inference process", _MODULE, first, wait_s=WAIT_S, environment=_ONE_THREAD)
        except OSError as exc:
            raise WorkerDied(f"the inference process cannot be started: {exc}") from exc
        self._loaded: Ready | Failure | None = None
        self.unanswered = False
        """Whether a job has been sent that is not answered."""
        self._sent = False

    @property
    def pid(self) -> int:
        return self._child.pid

    def wait_ready(self, go_on: Callable[[], bool]) -> bool:
        """Whether the network is compiled, at the latest when `go_on` says no."""
        if self._loaded is None:
            self._loaded = cast(Ready | Failure | None, self._receive(go_on))
        if isinstance(self._loaded, Failure):
            raise self._loaded.error()
        return self._loaded is not None

    def ask(self, job: Job, go_on: Callable[[], bool]) -> Answered | None:
        """The answer, or None if `go_on` says no before it is there."""
        self.unanswered, self._sent = True, False
        self._sent = self._send(job, go_on)
        answer = cast(Answered | Failure | None, self._receive(go_on) if self._sent else None)
        self.unanswered = answer is None
        if isinstance(answer, Failure):
            raise answer.error()
        return answer

    def settled(self, within_s: float) -> bool:
        """Whether the answer that nobody waited for has come, and is dropped. Raises WorkerDied."""
        until_s = time.monotonic() + within_s
        self.unanswered = not self._sent or self._receive(lambda: time.monotonic() < until_s) is None
        return not self.unanswered

    def end(self) -> int:
        """Ends it by the mildest means that work; its exit code. Raises ShutdownTimeout."""
        return self._child.close()

    def _send(self, job: Job, go_on: Callable[[], bool]) -> bool:
        with self._dying():
            return self._child.send(pickle.dumps(job, pickle.HIGHEST_PROTOCOL), go_on)

    def _receive(self, go_on: Callable[[], bool]) -> object | None:
        with self._dying():
            body = self._child.receive(go_on)
        return None if body is None else cast(object, pickle.loads(body))

    @contextmanager
    def _dying(self) -> Iterator[None]:
        try:
            yield
        except ChannelClosed as exc:
            raise WorkerDied(f"the inference process ended with {exit_text(self.end())}") from exc
