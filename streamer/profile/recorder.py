"""The recorder: a thread that samples the processes of a service on a fixed clock, and what lies between two marks."""

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from streamer.diagnose.sampler import Costs, Sampler

EVERY_S = 0.1
PSS_EVERY = 10
"""PSS is read once in so many samples: it takes milliseconds of processor time a process."""
FAMILY_EVERY = 5
"""The processes are looked for once in so many samples."""


@dataclass(frozen=True, slots=True)
class Window:
    """What was seen between two marks."""

    began: Costs
    ended: Costs
    between: tuple[Costs, ...]
    """The samples from the first mark to the second, both included."""

    @property
    def seconds(self) -> float:
        return self.ended.at_s - self.began.at_s

    @property
    def cpu_s(self) -> float:
        """Processor time that was spent; of a process that ended in between, until it was last seen."""
        last = {each.pid: each.cpu_s for costs in self.between for each in costs.samples}
        first = {each.pid: each.cpu_s for each in self.began.samples}
        return sum(spent - first.get(pid, 0.0) for pid, spent in last.items())

    @property
    def peak_rss_bytes(self) -> int:
        return max(each.rss_bytes for each in self.between)

    @property
    def peak_pss_bytes(self) -> int | None:
        """Of the samples that have it."""
        return max((each.pss_bytes for each in self.between if each.pss_bytes is not None), default=None)


class Recorder:
    """Samples from its start to its end. `mark` and `since` are for one thread."""

    def __init__(self, roles: Callable[[], Mapping[int, str]], clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            roles: the processes, each with what it is for.
        """
        self._roles, self._clock = roles, clock
        self._sampler = Sampler(clock)
        self._turn = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._record, name="recorder")
        self._family: Mapping[int, str] = {}
        self.samples: list[Costs] = []
        self.missed = 0
        """Moments at which no sample could be taken in time; none is made up for them."""
        self.cpu_s = 0.0
        """Processor time of the recorder itself, marks included."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def mark(self) -> Costs:
        """A sample now, with PSS."""
        began_s = time.thread_time()
        costs = self._sample(look=True, proportional=True)
        with self._turn:
            self.cpu_s += time.thread_time() - began_s
        return costs

    def since(self, began: Costs) -> Window:
        """The window from a mark to now."""
        ended = self.mark()
        with self._turn:
            between = tuple(each for each in self.samples if began.at_s <= each.at_s <= ended.at_s)
        return Window(began, ended, between)

    def _record(self) -> None:
        began_s, tick, spent_s = self._clock(), 0, time.thread_time()
        while not self._stop.is_set():
            self._sample(look=tick % FAMILY_EVERY == 0, proportional=tick % PSS_EVERY == 0)
            now_s, now_spent_s = self._clock(), time.thread_time()
            due = next_tick(tick, now_s - began_s)
            with self._turn:
                self.missed += due - tick - 1
                self.cpu_s += now_spent_s - spent_s
            tick, spent_s = due, now_spent_s
            self._stop.wait(max(0.0, began_s + tick * EVERY_S - self._clock()))

    def _sample(self, *, look: bool, proportional: bool) -> Costs:
        with self._turn:
            if look:
                self._family = self._roles()
            costs = self._sampler.sample(self._family, proportional=proportional)
            self.samples.append(costs)
        return costs


def next_tick(tick: int, elapsed_s: float) -> int:
    """The next sample's number: that of the first moment on the clock which is still to come.

    After sample 3, 0.31 s after the start, it is 4; where sampling took until 0.57 s it is 6, and 4 and 5 were missed.
    """
    return max(tick + 1, math.ceil(elapsed_s / EVERY_S - 1e-9))
