"""Packets of sound on their way from a source to a recording."""

from collections import deque
from fractions import Fraction

import av
from av.audio.stream import AudioStream

MAX_SOUNDS = 100_000
"""Half an hour and more."""


class AudioQueue:
    """Packets of sound, each track's in order, from a source to a recording, which may be in another thread.

    Whoever records must `take` as fast as frames come: of more than `MAX_SOUNDS` packets the oldest are dropped.
    """

    def __init__(self, streams: tuple[AudioStream, ...] = ()) -> None:
        self.streams = streams
        """They outlive the source: a recording may begin when a short file is over, and a camera is lost."""
        self._packets: deque[av.Packet[AudioStream]] = deque(maxlen=MAX_SOUNDS)
        self._last_s: dict[int, Fraction] = {}

    def put(self, packet: "av.Packet[AudioStream]", origin_s: Fraction) -> None:
        """Keeps a packet, its time counted from `origin_s` of the source's clock, unless it is one that came before:
        no file could hold it, and a camera whose clock runs back says it all a second time."""
        if packet.pts is not None:
            packet.pts -= round(origin_s / packet.time_base)
        if packet.dts is not None:
            packet.dts -= round(origin_s / packet.time_base)
        ticks = packet.pts if packet.dts is None else packet.dts
        if ticks is not None:
            track, time_s = packet.stream.index, ticks * packet.time_base
            if track in self._last_s and time_s <= self._last_s[track]:
                return
            self._last_s[track] = time_s
        self._packets.append(packet)

    def take(self) -> list["av.Packet[AudioStream]"]:
        """What came since the last call, in the order of the source."""
        taken = []
        while self._packets:  # one by one, for the source may be adding to them
            taken.append(self._packets.popleft())
        return taken
