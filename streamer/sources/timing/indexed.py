"""The times of a file without times, such as an AVI: by its index."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from av.stream import Stream

from streamer.sources.timing.losses import Losses

HEAD_BYTES = 8
"""Of each piece of an AVI; its index says where that begins, and a packet where it ends."""

Packet = Any
"""An `av.Packet` of one of the streams."""


class IndexClock:
    """The times of the packets of one track.

    FFmpeg counts the packets that it finds. Of a hole in the file it finds none, so that everything after it is early
    by as much; the index, at the end of the file, has what was in the hole.
    """

    def __init__(self, stream: Stream) -> None:
        self._entries = stream.index_entries
        self._next = 0
        self._missing_ticks = 0
        """As the index counts, which of plain sound is in bytes."""
        self._unit = Fraction(1)
        """Ticks of the index for one of the packets'."""
        self.missing = 0
        """The number of pieces that are in the index and did not come."""

    def shift(self, packet: Packet) -> int:
        """Ticks to add to the times of the next packet."""
        if packet.pos is not None:
            self._look_up(packet.pos - HEAD_BYTES, packet.dts)
        return round(self._missing_ticks / self._unit)

    def end(self) -> None:
        """Nothing more comes."""
        self.missing += len(self._entries) - self._next
        self._next = len(self._entries)

    def _look_up(self, begins: int, dts: int | None) -> None:
        first = self._next
        while self._next < len(self._entries) and self._entries[self._next].pos < begins:
            self._next += 1
        self.missing += self._next - first
        if self._next >= len(self._entries) or self._entries[self._next].pos != begins:
            return  # a part of a piece, or one that the index does not know
        found = self._entries[self._next]
        self._next += 1
        if not self._missing_ticks and not self.missing and dts and found.timestamp:
            self._unit = Fraction(found.timestamp, dts)
        if self.missing and dts is not None:
            self._missing_ticks = max(0, found.timestamp - round(dts * self._unit))


def in_index(packets: Iterable[Packet], streams: Iterable[Stream], video: Stream, losses: Losses) -> Iterator[Packet]:
    """The packets, each at its time by the index; the pictures that are missing are counted."""
    clocks = {each.index: IndexClock(each) for each in streams}
    for packet in packets:
        clock = clocks[packet.stream.index]
        if not packet.size:
            clock.end()
        elif shift := clock.shift(packet):
            packet.dts = None if packet.dts is None else packet.dts + shift
            packet.pts = None if packet.pts is None else packet.pts + shift
        if packet.stream is video:
            losses.told = clock.missing
        yield packet
