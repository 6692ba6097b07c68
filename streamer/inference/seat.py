"""A stream's place at the inference processes."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Self

from pipeline import ParserSettings, PipelineError, Size
from pipeline.network.letterbox import Letterbox
from pipeline.parsing.reading import Reading
from pipeline.types import Picture
from streamer.errors import WorkerDied
from streamer.inference.losses import Losses, LossesBeside
from streamer.inference.pool import Pool, Process
from streamer.inference.worker import MAX_RESTARTS, RESTARTS_WITHIN_S, given_up


class _Pools:
    """The pools of this program, one for each kind of parser; each ends with its last stream."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[ParserSettings, Pool] = {}

    def join(self, settings: ParserSettings) -> tuple[Pool, int]:
        with self._lock:
            pool = self._pools.setdefault(settings, Pool(settings))
            return pool, pool.join()

    def leave(self, settings: ParserSettings, pool: Pool, key: int) -> None:
        with self._lock:
            if not pool.leave(key):
                del self._pools[settings]
        pool.end_unused()


_POOLS = _Pools()
_LOSSES = Losses()


class Seat:
    """Has pictures of one stream parsed in a process that others may use as well. For one thread at a time.

    `with` takes and leaves it. A process that dies is replaced; a stream over whose pictures processes die again and
    again is told to give up, and the others go on.
    """

    def __init__(self, settings: ParserSettings, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            clock: monotonic seconds.
        """
        self._settings = replace(settings, size=None)  # what a process parses says its size itself
        self._clock = clock
        self._losses = LossesBeside(_LOSSES)
        self._pool: Pool | None = None
        self._key = 0
        self._process: Process | None = None
        self._replaced_before = 0
        self._deaths_s: deque[float] = deque(maxlen=MAX_RESTARTS + 1)
        self._death: WorkerDied | None = None
        self.next_ready = False
        """Whether pictures of the `next_size` that `infer` was last called with need not wait for their network."""

    def __enter__(self) -> Self:
        self._pool, self._key = _POOLS.join(self._settings)
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            _POOLS.leave(self._settings, self._pool, self._key)
            self._pool = None

    @property
    def restarts(self) -> int:
        """Number of times that the process of this stream was replaced because it had died."""
        return self._replaced_before + (0 if self._process is None else self._process.deaths)

    @property
    def restarts_left(self) -> int:
        """Number of times that a process may still die over this stream's pictures now; with none, it is to give up."""
        now_s = self._clock()
        recent = sum(now_s - then_s < RESTARTS_WITHIN_S for then_s in self._deaths_s)
        return MAX_RESTARTS - max(0, recent - 1)

    @property
    def given_up(self) -> WorkerDied:
        """The error to raise when it died and there are no `restarts_left`."""
        return given_up(self._death)

    def infer(
        self, small: Picture, fit: Letterbox, pts_s: float, stop: threading.Event, next_size: Size | None = None
    ) -> Reading | None:
        """As `Worker.infer`, when it is this stream's turn."""
        process = self._at(fit.input_size)
        with process.turns.turn(stop) as has_it:
            if not has_it:
                return None
            worker, streams = process.worker, frozenset(process.streams)
            try:
                reading = worker.infer(small, fit, pts_s, stop, next_size, self._key, streams)
            except WorkerDied as exc:
                self._died(exc)
                raise
            self.next_ready = worker.next_ready
        return reading

    def lost(self, frames: int) -> int:
        """Notes that this stream lost frames because this machine was too slow; how many the others lost since it last
        asked."""
        return self._losses.news(frames)

    def abandon(self, why: PipelineError) -> None:
        """Ends the process, which cannot parse any more, as one that has no memory left; as if it had died."""
        if self._process is not None:
            with self._process.turns.turn(threading.Event()):
                self._process.worker.abandon(why)
        self._died(WorkerDied(str(why)))

    def _at(self, size: Size) -> Process:
        if self._pool is None:
            raise ValueError("the stream has left its inference process")
        process = self._pool.process_of(self._key, size)
        if process is not self._process:
            # What died before this stream was there is none of its business.
            self._replaced_before = self.restarts - process.deaths
            self._process = process
        return process

    def _died(self, death: WorkerDied) -> None:
        self._death = death
        self._deaths_s.append(self._clock())
