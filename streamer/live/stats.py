"""The counters of a live stream."""

import threading
from collections import Counter, deque
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from pipeline import Size
from streamer.errors import Loss
from streamer.live.left_out import LeftOut
from streamer.live.sinks.snapshots import Save
from streamer.masks.headers import Percentiles, Totals
from streamer.sources.lacks import Lacks

RATE_OVER_S = 3.0
"""Rates are those of this many last seconds."""
MAX_DELAYS = 2000
"""Delays are those of this many last frames."""
MAX_SAVES = 16


NOTHING_YET = Percentiles()
NOTHING_LACKS = Lacks()


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
    """A sink that the stream goes on without."""

    name: str
    """Window, recording or publisher."""
    why: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a stream at one moment. `captured == shown + drops.total + waiting`."""

    captured: int = 0
    parsed: int = 0
    repeated: int = 0
    """Parsings among them that were recalled, not made: the picture had been parsed before."""
    damaged_sound: int = 0
    """Packets of sound that a recording left out: they are damaged, or no file could hold them."""
    lacks: Lacks = NOTHING_LACKS
    """What is wrong with a file that is played, known when it is over; nothing of a camera."""
    shown: int = 0
    waiting: int = 0
    """Captured and on their way to be shown."""
    drops: Drops = field(default_factory=Drops)
    worker_restarts: int = 0
    reconnects: int = 0
    """Number of times that the source was lost and came back."""
    offline_s: float = 0.0
    """Total time without a source: from each loss, or first attempt that failed, to the picture after it."""
    offline_since_s: float | None = None
    """Time since the source was lost; None while it is there."""
    last_loss: Loss | None = None
    """The newest; None while there was none."""
    came: str | None = None
    """Size and rate of the source's pictures, as it says; None before the first."""
    sinks_ended: tuple[SinkEnd, ...] = ()
    saves: tuple[Save, ...] = ()
    """Outcomes of the last keys that save a file, at most `MAX_SAVES` of them."""
    saves_total: int = 0
    size: Size | None = None
    """Present size of the network's input; None before the first parsing."""
    too_slow_s: float | None = None
    """Age that the masks reach, where no size that may be chosen keeps it below the limit; None elsewhere."""
    left_out: float = 0.0
    """Share of the last seconds' pictures, in [0, 1], that were dropped as this machine is too slow for all; else 0."""
    people_too_small: bool = False
    """True if people are lost because the machine is too slow for an input in which they are found."""
    silent_s: float = 0.0
    """Time since the thread that draws and writes the pictures last went round; 0 where nothing is drawn."""
    delay_s: float = 0.0
    """Time that frames of a camera are kept back before they count as captured, so that bursts are shown steadily."""
    captured_hz: float = 0.0
    parsed_hz: float = 0.0
    shown_hz: float = 0.0
    shown_after: Percentiles = NOTHING_YET
    """From capture to shown."""
    parsed_after: Percentiles = NOTHING_YET
    """From capture to its parsing being there."""
    mask_age: Percentiles = NOTHING_YET
    """Between the capture of a shown frame and that of the frame whose masks are on it."""

    def without_sink(self) -> "Snapshot":
        """The same, of a stream that shows nothing: no frame is on its way."""
        return replace(self, drops=Drops(no_sink=self.captured - self.shown), waiting=0)

    def totals(self) -> Totals:
        """The same as far as the last message of a publisher tells it."""
        dropped = {name: count for name, count in asdict(self.drops).items() if count}
        ended = tuple(sink.name for sink in self.sinks_ended)
        return Totals(
            captured=self.captured,
            parsed=self.parsed,
            shown=self.shown,
            dropped=dropped,
            parsed_after=self.parsed_after,
            shown_after=self.shown_after,
            mask_age=self.mask_age,
            sinks_ended=ended,
        )


