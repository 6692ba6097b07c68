"""What the faults have in common: a clock, a table's row, a camera's clip, a stream that runs."""

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import psutil

from streamer import Snapshot, Stream, StreamConfig
from tests.support import media

SIZE = (96, 128)
"""Of the network's input: what is measured here is not its speed."""
PATTERN = "test:size=240x320,rate=30"
"""A source that never fails."""
TICK = Fraction(1, 90_000)


@dataclass(frozen=True)
class Row:
    """What became of a fault."""

    fault: str
    promised: str
    measured: str
    held: bool


@dataclass(frozen=True)
class Place:
    """Where and how thoroughly to measure."""

    folder: Path
    short: bool

    @property
    def slack_s(self) -> float:
        """The short form runs where the machine may be busy with something else."""
        return 3.0 if self.short else 0.0

    def clip(self, name: str, seconds: float, *, start: int = 0, rate: int = 25, **kind: Any) -> Path:
        """A clip of 25 frames a second, made once."""
        path = self.folder / name
        if not path.exists():
            step = 90_000 // rate
            ticks = range(start, start + round(seconds * rate) * step, step)
            media.Clip(ticks=ticks, time_base=TICK, **kind).make(path)
        return path

    def in_time(self, fault: str, what: str, limit_s: float, seconds: Iterable[float]) -> Row:
        """The row of something that is to happen within a time."""
        took = list(seconds)
        measured = ", ".join("never" if math.isinf(each) else f"{each:.2f} s" for each in took)
        return Row(fault, f"{what} within {limit_s:g} s", measured, max(took) <= limit_s + self.slack_s)


def between(before: Snapshot, after: Snapshot) -> str:
    dropped = after.drops.total - before.drops.total
    captured, shown = after.captured - before.captured, after.shown - before.shown
    return f"{captured} frames captured meanwhile, {shown} shown, {dropped} dropped"


def played(what: str, before: Snapshot, after: Snapshot) -> Row:
    """The row of a picture that is to go on whatever happens elsewhere."""
    held = after.captured > before.captured and after.drops.total == before.drops.total
    return Row(what, "plays on, nothing dropped", between(before, after), held)


def until(happened: Callable[[], bool], within_s: float = 30.0) -> float:
    """Seconds until something was true; infinite if it never was."""
    began, pause = time.monotonic(), threading.Event()
    while not happened():
        if time.monotonic() - began > within_s:
            return math.inf
        pause.wait(0.005)
    return time.monotonic() - began


def rest(seconds: float) -> None:
    """Lets things go on for a while."""
    threading.Event().wait(seconds)


@contextmanager
def running(source: str, **settings: Any) -> Iterator[Stream]:
    """A stream; what it failed with in the end is no concern of the fault's."""
    with Stream(StreamConfig(source, **({"size": SIZE} | settings))) as stream:
        yield stream


def captured(stream: Stream, more: int, within_s: float = 30.0) -> float:
    """Seconds until so many frames more were captured."""
    had = stream.stats.captured
    return until(lambda: stream.stats.captured >= had + more, within_s)


def stopping(stream: Stream) -> float:
    """Seconds that stopping took."""
    began = time.monotonic()
    stream.stop()
    return time.monotonic() - began


def child(word: str) -> psutil.Process:
    """The process of ours whose command speaks of this: `demux` or `inference`."""
    running = (each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE)
    return next(each for each in running if word in " ".join(each.cmdline()))


def peak_mb(happened: Callable[[], bool], within_s: float = 30.0) -> float:
    """The most resident memory that this process and its own had together until something was true."""
    me, most = psutil.Process(), 0

    def look() -> bool:
        nonlocal most
        held = 0
        for each in (me, *me.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # a connection's, which may just be over
                held += each.memory_info().rss
        most = max(most, held)
        return happened()

    until(look, within_s)
    return most / 1e6
