"""What `run` says while a stream runs: what it will do, a line of figures, and a line for each thing that happens."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from streamer.cli.console import say, tell, terminal
from streamer.fleets.lives import Life
from streamer.live.config import StreamConfig
from streamer.live.news import News, news_of, troubles_of
from streamer.live.stats import Snapshot
from streamer.log import is_json
from streamer.masks.headers import Percentiles
from streamer.sources.uri import without_password

PLAIN_EVERY_S = 10.0
"""Without a terminal there is a line of figures so often."""
AGAIN_AFTER_S = 60.0
"""What a machine is too slow for comes and goes many times a minute: each of that is told once in so long."""
COMES_AND_GOES = frozenset({"too_slow", "too_small", "left_out"})
SPINNER_COLUMNS = 3
"""Taken by what turns before the line, and the terminal's last column."""


def plan_of(config: StreamConfig) -> str:
    """What a stream will do: the first line that is told of it."""
    goes = ["a window (h shows its keys)"] if config.window.show else []
    record, address = config.record, config.publish.address
    if config.window.virtual_camera is not None:
        goes.append(f"the camera {config.window.virtual_camera}")
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


class Reporter:
    """What to say next. Pure: it is told the time."""

    def __init__(self, *, on_terminal: bool) -> None:
        self._on_terminal = on_terminal
        self._before = Snapshot()
        self._due_s: float | None = None
        self._told_s: dict[str, float] = {}
        """When each of `COMES_AND_GOES` was told last."""

    def news(self, at: Snapshot, now_s: float) -> list[News]:
        """What happened since the last call; without a terminal the figures, too, when due."""
        news = [each for each in news_of(self._before, at) if self._tells(each.event, now_s)]
        self._before = at
        if self._on_terminal:
            return news
        if self._due_s is None:
            self._due_s = now_s + PLAIN_EVERY_S
        if now_s >= self._due_s:
            self._due_s = now_s + PLAIN_EVERY_S
            news.append(News("figures", line_of(at), figures_of(at)))
        return news

    def _tells(self, event: str, now_s: float) -> bool:
        if event in COMES_AND_GOES:
            if now_s - self._told_s.get(event, float("-inf")) < AGAIN_AFTER_S:
                return False
            self._told_s[event] = now_s
        return True


Show = Callable[[Mapping[str, Snapshot]], None]
"""Takes the counters of each stream, by its name."""
Nodes = Callable[[], Mapping[str, str]]
"""Gives the names of machines by those of streams."""


@contextmanager
def reporting(streams: Collection[str], *, named: bool = False, nodes: Nodes = dict) -> Iterator[Show]:
    """Yields what to call every half second or so. What is said stands on standard error.

    Args:
        streams: the names of the streams; each has a line of figures on a terminal.
        named: begin lines with the name.
        nodes: gives the machines of streams that run on others than this.
    """
    console = terminal()
    on_terminal = console.is_terminal and not is_json()
    reporters = {name: Reporter(on_terminal=on_terminal) for name in streams}

    def prefix_of(name: str) -> str:
        node = nodes().get(name)
        return "" if not named else f"{name}: " if node is None else f"{name} on {node}: "

    def say_news(at: Mapping[str, Snapshot]) -> None:
        now_s = time.monotonic()
        for name, reporter in reporters.items():
            for each in reporter.news(at[name], now_s):
                node = {"node": nodes()[name]} if name in nodes() else {}
                tell(each.event, prefix_of(name) + each.text, {"stream": name, **node, **each.details})

    if not on_terminal:
        yield say_news
        return
    spinner = Spinner("dots", "starting")
    with Live(spinner, console=console, transient=True, refresh_per_second=8) as live:

        def show(at: Mapping[str, Snapshot]) -> None:
            say_news(at)
            width = console.width - SPINNER_COLUMNS
            prefix = {name: prefix_of(name) for name in streams}
            before = max(map(len, prefix.values()))
            lines = [f"{prefix[name]:<{before}}{line_of(at[name], width - before)}" for name in streams]
            spinner.update(text=Text("\n".join(lines)))
            live.refresh()

        yield show


def figures_of(at: Snapshot) -> dict[str, object]:
    """All counters as JSON has them, but for what is told when it happens."""
    whole: dict[str, object] = msgspec.to_builtins(replace(at, saves=()))
    return {name: value for name, value in whole.items() if name not in ("saves", "sinks_ended")}


def sum_up(at: Snapshot, config: StreamConfig, prefix: str = "", lives: Sequence[Life] | None = None) -> None:
    """Tells at the end how a stream went and what it wrote.

    Args:
        prefix: before each line for people.
        lives: what it did on which machine, if it ran on others than this.
    """
    lines = summary_of(at)
    if is_json():
        tell("ended", lines[0], {"stream": config.stream, **figures_of(at)})
    else:
        for line in lines:
            say(prefix + line)
    for life in [Life("", at, config)] if lives is None else lives:
        on = f" on {life.node}" if life.node else ""
        for path, what in _written(life.at, life.config):
            if is_json():
                node = {"node": life.node} if life.node else {}
                tell("written", f"{path}{on}: {what}", {"stream": config.stream, "path": str(path), **node})
            else:
                say(f"{prefix}{path}{on}: {what}")


def _written(at: Snapshot, config: StreamConfig) -> Iterator[tuple[str | Path, str]]:
    if config.masks.sidecar:
        yield config.masks.sidecar, f"{at.parsed} parsings"
    if config.record.file:
        name = Path(config.record.file)
        path = name.with_stem(f"{name.stem}-*") if config.record.segment_s else name
        yield path, f"{at.shown} frames" if at.shown else "no picture came, so it was not written"


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
        *([f"played {at.delay_s:.1f} s late"] if at.delay_s else []),
    ]


def _listed(names: list[str]) -> str:
    if len(names) < 2:
        return names[0] if names else "nobody"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _ms(delay: Percentiles) -> str:
    return f"{delay.p50_s * 1e3:.0f} ms (p95 {delay.p95_s * 1e3:.0f}, p99 {delay.p99_s * 1e3:.0f})"
