"""Recordings played as a camera would give them: at their own pace, over and over, and not waited for without end."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from pipeline import Frame
from streamer.errors import CannotOpen, Cause, SourceLost
from streamer.media.disk import Disk
from streamer.media.packet_queue import PacketQueue
from streamer.sources.images import PICTURE_RATE
from streamer.sources.source import Delivery, Health, Source

LOOK_UP_S = 0.2
"""How often a wait looks up: on Windows Ctrl-C does not end one."""
HELD_LOOK_S = 0.005
"""How often a picture that waits for its reader asks whether there is room."""


class Stopped(Protocol):
    """Whether somebody wants no more, as a `threading.Event` says it."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float) -> bool:
        """Waits so many seconds for it at most; whether it is."""


def looped(rounds: Iterable[Iterable[Frame]], frame_s: float) -> Iterator[Frame]:
    """Frames round after round; index and time go on over the seam.

    Args:
        rounds: the same frames each time.
        frame_s: how long the last one of a round is shown.
    """
    index, start_s = 0, 0.0
    for frames in rounds:
        end_s = start_s
        for frame in frames:
            yield replace(frame, index=index, pts_s=start_s + frame.pts_s)
            index += 1
            end_s = max(end_s, start_s + frame.pts_s + frame_s)
        start_s = end_s


class Paced(Source):
    """A recording in real time: each frame when it is due by its `pts_s` after the first one; at once if it is late.

    When it is given counts as captured. It ends early when it is stopped. Sound is given as it is heard, for hours of
    it may lie in a file before the next picture; of what ends early, no more than was heard.
    """

    def __init__(self, source: Source, stopped: Stopped, ready: Callable[[], bool] | None = None) -> None:
        """
        Args:
            ready: whether there is room for a frame that is due. It waits for that: unlike a camera, what is read here
                comes no faster than it is taken.
        """
        self._source, self._stopped, self._ready = source, stopped, ready
        self._due_s: float | None = None
        """When the newest frame was due; None before the first."""
        self._heard_s: Callable[[], float] = lambda: 0.0
        """How far the sound is, in seconds after the first picture."""
        self.info, self.audio = source.info, source.audio
        self.audio.due_s = lambda: self._heard_s() + self.info.tags.start_s

    @property
    def health(self) -> Health:
        return self._source.health

    @property
    def delivery(self) -> Delivery:
        due_s = self._due_s
        return Delivery() if due_s is None else Delivery(behind_s=max(0.0, time.monotonic() - due_s))

    def __iter__(self) -> Iterator[Frame]:
        start_s: float | None = None
        whole = False
        try:
            with self:
                for frame in self._source:
                    if start_s is None:
                        start_s = time.monotonic() - frame.pts_s
                        self._heard_s = partial(_since, start_s)
                    self._due_s = start_s + frame.pts_s
                    while (left_s := self._left_s(self._due_s)) > 0:
                        if self._stopped.wait(min(left_s, LOOK_UP_S)):
                            return
                    yield replace(frame, captured_s=time.monotonic())
                whole = True
        finally:
            heard_s = math.inf if whole else self._heard_s()
            self._heard_s = lambda: heard_s

    def close(self) -> None:
        self._source.close()

    def _left_s(self, due_s: float) -> float:
        left_s = due_s - time.monotonic()
        if left_s > 0:
            return left_s
        return 0.0 if self._ready is None or self._ready() else HELD_LOOK_S


def _since(start_s: float) -> float:
    return time.monotonic() - start_s


class Looped(Source):
    """A recording over and over."""

    def __init__(self, source: Source, again: Callable[[], Source]) -> None:
        self._source, self._again = source, again
        self._before = Health()
        """The counts of the rounds before: the sum of what is damaged in each, and the most that one lacked."""
        self.audio = PacketQueue()
        self.info = replace(source.info, frames=None, duration_s=None)

    @property
    def health(self) -> Health:
        before, now = self._before, self._source.health
        return replace(
            now,
            damaged=before.damaged + now.damaged,
            jumps=max(before.jumps, now.jumps),
            lost_pictures=max(before.lost_pictures, now.lost_pictures),
            lost_sound_s=max(before.lost_sound_s, now.lost_sound_s),
            flawed=max(before.flawed, now.flawed),
        )

    def __iter__(self) -> Iterator[Frame]:
        with self:
            yield from looped(self._rounds(), float(1 / (self.info.rate or PICTURE_RATE)))

    def close(self) -> None:
        self._source.close()

    def _rounds(self) -> Iterator[Source]:
        while True:
            yield self._source
            self._before = self.health
            try:
                self._source = self._again()
            except CannotOpen as exc:
                raise SourceLost(str(exc)) from exc


class Patient(Source):
    """A recording on a disk that may hang: it is opened and read on a thread that the disk may hold."""

    def __init__(self, disk: Disk, source: Source) -> None:
        """
        Args:
            disk: `source` was opened on; it ends with the source.
        """
        self._disk, self._source = disk, source
        self.info, self.audio = source.info, source.audio

    @property
    def health(self) -> Health:
        return self._source.health

    @property
    def extras(self) -> PacketQueue:
        return self._source.extras

    def __iter__(self) -> Iterator[Frame]:
        with self:
            frames = iter(self._source)
            try:
                while (frame := self._disk.do(partial(next, frames, None))) is not None:
                    yield frame
            except CannotOpen as exc:
                raise SourceLost(str(exc), exc.cause) from exc

    def close(self) -> None:
        self._disk.end(self._source.close)


def patient(path: Path, open_: Callable[[], Source], waits: Callable[[], bool]) -> Source:
    """A file, opened.

    Args:
        waits: whether it is none that lies on a disk but, as a pipe, something that may well keep one waiting.

    Raises:
        CannotOpen: as `open_`; or its disk does not answer.
    """
    disk = Disk(path, hangs=_unread)
    try:
        if not disk.do(waits):
            return Patient(disk, disk.do(open_))
    except BaseException:
        disk.end()
        raise
    disk.end()
    return open_()


def _unread(path: Path, patience_s: float) -> Exception:
    return CannotOpen(f"cannot read {path}: its disk does not answer within {patience_s:g} s", Cause.TIMEOUT)
