"""The terminal: progress, results and errors; and the handling of Ctrl-C."""

import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from pipeline.faces.names import WORTH
from streamer.log import is_json, write_json

Item = TypeVar("Item")

MAX_LINES = 4
"""The maximum number of lines of an error after its first one."""

_console = Console(stderr=True, soft_wrap=True)


def complain(what: object) -> None:
    """Prints an error as one line on standard error; of a long list the beginning, all with STREAMER_DEBUG=1."""
    first, *others = str(what).splitlines() or [""]
    lines = [first, *others[:MAX_LINES]]
    if len(others) > MAX_LINES:
        lines.append(f"... and {len(others) - MAX_LINES} more, which STREAMER_DEBUG=1 shows")
    text = " ".join(" ".join(lines).split())
    if is_json():
        write_json("error", text)
    else:
        _console.print(Text.assemble(("error: ", "bold red"), text))


def say(text: str) -> None:
    """Prints a line of a result on standard output, at once: who reads lines there waits for each."""
    print(text, flush=True)


def tell(event: str, text: str, details: Mapping[str, object]) -> None:
    """Tells on standard error what happened: a line for people, or one for programs with the details."""
    if is_json():
        write_json(event, text, details)
    else:
        _console.print(Text(text))


def tell_worth(asked: bool) -> None:
    """Tells what estimates of age and gender are worth, if somebody asked for them."""
    if asked:
        tell("estimates", WORTH, {})


def terminal() -> Console:
    """The console on standard error, which need not be a terminal."""
    return _console


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {self._unit}/s")


@contextmanager
def progress(title: str, unit: str) -> Iterator[Callable[[float, int | None], None]]:
    """A progress bar on standard error, removed at the end; yields a function of the count done and the total."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(unit),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=_console, transient=True, disable=not _console.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def watched(items: Iterable[Item], title: str, unit: str, total: int | None = None) -> Iterator[Item]:
    """The same items, counted by a progress bar."""
    with progress(title, unit) as show:
        for done, item in enumerate(items):
            show(done, total)
            yield item


@contextmanager
def status() -> Iterator[Callable[[str], None]]:
    """A line on standard error that is overwritten, and removed at the end; nothing without a terminal."""
    if not _console.is_terminal:
        yield lambda text: None
        return
    with _console.status("starting") as line:
        yield lambda text: line.update(Text(text))


def _asking_signals() -> list[signal.Signals]:
    # A terminal that is closed sends SIGHUP, where there is one; nohup has it ignored, and means that.
    hangup: signal.Signals | None = getattr(signal, "SIGHUP", None)
    heeded = hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([hangup] if hangup is not None and heeded else [])]


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Yields a function that tells whether to stop: the first Ctrl-C, SIGTERM or SIGHUP asks to, the second leaves at
    once."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = {each: signal.signal(each, ask) for each in _asking_signals()}
    try:
        yield lambda: asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
