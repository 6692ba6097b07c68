"""Frames that the streams of a program lost because the machine was too slow. Each stream is told of the others',
whatever its parser: they share the cores."""

import threading


class Losses:
    """Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = 0

    def note(self, frames: int) -> int:
        """Adds frames that a stream lost; the total of all streams."""
        with self._lock:
            self._total += frames
            return self._total


class LossesBeside:
    """What the others lost, as one stream sees it. For one thread at a time."""

    def __init__(self, losses: Losses) -> None:
        """What was lost before is none of its business."""
        self._losses = losses
        self._told = losses.note(0)

    def news(self, frames: int) -> int:
        """Notes that this stream lost frames; how many the others lost since it last asked."""
        total = self._losses.note(frames)
        others, self._told = total - self._told - frames, total
        return others
