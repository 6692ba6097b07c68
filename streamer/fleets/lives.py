"""The counters of a camera over its lives: it is begun again elsewhere when its machine dies. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from streamer.errors import Cause, Loss
from streamer.live.config import StreamConfig
from streamer.live.stats import NOTHING_LACKS, Drops, Snapshot

SILENT_S = 5.0
"""A machine that has not answered for so long may be gone."""


@dataclass(frozen=True, slots=True)
class Life:
    """What a camera did on one machine."""

    node: str
    at: Snapshot
    config: StreamConfig


class Lives:
    """For one camera."""

    def __init__(self) -> None:
        self._past: list[Life] = []
        self._now: Life | None = None
        self._before = Snapshot()
        self._seen_s = 0.0
        self._lost_s: float | None = None
        self._loss: Loss | None = None
        self._offline_s, self._returns = 0.0, 0

    @property
    def all(self) -> Sequence[Life]:
        return [*self._past, *([] if self._now is None else [self._now])]

    def seen(self, life: Life, now_s: float) -> None:
        """How the present life goes."""
        if self._lost_s is not None and life.at.captured:
            self._offline_s += now_s - self._lost_s
            self._returns += bool(self._before.captured)
            self._lost_s = None
        self._now, self._seen_s = life, now_s

    def lost(self, why: str, now_s: float) -> None:
        """The present life is over before its end, or none could begin."""
        if self._now is not None:
            at = self._now.at
            # What was on its way to be shown is lost as well.
            drops = replace(at.drops, at_end=at.drops.at_end + at.waiting)
            self._past.append(replace(self._now, at=replace(at, drops=drops, waiting=0, offline_since_s=None)))
            self._before = added(self._before, self._past[-1].at)
            self._now = None
        self._lost_s = now_s if self._lost_s is None else self._lost_s
        self._loss = Loss(Cause.FAILED, why)

    def at(self, now_s: float) -> Snapshot:
        """All lives together."""
        at = Snapshot(last_loss=self._loss) if self._now is None else self._now.at
        since_s, loss = at.offline_since_s, at.last_loss or self._loss
        if self._lost_s is not None:
            since_s = now_s - self._lost_s
        elif since_s is None and self._now is not None and now_s - self._seen_s >= SILENT_S:
            since_s, loss = now_s - self._seen_s, Loss(Cause.TIMEOUT, f"{self._now.node} does not answer")
        offline_s = self._offline_s + (0.0 if self._lost_s is None else now_s - self._lost_s)
        whole = added(self._before, at)
        return replace(
            whole,
            offline_since_s=since_s,
            last_loss=loss,
            offline_s=whole.offline_s + offline_s,
            reconnects=whole.reconnects + self._returns,
        )


def added(before: Snapshot, at: Snapshot) -> Snapshot:
    """The counts of both, and the state of the later one."""
    one, two = before.drops, at.drops
    return replace(
        at,
        captured=before.captured + at.captured,
        parsed=before.parsed + at.parsed,
        repeated=before.repeated + at.repeated,
        damaged_sound=before.damaged_sound + at.damaged_sound,
        lacks=at.lacks if at.lacks != NOTHING_LACKS else before.lacks,
        shown=before.shown + at.shown,
        drops=Drops(one.behind + two.behind, one.at_end + two.at_end, one.no_sink + two.no_sink),
        worker_restarts=before.worker_restarts + at.worker_restarts,
        reconnects=before.reconnects + at.reconnects,
        offline_s=before.offline_s + at.offline_s,
        came=at.came or before.came,
        sinks_ended=(*before.sinks_ended, *at.sinks_ended),
    )
