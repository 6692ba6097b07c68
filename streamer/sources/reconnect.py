"""One source out of many connections: a camera that is lost is connected to again, and its frames go on."""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from fractions import Fraction

from av.audio.stream import AudioStream

from pipeline import Frame
from streamer.errors import CannotOpen, Cause, SourceError, SourceLost
from streamer.media.packet_queue import PacketQueue
from streamer.sources.playback import Stopped
from streamer.sources.source import Delivery, Health, Source
from streamer.sources.timing.seams import MIN_WAIT_S, Backoff, Seam

HOPELESS = frozenset({Cause.AUTH, Cause.NOT_FOUND, Cause.CODEC})
"""What is, when it is the first that is heard of a source, a mistake in its address, and not retried unasked."""


LASTING = frozenset({Cause.UNUSABLE})
"""What does not pass by waiting, however often it is tried: a third time would be the same."""
MAX_LASTING = 3


class Connector:
    """Opens a source, and again when it is lost, for as long as it is worth it."""

    def __init__(
        self,
        open_once: Callable[[float], Source],
        for_s: float | None,
        stopped: Stopped,
        on_loss: Callable[[SourceError], None],
        on_return: Callable[[], None],
        backoff: Backoff | None = None,
        hopeless: Collection[Cause] = HOPELESS,
    ) -> None:
        """
        Args:
            open_once: opens it within so many seconds, or raises CannotOpen.
            on_loss: called after each loss and each attempt that failed, with its reason.
            on_return: called when the source is there (again).
            for_s: how long to try after each loss; None is forever, but for a mistake in the address.
            hopeless: what is such a mistake, when it is the first that is heard.
        """
        self._open_once = open_once
        self._for_s = for_s
        self._stopped, self._on_loss, self._on_return = stopped, on_loss, on_return
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
        lasting = 0
        while not self._stopped.is_set():
            if error is not None:
                self._on_loss(error)
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    raise SourceLost(f"{error}; it did not come back in {for_s:g} s", error.cause) from error
                if self._stopped.wait(min(left_s, self._backoff.wait_s(error.cause))):
                    break
            try:
                source = self._open_once(max(MIN_WAIT_S, until_s - time.monotonic()))
            except CannotOpen as exc:
                if exc.cause in hopeless:
                    raise
                lasting = lasting + 1 if exc.cause in LASTING else 0
                if lasting >= MAX_LASTING and hopeless:
                    hint = f"it was the same {MAX_LASTING} times, so waiting will not help: look at the address"
                    raise CannotOpen(f"{exc}; {hint}, or what `streamer doctor` says", exc.cause) from exc
                error = exc
                continue
            self._backoff.reset()
            self._on_return()
            return source
        return None


class Reconnecting(Source):
    """A live source that is connected to again when it is lost. Its `info` stays that of the first connection."""

    def __init__(self, source: Source, connector: Connector, stopped: Stopped) -> None:
        self._source, self._connector, self._stopped = source, connector, stopped
        self._damaged_before = 0
        self._seam = Seam()
        self.info = source.info
        self.audio = PacketQueue(source.audio.streams)

    @property
    def health(self) -> Health:
        """The counts of the present connection, but for the damage, which is that of all of them."""
        return replace(self._source.health, damaged=self._damaged_before + self._source.health.damaged)

    @property
    def delivery(self) -> Delivery:
        return self._source.delivery

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

    def close(self) -> None:
        self._source.close()

    def _found_again(self, loss: SourceLost) -> bool:
        self._source.close()
        self._seam.cut()
        source = self._connector.again(loss)
        if source is None:
            return False
        self._damaged_before += self._source.health.damaged
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
