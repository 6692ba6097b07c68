"""The packets of a live source between their arrival and their decoding: they wait as they came, since decoded pictures
take a hundred times the memory."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import av

from streamer.errors import SourceError
from streamer.sources.playback import HELD_LOOK_S, Stopped
from streamer.sources.timing.playout import Playing, Playout

Packet = Any
"""An `av.Packet`."""

MAX_BYTES = 64_000_000
"""Packets of so much wait: four minutes of a usual camera. Then pictures are hurried through."""
MAX_BEHIND_S = 10.0
"""A machine that decodes too slowly goes on from the newest key frame when it is so far behind."""
MAX_ALONE_S = 2.0
"""Sound waits for the pictures of its time for so long at most."""
FEW = 8
"""Packets that are taken of a burst at least before a picture that is due meanwhile is given: a burst of two seconds
takes a busy machine a sixth of a second, in which nothing would be shown."""
LOOK_S = 0.05
"""Interval at which a wait looks up."""


@dataclass(slots=True)
class Wait:
    """How long a feed may wait for its next packet before it says that none came."""

    seconds: float = LOOK_S


@dataclass(frozen=True, slots=True)
class Timed:
    """A packet that has its time."""

    packet: Packet
    time_s: float | None
    """None of one without content: the last, which flushes a decoder."""
    arrived_s: float
    taken_s: float
    """When this process had it: later than it arrived where it stood still meanwhile, and then nothing is left out."""
    pictures: bool


class Buffer:
    """Gives each packet when it is due; sound with the pictures of its time."""

    def __init__(
        self, packets: Iterator[Timed | None], wait: Wait, playout: Playout, playing: Playing, stopped: Stopped
    ) -> None:
        """
        Args:
            packets: in the order of arrival; None whenever nothing came for `wait`.
            stopped: ends every wait.
        """
        self._packets, self._wait, self._playout, self._stopped = packets, wait, playout, stopped
        self._ready, self._held_s = playing.ready, playing.held_s
        self._pictures: deque[Timed] = deque()
        self._sounds: deque[Timed] = deque()
        self._bytes = 0
        self._ended = False
        self._error: Exception | None = None
        self.skipped = 0
        """Packets of pictures that were left out because decoding is too slow."""

    def __iter__(self) -> Iterator[Packet | None]:
        """The packets; None whenever none is due. Raises what the feed raises, after all packets before it."""
        while not (self._ended and not self._pictures):
            self._fill(0.0)
            left_s = self._left_s(time.monotonic())
            if left_s <= 0 and self._pictures:
                yield from self._next()
                continue
            self._rest(left_s)
            yield from self._alone(time.monotonic())
            if not self._pictures or left_s > LOOK_S or self._stopped.is_set():
                yield None
        while self._sounds:
            yield self._sounds.popleft().packet
        if self._error is not None:
            raise self._error

    @property
    def behind_s(self) -> float:
        """Time for which the next picture has been due; 0 if none is."""
        if not self._pictures or self._pictures[0].time_s is None:
            return 0.0
        return max(0.0, time.monotonic() - self._due_s(self._pictures[0], self._pictures[0].time_s))

    def _due_s(self, timed: Timed, time_s: float) -> float:
        return max(timed.arrived_s, self._playout.due_s(time_s))

    def _is_due(self, now_s: float) -> bool:
        if not self._pictures:
            return False
        first = self._pictures[0]
        # Far behind, what is there must be known: it goes on from the newest key frame.
        return first.time_s is None or 0 <= now_s - self._due_s(first, first.time_s) < MAX_BEHIND_S

    def _left_s(self, now_s: float) -> float:
        """Until the next picture is to be decoded."""
        if not self._pictures:
            return LOOK_S
        first = self._pictures[0]
        if first.time_s is None or self._bytes > MAX_BYTES:
            return 0.0
        due_s = self._due_s(first, first.time_s)
        self._catch_up(now_s - max(due_s, first.taken_s))
        if now_s < due_s:
            return due_s - now_s
        held = self._ready is not None and now_s - due_s < self._held_s and not self._ready()
        return HELD_LOOK_S if held else 0.0

    def _rest(self, seconds: float) -> None:
        if self._ended:
            self._stopped.wait(min(seconds, LOOK_S))
        else:
            self._fill(min(seconds, LOOK_S))

    def _fill(self, seconds: float) -> None:
        """Takes what is there until a picture is due, and waits so long for a first packet."""
        self._wait.seconds = seconds
        for number in count():
            if self._ended or self._bytes > MAX_BYTES or (number >= FEW and self._is_due(time.monotonic())):
                return
            try:
                timed = next(self._packets)
            except StopIteration:
                self._ended = True
                return
            except (SourceError, av.error.FFmpegError) as exc:
                self._ended, self._error = True, exc  # raised when what came before it was shown
                return
            if timed is None:
                return
            self._put(timed)
            self._wait.seconds = 0.0

    def _put(self, timed: Timed) -> None:
        if not timed.pictures:
            self._sounds.append(timed)
            return
        self._pictures.append(timed)
        self._bytes += timed.packet.size
        if timed.time_s is not None:
            self._playout.add(timed.time_s, timed.arrived_s)

    def _next(self) -> Iterator[Packet]:
        timed = self._pictures.popleft()
        self._bytes -= timed.packet.size
        while self._sounds and self._is_before(self._sounds[0], timed):
            yield self._sounds.popleft().packet
        yield timed.packet

    def _alone(self, now_s: float) -> Iterator[Packet]:
        """Sound that goes on where no pictures come."""
        while not self._pictures and self._sounds and now_s - self._sounds[0].taken_s > MAX_ALONE_S:
            yield self._sounds.popleft().packet

    def _is_before(self, sound: Timed, picture: Timed) -> bool:
        return sound.time_s is None or picture.time_s is None or sound.time_s <= picture.time_s

    def _catch_up(self, behind_s: float) -> None:
        if behind_s <= MAX_BEHIND_S:
            return
        keys = [place for place, each in enumerate(self._pictures) if each.packet.is_keyframe]
        for _ in range(keys[-1] if keys else 0):
            self._bytes -= self._pictures.popleft().packet.size
            self.skipped += 1
