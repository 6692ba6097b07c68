"""What a live stream counts, and what it makes of the counts."""

import threading
from collections import Counter, deque
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline import Size
from streamer.errors import Loss

RATE_OVER_S = 3.0
"""Rates are of the last so many seconds."""
KEPT = 2000
"""Delays are of the last so many frames."""


@dataclass(frozen=True, slots=True)
class Delay:
    """How late something is, in seconds: median, 95th and 99th percentile; 0 before there was any."""

    p50_s: float = 0.0
    p95_s: float = 0.0
    p99_s: float = 0.0

    @classmethod
    def of(cls, seconds: "deque[float]") -> "Delay":
        return cls(*(float(each) for each in np.percentile(seconds, (50, 95, 99)))) if seconds else cls()


@dataclass(frozen=True, slots=True)
class Drops:
    """Captured frames that were not shown, by cause."""

    behind: int = 0
    """Overwritten in the ring before they could be drawn."""
    at_end: int = 0
    """Not drawn yet when the stream was stopped."""
    no_sink: int = 0
    """There is neither a window nor a recording, or none any more."""

    @property
    def total(self) -> int:
        return self.behind + self.at_end + self.no_sink


@dataclass(frozen=True, slots=True)
class SinkEnd:
    """What a stream goes on without, and why."""

    name: str
    """Window, recording or publisher."""
    why: str

    def __str__(self) -> str:
        return f"the {self.name} ended: {self.why}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a stream at one moment. `captured == shown + drops.total + waiting`."""

    captured: int = 0
    parsed: int = 0
    repeated: int = 0
    """Of them, those that showed what had been parsed before, and were not parsed again."""
    shown: int = 0
    waiting: int = 0
    """Captured and on their way to be shown."""
    drops: Drops = field(default_factory=Drops)
    worker_restarts: int = 0
    reconnects: int = 0
    """How often the source was lost and came back."""
    offline_s: float = 0.0
    """How long it gave nothing: from each loss, or first attempt that failed, to the picture after it."""
    offline_since_s: float | None = None
    """How long it has been lost now; None while it is there."""
    last_loss: Loss | None = None
    """The newest; None while there was none."""
    sinks_ended: tuple[SinkEnd, ...] = ()
    note: str | None = None
    """What was last saved by a key, or why it could not be."""
    size: Size | None = None
    """Of the network's input now; None before the first parsing."""
    too_slow_s: float | None = None
    """How old masks get, where no size that may be chosen keeps them as young as is wanted."""
    captured_hz: float = 0.0
    parsed_hz: float = 0.0
    shown_hz: float = 0.0
    shown_after: Delay = field(default_factory=Delay)
    """From capture to shown."""
    parsed_after: Delay = field(default_factory=Delay)
    """From capture to its parsing being there."""
    mask_age: Delay = field(default_factory=Delay)
    """Between the capture of a shown frame and that of the frame whose masks are on it."""

    @property
    def troubles(self) -> list[str]:
        """What is not as it should be, in words, and what was last saved."""
        found = [] if self.offline_since_s is None else [f"OFFLINE for {self.offline_since_s:.0f} s: {self.last_loss}"]
        if self.reconnects:
            found.append(f"reconnected {_times(self.reconnects)}, offline {self.offline_s:.1f} s in all")
            if self.offline_since_s is None:
                found[-1] += f", the last time: {self.last_loss}"
        if self.worker_restarts:
            found.append(f"the inference process was replaced {_times(self.worker_restarts)}")
        if self.too_slow_s is not None:
            found.append(f"masks get {self.too_slow_s * 1e3:.0f} ms old{self._at}, and nothing smaller may be parsed")
        return [*found, *map(str, self.sinks_ended), *([self.note] if self.note else [])]

    def without_sink(self) -> "Snapshot":
        """The same, of a stream that shows nothing: no frame is on its way."""
        return replace(self, drops=Drops(no_sink=self.captured - self.shown), waiting=0)

    @property
    def _at(self) -> str:
        return "" if self.size is None else f" at {self.size}"

    def line(self) -> str:
        """For a person to read."""
        return (
            f"captured {self.captured_hz:.1f}/s,"
            f" parsed {self.parsed_hz:.1f}/s{self._at} after {_ms(self.parsed_after)},"
            f" shown {self.shown_hz:.1f}/s after {_ms(self.shown_after)}, mask age {_ms(self.mask_age)};"
            f" {self.captured} captured, {self.shown} shown,"
            f" dropped {self.drops.behind} behind, {self.drops.at_end} at the end"
        ) + "".join(f"; {each}" for each in self.troubles)


