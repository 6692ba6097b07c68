"""The contract of a live stream's sinks, and the sets of them.

Two threads have sinks: what is drawn goes to those of the render thread, what is parsed to those of the parse thread.
A sink that fails is dropped and the stream goes on, unless it was the last one of both.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from pipeline import Parsing
from pipeline.types import Picture
from pipeline.yuv import Yuv420
from streamer.errors import SinkError

Item = TypeVar("Item")
Taken = TypeVar("Taken", contravariant=True)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A frame as it is shown now."""

    picture: Picture | Yuv420
    """Nobody may draw on it: all sinks are given the same one."""
    index: int
    """Index of the frame."""
    pts_s: float
    parsing: Parsing | None
    """The parsing drawn on it; None where there is none, or none that is young enough."""


class Sink(Protocol[Taken]):
    """Takes one `Drawn` or `Parsing` after the other. Made, used and closed by one thread; waits for nobody."""

    def write(self, item: Taken) -> None:
        """Takes the next one. Raises SinkError when the sink cannot go on."""

    def tick(self) -> bool:
        """Called every 0.2 s or more often, whether anything comes or not.

        Returns:
            False once its user has closed it.

        Raises:
            SinkError: the sink cannot go on.
        """

    def close(self, ending: str) -> None:
        """Completes what was written; called once.

        Args:
            ending: `ended`, `stopped` or `failed`: how the stream, or this sink, came to its end.

        Raises:
            SinkError: it cannot be completed; all that it held is let go all the same.
        """


class Remaining:
    """The names of the sinks that a stream still has, in all its threads."""

    def __init__(
        self,
        names: set[str],
        *,
        on_end: Callable[[str, str], None],
        keep: Callable[[SinkError], None],
        on_last_closed: Callable[[], None],
    ) -> None:
        """
        Args:
            on_end: told the name and the reason of each sink that the stream goes on without.
            keep: told of each failure that did not end the stream; it is to be raised when that ends.
            on_last_closed: called when the user closed the last one.
        """
        self._lock = threading.Lock()
        self._names = set(names)
        self._on_end, self._keep, self._on_last_closed = on_end, keep, on_last_closed

    def failed(self, name: str, error: SinkError) -> None:
        """A sink cannot go on. Raises its error if it was the last one."""
        if not self._removed(name):
            raise error
        self._on_end(name, str(error))
        self._keep(error)

    def failed_partly(self, name: str, error: SinkError) -> None:
        """A sink goes on without a part of what it does."""
        self._on_end(name, str(error))
        self._keep(error)

    def closed(self, name: str) -> None:
        """The user has closed a sink."""
        if self._removed(name):
            self._on_end(name, "it was closed")
        else:
            self._on_last_closed()

    def _removed(self, name: str) -> bool:
        """Removes a sink; True if any is left."""
        with self._lock:
            self._names.discard(name)
            return bool(self._names)


class SinkSet(Generic[Item]):
    """The sinks of one thread. `with` closes those that are left."""

    def __init__(self, remaining: Remaining) -> None:
        self._remaining = remaining
        self._sinks: dict[str, Sink[Item]] = {}

    def add(self, name: str, sink: Sink[Item]) -> None:
        """Adds a sink under a name of its own."""
        self._sinks[name] = sink

    def __len__(self) -> int:
        return len(self._sinks)

    def write(self, item: Item) -> None:
        """Writes to each sink. Raises SinkError when the last one of the stream fails."""
        for name, sink in tuple(self._sinks.items()):
            try:
                sink.write(item)
            except SinkError as exc:
                self._fail(name, exc)

    def tick(self) -> None:
        """Ticks each sink. Raises as `write`."""
        for name, sink in tuple(self._sinks.items()):
            try:
                wanted = sink.tick()
            except SinkError as exc:
                self._fail(name, exc)
                continue
            if not wanted:
                self._remaining.closed(name)
                self._drop(name, "stopped")

    def close(self, ending: str) -> None:
        """Closes all that are left, then raises the first SinkError, if any."""
        errors = []
        while self._sinks:
            _, sink = self._sinks.popitem()
            try:
                sink.close(ending)
            except SinkError as exc:
                errors.append(exc)
        if errors:
            raise errors[0]

    def _fail(self, name: str, error: SinkError) -> None:
        try:
            self._remaining.failed(name, error)
        finally:  # with its last word a publisher says what ended, itself too
            self._drop(name, "failed")

    def _drop(self, name: str, ending: str) -> None:
        with suppress(SinkError):  # why it is dropped is what there is to tell
            self._sinks.pop(name).close(ending)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if kind is None:
            self.close("ended")
            return
        with suppress(SinkError):  # else that is what there is to tell
            self.close("failed")
