"""The sizes of input that the streams of one inference process use. Pure."""

from pipeline import Size
from streamer.inference.messages import Job

KEPT = 2
"""Sizes kept for each stream: the present one, and the one before, which a stream that tried another returns to."""


class Sizes:
    """Told of each job, in their order."""

    def __init__(self) -> None:
        self._used: dict[int, list[Size]] = {}
        """By stream, the newest last."""
        self._next: dict[int, Size] = {}

    def after(self, job: Job) -> frozenset[Size]:
        """The sizes to keep networks for from now on."""
        for gone in self._used.keys() - job.streams:
            del self._used[gone]
            self._next.pop(gone, None)
        used, size = self._used.setdefault(job.stream, []), job.fit.input_size
        if size in used:
            used.remove(size)
        used.append(size)
        del used[:-KEPT]
        self._next.pop(job.stream, None)
        if job.next_size is not None:
            self._next[job.stream] = job.next_size
        return frozenset(self._next.values()).union(*self._used.values())
