"""Waiting for something to become true, with a deadline; and time as a busy machine gives it."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

PATIENCE_S = 120.0
"""A machine that is busy with others takes its time."""


def eventually(happened: Callable[[], bool], within_s: float = PATIENCE_S) -> bool:
    """Waits for something to be true, looking again and again; False if it never is."""
    deadline = time.monotonic() + within_s
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@contextmanager
def fair_time() -> Iterator[Callable[[], float]]:
    """Seconds since the beginning, as a process beside ours that only computes was given them.

    On a machine with a core to spare they are those of the clock. On one that is busy, or stands still, they are so
    many fewer as the work that is measured takes longer for that: what promises a time is held to it on any machine.
    """
    with subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) as busy:
        try:
            process = psutil.Process(busy.pid)
            began_s = process.cpu_times().user
            yield lambda: process.cpu_times().user - began_s
        finally:
            busy.kill()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Holds what is done in it to so much fair time, whether it succeeds or raises."""
    with fair_time() as spent_s:
        try:
            yield
        finally:
            assert spent_s() < seconds


class Clock:
    """Time, and whether somebody wants no more: a wait takes as long as it says, to the tick, and nothing else does.

    It takes the place of the module `time` where something is tested, and that of the event that ends its waits.
    """

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.stops_s = float("inf")

    def monotonic(self) -> float:
        return self.now_s

    def is_set(self) -> bool:
        return self.now_s >= self.stops_s

    def wait(self, timeout: float) -> bool:
        assert timeout > 0
        self.now_s = max(self.now_s, min(self.now_s + timeout, self.stops_s))
        return self.is_set()
