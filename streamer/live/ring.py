"""The newest frames of one writer, for readers that go at their own pace."""

import threading
from collections import deque
from contextlib import suppress
from time import monotonic

from pipeline import Frame
from streamer.errors import ConfigError


class EndOfStream(Exception):
    """Raised when a reader has had all that will ever come; not an error by itself."""

    def __init__(self, error: BaseException | None) -> None:
        super().__init__("the writer ended" if error is None else f"the writer failed: {error}")
        self.error = error
        """The error of the writer; None if it did not fail."""


class FrameRing:
    """One thread puts frames in, any number read them, each through a `reader` of its own.

    Full, it drops the oldest: the writer never waits for a reader.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ConfigError(f"a ring keeps at least 1 frame, not {capacity}")
        self._kept: deque[Frame] = deque(maxlen=capacity)
        self._put = 0
        self._closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def put(self, frame: Frame) -> None:
        """Adds the newest frame. Never waits."""
        with self._changed:
            if self._closed:
                raise ValueError("a frame was put into a ring that is closed")
            self._kept.append(frame)
            self._put += 1
            self._changed.notify_all()

    def close(self, error: BaseException | None = None) -> None:
        """Says that no more will come, and why. What is left can still be read; the first close is the one that counts.

        Args:
            error: what the writer failed with, if it did; readers get it in `EndOfStream`.
        """
        with self._changed:
            if not self._closed:
                self._closed, self._error = True, error
                self._changed.notify_all()

    def reader(self) -> "RingReader":
        """A reader at the very first frame: of what was put before it came, it has missed what is no longer kept."""
        return RingReader(self)


class RingReader:
    """One reader's place in a ring; for one thread.

    Every frame that was put is counted once: `delivered + missed + skipped + unread` of them were.
    """

    def __init__(self, ring: FrameRing) -> None:
        self._ring = ring
        self.delivered = 0
        """Frames that `next` and `newest` gave."""
        self.missed = 0
        """Frames that were overwritten before `next` came to them."""
        self.skipped = 0
        """Frames that `newest` passed over."""

    @property
    def unread(self) -> int:
        """Frames still ahead, those among them that were overwritten since."""
        with self._ring._changed:
            return self._ahead()

    @property
    def writer_ended(self) -> bool:
        """True once nothing more will be put; unread frames can still be read."""
        with self._ring._changed:
            return self._ring._closed

    def next(self, timeout_s: float) -> Frame | None:
        """The next frame in order, or None if none came in time. Raises EndOfStream after the last."""
        with self._ring._changed:
            if not self._wait(timeout_s):
                return None
            kept = self._ring._kept
            self.missed += max(0, self._ahead() - len(kept))
            frame = kept[len(kept) - self._ahead()]
            self.delivered += 1
            return frame

    def newest(self, timeout_s: float) -> Frame | None:
        """The newest frame, if it was not seen yet, or None if none came in time. Raises EndOfStream after the last."""
        with self._ring._changed:
            if not self._wait(timeout_s):
                return None
            self.skipped += self._ahead() - 1
            self.delivered += 1
            return self._ring._kept[-1]

    def _ahead(self) -> int:
        return self._ring._put - self.delivered - self.missed - self.skipped

    def _wait(self, timeout_s: float) -> bool:
        """Whether there is a frame to read."""
        ring = self._ring
        ring._changed.wait_for(lambda: self._ahead() or ring._closed, timeout_s)
        if ring._closed and not self._ahead():
            raise EndOfStream(ring._error) from ring._error
        return self._ahead() > 0


class Rhythm:
    """The rate of frames, as seen by a reader that does not take every one. Pure: it is told the time."""

    def __init__(self) -> None:
        self._last: Frame | None = None
        self._every_s = 0.0

    def took(self, frame: Frame) -> None:
        last, self._last = self._last, frame
        if last is not None:
            self._every_s = (frame.captured_s - last.captured_s) / (frame.index - last.index)

    def patience_s(self, frame: Frame, now_s: float) -> float:
        """Seconds to wait for the next frame rather than begin with this one, the newest.

        What is made of a frame comes as much later as was waited, and is as much younger as the next frame is: to wait
        pays when the next one is nearer than this one. Should it not come, no more is lost than could have been won.
        """
        old_s = now_s - frame.captured_s
        return old_s if self._every_s / 2 < old_s < self._every_s else 0.0


class LatestFrames:
    """A reader's newest frames, for whoever is busy with each for longer than the next one takes to come."""

    def __init__(self, reader: RingReader) -> None:
        self._reader = reader
        self._rhythm = Rhythm()

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame, or the one after it where that is nearer; else as `RingReader.newest`."""
        frame = self._reader.newest(timeout_s)
        if frame is not None:
            with suppress(EndOfStream):  # told the next time: this one is the last
                frame = self._reader.newest(self._rhythm.patience_s(frame, monotonic())) or frame
            self._rhythm.took(frame)
        return frame
