"""What `run` says while a stream runs: what it will do, a line of figures, and a line for each thing that happens."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from rich.text import Text

from streamer.cli.console import terminal
from streamer.live.config import StreamConfig
from streamer.live.sinks.snapshots import Save, Saved
from streamer.live.stats import SinkEnd, Snapshot
from streamer.masks.headers import Percentiles
from streamer.sources.uri import without_password

PLAIN_EVERY_S = 10.0
"""Without a terminal there is a line of figures so often."""
SPINNER_COLUMNS = 3
"""Taken by what turns before the line, and the terminal's last column."""


def plan_of(config: StreamConfig) -> str:
    """What a stream will do: the first line that is told of it."""
    goes = ["a window (h shows its keys)"] if config.window.show else []
    record, address = config.record, config.publish.address
    if record.file is not None:
        files = "files named after" if record.segment_s else "the file"
        goes.append(f"{files} {record.file}")
    if config.masks.sidecar is not None:
        goes.append(f"the masks {config.masks.sidecar}")
    if address is not None:
        goes.append(f"subscribers at {address}")
    if record.clip_seconds and record.file is None:
        goes.append("memory, for clips")
    without = "" if config.window.show else ", without a window"
    return f"{without_password(config.source.uri)}, parsed by {config.parser.name}, goes to {_listed(goes)}{without}"


def line_of(at: Snapshot, columns: int | None = None) -> str:
    """The figures in one line, the most telling first; as many as fit into so many columns."""
    parts = _figures(at)
    text = parts[0]
    for part in parts[1:]:
        if columns is not None and len(text) + len(part) + 2 > columns:
            break
        text += f", {part}"
    return text if columns is None else text[:columns]


def summary_of(at: Snapshot) -> list[str]:
    """How a stream went, in lines: its counts, rates, delays and troubles."""
    drops = at.drops
    recalled = f" ({at.repeated} of them recalled)" if at.repeated else ""
    return [
        f"{at.captured} captured, {at.shown} shown, {drops.behind} dropped, {drops.at_end} dropped at the end,"
        f" {at.parsed} parsed{recalled}",
        line_of(replace(at, offline_since_s=None)),
        f"mask age {_ms(at.mask_age)}, shown after {_ms(at.shown_after)}, parsed after {_ms(at.parsed_after)}",
        *troubles_of(at),
    ]


def troubles_of(at: Snapshot) -> list[str]:
    """What is not as it should be, or was not, and what the last key wrote."""
    found = [] if at.offline_since_s is None else [f"OFFLINE for {at.offline_since_s:.0f} s: {at.last_loss}"]
    if at.reconnects:
        last = "" if at.offline_since_s is not None else f", the last time: {at.last_loss}"
        found.append(f"reconnected {_times(at.reconnects)}, offline {at.offline_s:.1f} s in all{last}")
    if at.worker_restarts:
        found.append(_replaced(at.worker_restarts))
    if at.too_slow_s is not None:
        found.append(_too_slow(at, at.too_slow_s))
    if at.people_too_small:
        found.append(TOO_SMALL)
    return [*found, *map(_ended, at.sinks_ended), *map(_saved, at.saves[-1:])]


def news_of(before: Snapshot, at: Snapshot) -> list[str]:
    """What happened from one moment to another; each is worth a line of its own."""
    news = []
    if at.offline_since_s is not None and (before.offline_since_s is None or at.last_loss != before.last_loss):
        news.append(f"OFFLINE: {at.last_loss}")
    if at.offline_since_s is None and before.offline_since_s is not None:
        news.append(f"the source is back; offline {at.offline_s:.1f} s in all")
    if at.worker_restarts > before.worker_restarts:
        news.append(_replaced(at.worker_restarts))
    if at.too_slow_s is not None and before.too_slow_s is None:
        news.append(_too_slow(at, at.too_slow_s))
    if at.people_too_small and not before.people_too_small:
        news.append(TOO_SMALL)
    news += map(_ended, at.sinks_ended[len(before.sinks_ended) :])
    new_saves = at.saves_total - before.saves_total
    return [*news, *map(_saved, at.saves[max(0, len(at.saves) - new_saves) :])]


TOO_SMALL = "people are too small for this machine: they were found in a larger input than it has time for"


class Reporter:
    """What to say next. Pure: it is told the time."""

    def __init__(self, *, on_terminal: bool) -> None:
        self._on_terminal = on_terminal
        self._before = Snapshot()
        self._due_s: float | None = None

    def lines(self, at: Snapshot, now_s: float) -> list[str]:
        """Lines that stay, of what happened since the last call; without a terminal the figures, too, when due."""
        lines = news_of(self._before, at)
        self._before = at
        if self._on_terminal:
            return lines
        if self._due_s is None:
            self._due_s = now_s + PLAIN_EVERY_S
        if now_s >= self._due_s:
            self._due_s = now_s + PLAIN_EVERY_S
            lines.append(line_of(at))
        return lines


@contextmanager
def reporting() -> Iterator[Callable[[Snapshot], None]]:
    """Yields what to call every half second or so. What is said stands on standard error."""
    console = terminal()
    reporter = Reporter(on_terminal=console.is_terminal)

    def tell(at: Snapshot) -> None:
        for line in reporter.lines(at, time.monotonic()):
            console.print(Text(line))

    if not console.is_terminal:
        yield tell
        return
    with console.status("starting") as status:

        def show(at: Snapshot) -> None:
            tell(at)
            status.update(Text(line_of(at, console.width - SPINNER_COLUMNS)))

        yield show


def _figures(at: Snapshot) -> list[str]:
    offline = [] if at.offline_since_s is None else [f"OFFLINE {at.offline_since_s:.0f} s"]
    return [
        *offline,
        f"captured {at.captured_hz:.1f}/s",
        f"shown {at.shown_hz:.1f}/s",
        f"dropped {at.drops.behind}",
        f"parsed {at.parsed_hz:.1f}/s",
        f"masks {at.mask_age.p50_s * 1e3:.0f} ms old",
        *([] if at.size is None else [f"input {at.size}"]),
    ]


def _listed(names: list[str]) -> str:
    if len(names) < 2:
        return names[0] if names else "nobody"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _too_slow(at: Snapshot, age_s: float) -> str:
    size = "" if at.size is None else f" at {at.size}"
    return f"masks get {age_s * 1e3:.0f} ms old{size}, and nothing smaller may be parsed"


def _replaced(restarts: int) -> str:
    return f"the inference process was replaced {_times(restarts)}"


def _ended(sink: SinkEnd) -> str:
    return f"the {sink.name} ended: {sink.why}"


def _saved(save: Save) -> str:
    return f"wrote {save.path}" if isinstance(save, Saved) else save.why


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _ms(delay: Percentiles) -> str:
    return f"{delay.p50_s * 1e3:.0f} ms (p95 {delay.p95_s * 1e3:.0f}, p99 {delay.p99_s * 1e3:.0f})"
