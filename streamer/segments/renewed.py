"""A process that works for one thread, and is replaced where it has died."""

from collections.abc import Callable
from typing import Protocol

from streamer.errors import WorkerDied
from streamer.processes.child import Child, exit_text
from streamer.processes.framing import ChannelClosed
from streamer.segments.messages import packed, unpacked

WAIT_S = 0.2
"""Interval at which it is asked whether to go on."""
END_S = 10.0
"""A machine with more work than cores takes seconds to end a process."""
# As for a stream's inference process: threads of these would take the cores that the network wants.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}


class Worker(Protocol):
    """A process that works for one thread, here or elsewhere."""

    @property
    def where(self) -> str:
        """Names it to a user, once it is started."""

    def started(self, go_on: Callable[[], bool]) -> int | None:
        """Starts it where it is not; its process id, or None if `go_on` said no before it was. Raises WorkerDied."""

    def ask(self, message: object, go_on: Callable[[], bool]) -> object:
        """The answer to a message; None if `go_on` said no before it came. Raises ChannelClosed."""

    def close(self) -> int:
        """Ends it; its exit code, 0 where there is none. Raises ShutdownTimeout."""


Start = Callable[[str, str, object], Worker]
"""Names a process, which is started when it is needed: as `Renewed`."""


def end_text(closed: ChannelClosed, code: int) -> str:
    """How a process ended: what was said of it, or its exit code."""
    return str(closed) or f"ended with {exit_text(code)}"


class Renewed:
    """Started when it is needed, and again after it has died. For one thread."""

    def __init__(self, name: str, module: str, first: object) -> None:
        """Starts nothing yet.

        Args:
            name: for error messages.
            module: of what runs in it, see `streamer.processes.child.Child`.
            first: the first message to each process.
        """
        self._name, self._module, self._first = name, module, first
        self._child: Child | None = None

    @property
    def where(self) -> str:
        return f"process {self._child.pid}" if self._child is not None else self._name

    def started(self, go_on: Callable[[], bool]) -> int | None:
        if self._child is None:
            first = packed(self._first)
            try:
                self._child = Child(self._name, self._module, first, wait_s=WAIT_S, environment=ONE_THREAD)
            except OSError as exc:
                raise WorkerDied(f"{self._name} cannot be started: {exc}") from exc
        return self._child.pid

    def ask(self, message: object, go_on: Callable[[], bool]) -> object:
        assert self._child is not None
        body = self._child.receive(go_on) if self._child.send(packed(message), go_on) else None
        return None if body is None else unpacked(body)

    def close(self) -> int:
        child, self._child = self._child, None
        return 0 if child is None else child.close(each_s=END_S)
