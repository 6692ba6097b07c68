"""What a person at a terminal sees: progress, results, complaints; and what Ctrl-C does."""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Item = TypeVar("Item")

LINES_MOST = 4
"""So many lines of a complaint are shown after its first."""

_console = Console(stderr=True, soft_wrap=True)


def complain(what: object) -> None:
    """One line on standard error. Of a long list the beginning: STREAMER_DEBUG=1 shows all."""
    first, *others = str(what).splitlines() or [""]
    lines = [first, *others[:LINES_MOST]]
    if len(others) > LINES_MOST:
        lines.append(f"... and {len(others) - LINES_MOST} more, which STREAMER_DEBUG=1 shows")
    _console.print(Text.assemble(("error: ", "bold red"), " ".join(" ".join(lines).split())))


def say(text: str) -> None:
    """One line of result on standard output."""
    print(text)


def terminal() -> Console:
    """Standard error, which may be none."""
    return _console


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {self._unit}/s")


@contextmanager
def progress(title: str, unit: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on standard error, gone when it ends; yields what to call with how many are done, and of how many."""
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
    """The same items, with a bar that counts them."""
    with progress(title, unit) as show:
        for done, item in enumerate(items):
            show(done, total)
            yield item


@contextmanager
def status() -> Iterator[Callable[[str], None]]:
    """A line on standard error that is written over, gone when it ends; nothing where no terminal is."""
    if not _console.is_terminal:
        yield lambda text: None
        return
    with _console.status("starting") as line:
        yield lambda text: line.update(Text(text))


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Yields a question: has somebody asked to stop? The first Ctrl-C or SIGTERM asks; the second leaves at once."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = {each: signal.signal(each, ask) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