class Stats:
    """Counts; any thread may."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._times: dict[str, deque[float]] = {name: deque() for name in ("captured", "parsed", "shown")}
        self._shown_after: deque[float] = deque(maxlen=KEPT)
        self._parsed_after: deque[float] = deque(maxlen=KEPT)
        self._mask_age: deque[float] = deque(maxlen=KEPT)
        self._lost_s: float | None = None
        self._offline_s = 0.0
        self._last_loss: Loss | None = None
        self._sinks_ended: list[SinkEnd] = []
        self._note: str | None = None
        self._size: Size | None = None
        self._too_slow_s: float | None = None
        self._told_behind = 0

    def captured(self, now_s: float) -> None:
        with self._lock:
            self._tick("captured", now_s)

    def parsed(self, now_s: float, captured_s: float) -> None:
        with self._lock:
            self._tick("parsed", now_s)
            self._parsed_after.append(now_s - captured_s)

    def shown(self, now_s: float, captured_s: float, mask_age_s: float | None) -> None:
        """Counts a frame as shown; `mask_age_s` is None where no mask is on it."""
        with self._lock:
            self._tick("shown", now_s)
            self._shown_after.append(now_s - captured_s)
            if mask_age_s is not None:
                self._mask_age.append(mask_age_s)

    def dropped(self, cause: str, total: int) -> None:
        """So many frames were dropped for a cause in all; a field of `Drops`."""
        with self._lock:
            self._counts[cause] = total

    def repeated(self) -> None:
        """A parsing was not made but remembered."""
        with self._lock:
            self._counts["repeated"] += 1

    def fallen_behind(self) -> int:
        """Frames dropped because this machine was too slow, since the last time that this was asked."""
        with self._lock:
            told, self._told_behind = self._told_behind, self._counts["behind"]
            return self._told_behind - told

    def governed(self, size: Size, age_s: float, *, within_reach: bool) -> None:
        """What is parsed, how old masks come to be at most, and whether that could be helped."""
        with self._lock:
            self._size, self._too_slow_s = size, None if within_reach else age_s

    def worker_restarts(self, total: int) -> None:
        with self._lock:
            self._counts["worker_restarts"] = total

    def lost(self, now_s: float, loss: Loss) -> None:
        """The source gives nothing; told again whenever an attempt to open it fails."""
        with self._lock:
            self._lost_s = now_s if self._lost_s is None else self._lost_s
            self._last_loss = loss

    def back(self, now_s: float) -> None:
        """The source is there; does nothing when it was not lost."""
        with self._lock:
            if self._lost_s is not None:
                self._offline_s += now_s - self._lost_s
                self._counts["reconnects"] += bool(self._counts["captured"])
                self._lost_s = None

    def sink_ended(self, name: str, why: str) -> None:
        """The stream goes on without one of its sinks."""
        with self._lock:
            self._sinks_ended.append(SinkEnd(name, why))

    def noted(self, text: str) -> None:
        """Something for whoever sits before it."""
        with self._lock:
            self._note = text

    def snapshot(self, now_s: float) -> Snapshot:
        """What there is now."""
        with self._lock:
            counts = self._counts
            drops = Drops(counts["behind"], counts["at_end"], counts["no_sink"])
            offline_since_s = None if self._lost_s is None else now_s - self._lost_s
            return Snapshot(
                captured=counts["captured"],
                parsed=counts["parsed"],
                repeated=counts["repeated"],
                shown=counts["shown"],
                waiting=counts["captured"] - counts["shown"] - drops.total,
                drops=drops,
                worker_restarts=counts["worker_restarts"],
                reconnects=counts["reconnects"],
                offline_s=self._offline_s + (offline_since_s or 0.0),
                offline_since_s=offline_since_s,
                last_loss=self._last_loss,
                sinks_ended=tuple(self._sinks_ended),
                note=self._note,
                size=self._size,
                too_slow_s=self._too_slow_s,
                captured_hz=self._rate("captured", now_s),
                parsed_hz=self._rate("parsed", now_s),
                shown_hz=self._rate("shown", now_s),
                shown_after=Delay.of(self._shown_after),
                parsed_after=Delay.of(self._parsed_after),
                mask_age=Delay.of(self._mask_age),
            )

    def _tick(self, name: str, now_s: float) -> None:
        self._counts[name] += 1
        self._times[name].append(now_s)
        self._forget(name, now_s)

    def _forget(self, name: str, now_s: float) -> None:
        times = self._times[name]
        while times and now_s - times[0] > RATE_OVER_S:
            times.popleft()

    def _rate(self, name: str, now_s: float) -> float:
        self._forget(name, now_s)
        times = self._times[name]
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _ms(delay: Delay) -> str:
    return f"{delay.p50_s * 1e3:.0f} ms (p95 {delay.p95_s * 1e3:.0f}, p99 {delay.p99_s * 1e3:.0f})"
