"""One source out of many connections: a camera that is lost is connected to again, and its frames go on."""

import random
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Self

from av.audio.stream import AudioStream

from pipeline import Frame
from streamer.errors import CannotOpen, Cause, SourceError, SourceLost
from streamer.live.stats import Loss, Stats
from streamer.media.audio import AudioQueue
from streamer.sources.playback import Stopped
from streamer.sources.source import Source
from streamer.sources.vitals import Vitals

FIRST_S = 0.5
"""No attempt follows sooner on one that failed."""
MOST_S = 10.0
"""None follows later."""
ABSENT_MOST_S = 1.0
"""The same where nobody answered: an attempt disturbs nobody, and whoever comes back is seen at once."""
ABSENT = frozenset({Cause.REFUSED, Cause.UNREACHABLE, Cause.TIMEOUT})
HOPELESS = frozenset({Cause.AUTH, Cause.NOT_FOUND, Cause.CODEC})
"""What is, when it is the first that is heard of a source, a mistake in its address, and not retried unasked."""


class Backoff:
    """How long to wait before the next attempt. Pure: chance is given."""

    def __init__(self, chance: Callable[[], float] = random.random, absent: Collection[Cause] = ABSENT) -> None:
        """
        Args:
            chance: a number in [0, 1), so that not all who lost the same camera come back in the same moment.
            absent: what means that nobody answered.
        """
        self._chance, self._absent = chance, absent
        self._turned_away = 0

    def wait_s(self, cause: Cause) -> float:
        """Seconds to wait after a failure: up to 1, or up to twice as many each time that somebody turned us away."""
        most_s = ABSENT_MOST_S
        if cause not in self._absent:
            most_s = min(MOST_S, ABSENT_MOST_S * 2.0**self._turned_away)
            self._turned_away = min(self._turned_away + 1, 10)
        return FIRST_S + self._chance() * (most_s - FIRST_S)

    def reset(self) -> None:
        """It gave a picture."""
        self._turned_away = 0


class Seam:
    """Numbers and times that go on over a gap, with the clock on the wall. Pure.

    Each connection begins where the clock is. Were each gap as long as it was between two frames, the times would run
    ahead by a second and more a connection: its first frames come late, as long as it takes to find out what comes.
    """

    def __init__(self) -> None:
        self.shift_s = 0.0
        """What is added to a connection's own times."""
        self._index_shift = 0
        self._last: Frame | None = None
        self._cut = False
        self._first = True
        self._zero_s = float("inf")
        """What the clock said at time 0, by the most punctual frame of the first connection."""

    def cut(self) -> None:
        """The next frame is another connection's."""
        self._cut = self._last is not None

    def placed(self, frame: Frame) -> Frame:
        """The frame where it belongs among all of them."""
        last = self._last
        if last is not None and self._cut:
            self._index_shift = last.index + 1 - frame.index
            self.shift_s = max(last.pts_s, frame.captured_s - self._zero_s) - frame.pts_s
            self._cut = self._first = False
        if self._first:
            self._zero_s = min(self._zero_s, frame.captured_s - frame.pts_s)
        earliest_s = frame.pts_s if last is None else last.pts_s
        pts_s = max(earliest_s, frame.pts_s + self.shift_s)
        self._last = replace(frame, index=frame.index + self._index_shift, pts_s=pts_s)
        return self._last


class Connector:
    """Opens a source, and again when it is lost, for as long as it is worth it."""

    def __init__(
        self,
        open_once: Callable[[float], Source],
        for_s: float | None,
        stopped: Stopped,
        stats: Stats,
        backoff: Backoff | None = None,
        hopeless: Collection[Cause] = HOPELESS,
    ) -> None:
        """
        Args:
            open_once: opens it within so many seconds, or raises CannotOpen.
            for_s: how long to try after each loss; None is forever, but for a mistake in the address.
            hopeless: what is such a mistake, when it is the first that is heard.
        """
        self._open_once = open_once
        self._for_s = for_s
        self._stopped, self._stats = stopped, stats
        self._backoff = backoff or Backoff()
        self._hopeless = hopeless

    def first(self) -> Source | None:
        """The source, or None if it was stopped first. Raises CannotOpen."""
        try:
            return self._opened(None, self._hopeless if self._for_s is None else ())
        except SourceLost as exc:
            raise CannotOpen(str(exc), exc.cause) from exc

    def again(self, loss: SourceLost) -> Source | None:
        """The source that was lost so, or None if it was stopped first. Raises SourceLost."""
        return self._opened(loss, ())

    def _opened(self, error: SourceError | None, hopeless: Collection[Cause]) -> Source | None:
        for_s = float("inf") if self._for_s is None else self._for_s
        until_s = time.monotonic() + for_s
        while not self._stopped.is_set():
            if error is not None:
                self._stats.lost(time.monotonic(), Loss(error.cause, str(error)))
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    raise SourceLost(f"{error}; it did not come back in {for_s:g} s", error.cause) from error
                if self._stopped.wait(min(left_s, self._backoff.wait_s(error.cause))):
                    break
            try:
                source = self._open_once(max(FIRST_S, until_s - time.monotonic()))
            except CannotOpen as exc:
                if exc.cause in hopeless:
                    raise
                error = exc
                continue
            self._backoff.reset()
            self._stats.back(time.monotonic())
            return source
        return None


class Lasting:
    """A live source that is connected to again when it is lost. Its `info` stays that of the first connection."""

    def __init__(self, source: Source, connector: Connector, stopped: Stopped) -> None:
        self._source, self._connector, self._stopped = source, connector, stopped
        self._damaged_before = 0
        self._seam = Seam()
        self.info = source.info
        self.audio = AudioQueue(source.audio.streams)

    @property
    def vitals(self) -> Vitals:
        return self._source.vitals

    @property
    def damaged(self) -> int:
        return self._damaged_before + self._source.damaged

    def __iter__(self) -> Iterator[Frame]:
        with self:
            while True:
                try:
                    for frame in self._source:
                        placed = self._seam.placed(frame)
                        self._hear()
                        yield placed
                    loss = SourceLost(f"{self.info.name}: the connection ended", Cause.ENDED)
                except SourceLost as exc:
                    loss = exc
                if self._stopped.is_set() or not self._found_again(loss):
                    return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._source.close()

    def _found_again(self, loss: SourceLost) -> bool:
        self._source.close()
        self._seam.cut()
        source = self._connector.again(loss)
        if source is None:
            return False
        self._damaged_before += self._source.damaged
        self._source = source
        return source.info.live  # a broadcast that is over may be there as a recording, which nobody asked for

    def _hear(self) -> None:
        """Takes the sound along, as far as it is of the kind that a recording has begun with."""
        shift_s = Fraction(self._seam.shift_s).limit_denominator(1_000_000)
        for packet in self._source.audio.take():
            place = self._source.audio.streams.index(packet.stream)
            if place < len(self.audio.streams) and _alike(packet.stream, self.audio.streams[place]):
                packet.stream = self.audio.streams[place]
                self.audio.put(packet, -shift_s)


def _alike(one: AudioStream, other: AudioStream) -> bool:
    kinds = [
        (each.codec_context.name, each.sample_rate, each.layout.name, each.codec_context.extradata)
        for each in (one, other)
    ]
    return kinds[0] == kinds[1]
