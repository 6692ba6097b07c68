"""Packets of tracks beside the pictures on their way from a source to a recording."""

import math
from collections import deque
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from av.stream import Stream

MAX_PACKETS = 100_000
"""Of what is live: half an hour of sound and more."""
MANY = 2_000
"""So many that wait in a file are written before the next picture comes: of sound, most of a minute."""

Packet = Any
"""An `av.Packet` of one of the streams."""


class PacketQueue:
    """Packets of tracks of sound, or of others, each track's in order, from a source to a recording, which may be in
    another thread.

    Of what is live, whoever records must `take` as fast as frames come: of more than `MAX_PACKETS` the oldest are
    dropped. Of a file nothing is.
    """

    def __init__(self, streams: Sequence[Stream] = (), *, recorded: bool = False) -> None:
        """
        Args:
            recorded: they come from a file.
        """
        self.streams: tuple[Any, ...] = tuple(streams)
        """They outlive the source: a recording may begin when a short file is over, and a camera is lost."""
        self.on_many: Callable[[], None] | None = None
        """Called by the source whenever `MANY` packets of a file wait: minutes may pass before its next picture."""
        self.due_s: Callable[[], float] | None = None
        """The time up to which packets are taken, in seconds of their clock: of what is played, no sound is given
        before it is heard. None is all that there is."""
        self.ends_s = math.inf
        """Packets from this time on are not given at all."""
        self._recorded = recorded
        self._packets: deque[Packet] = deque(maxlen=None if recorded else MAX_PACKETS)
        self._last_s: dict[int, Fraction] = {}
        self.left_out = 0
        """The number of packets that were not kept, for they came before."""

    def put(self, packet: Packet, origin_s: Fraction) -> None:
        """Keeps a packet, its time counted from `origin_s` of the source's clock, unless it is one that came before:
        no file could hold it, and a camera whose clock runs back says it all a second time."""
        if packet.pts is not None:
            packet.pts -= round(origin_s / packet.time_base)
        if packet.dts is not None:
            packet.dts -= round(origin_s / packet.time_base)
        if self._came_before(packet):
            self.left_out += 1
            return
        self._packets.append(packet)
        if self._recorded and self.on_many is not None and len(self._packets) >= MANY:
            self.on_many()

    def take(self) -> list[Packet]:
        """What came since the last call and is due, in the order of the source."""
        due_s = math.inf if self.due_s is None else self.due_s()
        taken = []
        while self._packets:  # one by one, for the source may be adding to them
            time_s = _time_s(self._packets[0])
            if time_s is not None and time_s > due_s:
                break
            packet = self._packets.popleft()
            if time_s is None or time_s < self.ends_s:
                taken.append(packet)
        return taken

    def _came_before(self, packet: Packet) -> bool:
        time_s = _time_s(packet)
        if time_s is None:
            return False
        track = packet.stream.index
        last_s = self._last_s.get(track)
        # Two subtitles may begin at once, and sound of a file in pieces that are shorter than a tick of its clock.
        may_repeat = packet.stream.type == "subtitle" or (self._recorded and packet.stream.type == "audio")
        if last_s is not None and (time_s < last_s or (time_s == last_s and not may_repeat)):
            return True
        self._last_s[track] = time_s
        return False


def _time_s(packet: Packet) -> Fraction | None:
    ticks = packet.pts if packet.dts is None else packet.dts
    return None if ticks is None else ticks * packet.time_base
