"""A sidecar played as a stream would give its parsings: each when it is due."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from pipeline import Parsing
from streamer.errors import ConfigError
from streamer.masks.sidecar import Sidecar
from streamer.sources.playback import LOOK_UP_S, Stopped


def played(sidecar: Sidecar, speed: float, stopped: Stopped, tick: Callable[[], None]) -> Iterator[Parsing]:
    """The parsings in their order, each when it is due by its `pts_s`; at once if it is late.

    `captured_s` of each is the time at which it is given, so that it is as old as it looks.

    Args:
        speed: 2 plays in half the time; inf without waiting.
        stopped: ends it.
        tick: called every 0.2 s at least while nothing is due.

    Raises:
        ConfigError: a speed that there cannot be.
        BadMessage: the sidecar is damaged.
    """
    if not speed > 0:
        raise ConfigError(f"speed must be above 0, not {speed:g}")
    if not sidecar.masks:
        return
    first_s, began_s = sidecar.masks[0].pts_s, time.monotonic()
    for entry in sidecar.masks:
        due_s = began_s + (0.0 if math.isinf(speed) else (entry.pts_s - first_s) / speed)
        while (left_s := due_s - time.monotonic()) > 0:
            if stopped.wait(min(left_s, LOOK_UP_S)):
                return
            tick()
        if stopped.is_set():
            return
        yield replace(sidecar.read(entry), captured_s=time.monotonic())
