"""Processes that are given a part of the processor only, on any machine, busy or not."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psutil

SHARE = 0.1
LOOK_S = 0.02
MAX_LEFT_S = 0.02
"""What they do not take is not kept for later."""


@contextmanager
def throttled(processes: Sequence[psutil.Process], time_s: Callable[[], float]) -> Iterator[None]:
    """Stops processes whenever each had a tenth of some other processor time, which they are measured by."""
    over = threading.Event()
    thread = threading.Thread(target=_throttle, args=(processes, time_s, over), name="throttle")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def spent_s(process: psutil.Process) -> float:
    """Its processor time; 0 if it is no more."""
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _throttle(processes: Sequence[psutil.Process], time_s: Callable[[], float], over: threading.Event) -> None:
    seen_s, spent = time_s(), [spent_s(each) for each in processes]
    left = [0.0] * len(processes)
    while not over.wait(LOOK_S):
        now_s, now = time_s(), [spent_s(each) for each in processes]
        for number, each in enumerate(processes):
            more_s = left[number] + SHARE * (now_s - seen_s) - (now[number] - spent[number])
            left[number] = min(more_s, MAX_LEFT_S)
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGCONT if more_s > 0 else signal.SIGSTOP)
        seen_s, spent = now_s, now
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            each.send_signal(signal.SIGCONT)
