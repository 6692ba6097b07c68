"""The frames of a stream, counted over all its processes. Pure."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

EVENTS = ("captured", "parsed", "shown", "dropped")


class Counted:
    """What the processes of one stream told of its frames."""

    def __init__(self) -> None:
        self._before: Counter[str] = Counter()
        self._now: Mapping[str, Any] = {}

    def heard(self, stats: Mapping[str, Any]) -> None:
        """The figures of the process that runs, which only grow."""
        self._now = stats

    def next_process(self) -> None:
        """Another begins, which counts from 0."""
        self._before.update(self._counted())
        self._now = {}

    @property
    def frames(self) -> dict[str, int]:
        """Numbers of frames by what became of them."""
        now = self._counted()
        return {event: self._before[event] + now[event] for event in EVENTS}

    @property
    def mask_age_s(self) -> dict[str, float]:
        """The age of masks when they are shown, by quantile; empty while no process has told of it."""
        told = {"0.5": self._now.get("mask_age_p50_s"), "0.95": self._now.get("mask_age_p95_s")}
        return {quantile: age_s for quantile, age_s in told.items() if age_s is not None}

    def _counted(self) -> dict[str, int]:
        dropped = sum(self._now.get("dropped", {}).values())
        return {**{event: self._now.get(event, 0) for event in EVENTS[:-1]}, "dropped": dropped}
