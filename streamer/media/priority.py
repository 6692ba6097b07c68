"""Threads stay at the priority that this process was given.

SVT-AV1 makes its threads, and the one that opens it, real-time (SCHED_FIFO, 99) for whoever is root, as nearly all are
in a container. Nothing else on the machine comes to its turn then, this process's own threads among it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")


@contextmanager
def same_priority() -> Iterator[None]:
    """What is opened inside changes no thread's scheduling: this thread's is that of all threads that are started.

    Does nothing where threads have no such scheduling, as on Windows and macOS.
    """
    if sys.platform != "linux":
        yield
        return
    policy, param, before = os.sched_getscheduler(0), os.sched_getparam(0), _scheduling()
    try:
        yield
    finally:
        for thread, now in _scheduling().items():
            if now != before.get(thread, policy):
                with suppress(OSError):  # it ended, or may not be changed
                    os.sched_setscheduler(thread, policy, param)


def _scheduling() -> dict[int, int]:
    """The policy of each thread of this process."""
    found: dict[int, int] = {}
    if sys.platform == "linux" and _TASKS.is_dir():
        for task in _TASKS.iterdir():
            with suppress(OSError):
                found[int(task.name)] = os.sched_getscheduler(int(task.name))
    return found
