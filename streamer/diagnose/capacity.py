"""What will hold on a machine, from what things cost there: arithmetic, and nothing else.

Everything shares the processor. What is left of it after each frame was decoded, drawn and, if wanted, encoded is there
for parsing; a mask is as old as a parsing takes, and the pause until the next one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline import Size

MAX_USED = 0.85
"""Of all cores together: what is planned for more than this stutters when anything else wants to run."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Of each frame that is shown, in seconds of one core."""

    decode_s: float
    draw_s: float
    encode_s: float = 0.0

    @property
    def total_s(self) -> float:
        return self.decode_s + self.draw_s + self.encode_s


@dataclass(frozen=True, slots=True)
class Way:
    """A way to parse, and what it costs."""

    parser: str
    size: Size
    takes_s: float
    """By the clock, when nothing else runs."""
    cpu_s: float
    """Of all cores together."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What to expect of a way to parse."""

    way: Way
    shown_hz: float
    parse_hz: float
    """0 where nothing is left for parsing."""
    mask_age_s: float
    """Of the oldest masks on the screen; infinite where there are none."""
    load: float
    """Of all cores, in [0, 1]."""


def forecast(way: Way, source_hz: float, costs: Costs, cores: int) -> Forecast:
    """How often this way can parse beside showing every frame of a source."""
    room = MAX_USED * cores
    shown_hz = min(source_hz, room / costs.total_s) if costs.total_s else source_hz
    left = room - shown_hz * costs.total_s
    # While it shows frames, the machine has less than all its cores for the network, and that takes longer.
    slower = room / left if left > 0 else float("inf")
    takes_s = way.takes_s * max(1.0, slower)
    parse_hz = min(source_hz, left / way.cpu_s, 1 / takes_s)
    age_s = takes_s + max(0.0, 1 / parse_hz - 1 / source_hz) if parse_hz > 0 else float("inf")
    return Forecast(way, shown_hz, parse_hz, age_s, (shown_hz * costs.total_s + parse_hz * way.cpu_s) / cores)


SMOOTH_HZ = 8.0
"""Parsings per second with which masks look as if they were of each frame."""


def cameras_at_once(way: Way, source_hz: float, costs: Costs, cores: int) -> int:
    """How many sources alike a machine shows at their full rate, each parsed `SMOOTH_HZ` times a second.

    Args:
        way: the cheapest one: with several streams each takes a smaller input before frames are lost.
    """
    each = source_hz * costs.total_s + min(source_hz, SMOOTH_HZ) * way.cpu_s
    return int(MAX_USED * cores / each) if each > 0 else 0


def best(forecasts: Iterable[Forecast], limit_s: float) -> Forecast | None:
    """The one with the largest input whose masks stay young enough; of none, the one with the youngest masks."""
    every = list(forecasts)
    holding = [each for each in every if each.mask_age_s <= limit_s]
    if holding:
        return max(holding, key=lambda each: (each.way.size.area, -each.mask_age_s))
    return min(every, key=lambda each: each.mask_age_s, default=None)
