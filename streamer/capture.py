"""The capture thread: from the source into the ring."""

import threading
import time
from collections.abc import Callable

from streamer.config import StreamConfig
from streamer.ring import FrameRing
from streamer.sources import Source, open_source
from streamer.stats import Stats


def capture(
    config: StreamConfig, ring: FrameRing, stats: Stats, stop: threading.Event, announce: Callable[[Source], None]
) -> None:
    """Reads the source to its end, or until `stop`; then closes the ring, and with its error if there was one.

    Args:
        announce: told of the source when it is open, before its first frame is in the ring.
    """
    try:
        with open_source(
            config.source, audio=config.record is not None, realtime=True, loop=config.loop, stopped=stop
        ) as source:
            announce(source)
            _pour(source, ring, stats, stop, config.duration_s)
    except BaseException as exc:
        ring.close(exc)
        raise
    ring.close()


def _pour(source: Source, ring: FrameRing, stats: Stats, stop: threading.Event, duration_s: float | None) -> None:
    first_s: float | None = None
    for frame in source:
        first_s = frame.captured_s if first_s is None else first_s
        if stop.is_set() or (duration_s is not None and frame.captured_s - first_s >= duration_s):
            return
        stats.captured(time.monotonic())
        ring.put(frame)
