"""Packets of a live source get the times that its clock gives them."""

import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from av.audio.stream import AudioStream

from streamer.sources.timing.buffer import Timed
from streamer.sources.timing.live_clock import LiveClock

MAX_REORDERED_S = 2.0
"""A picture is shown so much later than it is decoded at most; a time further from that is damage."""

TIMELESS_BASE = Fraction(1, 90_000)

Packet = Any
"""An `av.Packet`."""


def stamped(
    packets: Iterator[Packet | None], arrived_s: Callable[[], float], clock: LiveClock, *, timeless: bool
) -> Iterator[Timed | None]:
    """Each packet at its time, counted from the first one, when it has come.

    Args:
        arrived_s: when the newest packet arrived, by `time.monotonic`; that may be long before it is taken from
            `packets`.
        timeless: the times of its pictures are made up, and those of arrival are taken.
    """
    for packet in packets:
        if packet is None:
            yield None
            continue
        came_s, taken_s = arrived_s(), time.monotonic()
        pictures = not isinstance(packet.stream, AudioStream)
        if not packet.size:
            yield Timed(packet, None, came_s, taken_s, pictures)
            continue
        ticks = packet.pts if packet.dts is None else packet.dts
        own_s = None if ticks is None or (timeless and pictures) else float(ticks * packet.time_base)
        track = packet.stream.index
        time_s = clock.time_s(track, own_s, came_s, in_order=packet.dts is not None or not pictures)
        if timeless and pictures:
            packet.time_base = TIMELESS_BASE  # what is made up counts in whole pictures
        if clock.knows(track) or timeless or not pictures:
            _place(packet, own_s, round(time_s / packet.time_base))
        yield Timed(packet, time_s, came_s, taken_s, pictures)


def _place(packet: Packet, own_s: float | None, ticks: int) -> None:
    shown_after = 0
    if own_s is not None and packet.dts is not None and packet.pts is not None:
        shown_after = packet.pts - packet.dts
        if not 0 <= shown_after * packet.time_base <= MAX_REORDERED_S:
            shown_after = 0
    packet.dts, packet.pts = ticks, ticks + shown_after