class Stats:
    """Counts; any thread may."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._times: dict[str, deque[float]] = {name: deque() for name in ("captured", "parsed", "shown")}
        self._shown_after: deque[float] = deque(maxlen=MAX_DELAYS)
        self._parsed_after: deque[float] = deque(maxlen=MAX_DELAYS)
        self._mask_age: deque[float] = deque(maxlen=MAX_DELAYS)
        self._lost_s: float | None = None
        self._offline_s = 0.0
        self._last_loss: Loss | None = None
        self._sinks_ended: list[SinkEnd] = []
        self._saves: deque[Save] = deque(maxlen=MAX_SAVES)
        self._people_too_small = False
        self._size: Size | None = None
        self._too_slow_s: float | None = None
        self._told_behind = 0
        self._left_out = LeftOut()
        self._came: str | None = None
        self._round_s: float | None = None
        self._delay_s = 0.0
        self._lacks = NOTHING_LACKS

    def captured(self, now_s: float, delay_s: float = 0.0) -> None:
        """Counts a frame; `delay_s` is the time for which frames are kept back now."""
        with self._lock:
            self._tick("captured", now_s)
            self._left_out.count(now_s, self._counts["captured"], self._counts["behind"])
            self._delay_s = delay_s

    def opened(self, came: str) -> None:
        """The source is there for the first time; see `Snapshot.came`."""
        with self._lock:
            self._came = came

    def over(self, lacks: Lacks) -> None:
        """A file that is played is over; what is wrong with it."""
        with self._lock:
            self._lacks = lacks

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

    def round(self, now_s: float) -> None:
        """The thread that draws and writes the pictures goes round; told several times a second."""
        with self._lock:
            self._round_s = now_s

    def dropped(self, cause: str, total: int) -> None:
        """Sets the number of frames dropped for a cause, a field of `Drops`."""
        with self._lock:
            self._counts[cause] = total

    def repeated(self) -> None:
        """A parsing was not made but remembered."""
        with self._lock:
            self._counts["repeated"] += 1

    def sound_damaged(self, total: int) -> None:
        """The recording has left out so many packets of sound."""
        with self._lock:
            self._counts["damaged_sound"] = total

    def fallen_behind(self) -> int:
        """Frames dropped because this machine was too slow, since the last time that this was asked."""
        with self._lock:
            told, self._told_behind = self._told_behind, self._counts["behind"]
            return self._told_behind - told

    def governed(self, size: Size, too_slow_s: float | None, *, people_too_small: bool) -> None:
        """See the fields of `Snapshot`."""
        with self._lock:
            self._size, self._too_slow_s, self._people_too_small = size, too_slow_s, people_too_small

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

    def saved(self, save: Save) -> None:
        """A key that saves a file was pressed."""
        with self._lock:
            self._saves.append(save)
            self._counts["saves"] += 1

    def snapshot(self, now_s: float) -> Snapshot:
        """The state at this moment, in monotonic seconds."""
        with self._lock:
            counts = self._counts
            drops = Drops(counts["behind"], counts["at_end"], counts["no_sink"])
            offline_since_s = None if self._lost_s is None else now_s - self._lost_s
            return Snapshot(
                captured=counts["captured"],
                parsed=counts["parsed"],
                repeated=counts["repeated"],
                damaged_sound=counts["damaged_sound"],
                lacks=self._lacks,
                shown=counts["shown"],
                waiting=counts["captured"] - counts["shown"] - drops.total,
                drops=drops,
                worker_restarts=counts["worker_restarts"],
                reconnects=counts["reconnects"],
                offline_s=self._offline_s + (offline_since_s or 0.0),
                offline_since_s=offline_since_s,
                last_loss=self._last_loss,
                came=self._came,
                sinks_ended=tuple(self._sinks_ended),
                saves=tuple(self._saves),
                saves_total=counts["saves"],
                size=self._size,
                too_slow_s=self._too_slow_s,
                left_out=self._left_out.share,
                people_too_small=self._people_too_small,
                silent_s=0.0 if self._round_s is None else now_s - self._round_s,
                delay_s=self._delay_s,
                captured_hz=self._rate("captured", now_s),
                parsed_hz=self._rate("parsed", now_s),
                shown_hz=self._rate("shown", now_s),
                shown_after=_percentiles(self._shown_after),
                parsed_after=_percentiles(self._parsed_after),
                mask_age=_percentiles(self._mask_age),
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


def _percentiles(seconds: "deque[float]") -> Percentiles:
    return Percentiles(*(float(each) for each in np.percentile(seconds, (50, 95, 99)))) if seconds else NOTHING_YET
