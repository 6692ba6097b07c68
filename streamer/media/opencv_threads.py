"""OpenCV's threads, of which the whole process has one number: a smaller one while videos are drawn and parsed."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

CORES_A_THREAD = 4
"""Cores per thread of OpenCV, which has one thread in any case."""


class _Number:
    """Lowered by the first that wants it so, put back by the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._before = self._lowered = 0

    def lower(self) -> None:
        with self._lock:
            self._count += 1
            if self._count == 1:
                self._before = cv2.getNumThreads()
                self._lowered = max(1, min(self._before, (os.cpu_count() or 1) // CORES_A_THREAD))
                cv2.setNumThreads(self._lowered)

    def put_back(self) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0 and cv2.getNumThreads() == self._lowered:  # else somebody else chose another
                cv2.setNumThreads(self._before)


_NUMBER = _Number()


@contextmanager
def limited_threads() -> Iterator[None]:
    """OpenCV's threads wait for work by asking again and again.

    Where the network has all cores busy, a second one makes drawing a little faster when nothing else runs, and costs
    half as much processor time again.
    """
    _NUMBER.lower()
    try:
        yield
    finally:
        _NUMBER.put_back()
