"""The inside of an actor: a module that serves a parent, as a child process of ours would run it.

It imports little, so that the variables that libraries read when they are loaded are set before.
"""

import os
import platform
import queue
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from streamer.processes.framing import ChannelClosed
from streamer.processes.instructions import instructions
from streamer.version import __version__

_LOOK_UP_S = 0.5


@dataclass(frozen=True, slots=True)
class Hello:
    """Who answers."""

    pid: int
    node: str
    """The name of its machine."""
    version: str
    instructions: tuple[str, ...]
    sees: bool
    """Whether the folder that was asked for is there."""


class Over(Exception):
    """Raised when what it serves has ended."""


class Hosted:
    """A parent to the module that it runs, and to the driver somebody to ask."""

    def __init__(self, module: str, first: bytes, environment: Mapping[str, str]) -> None:
        """
        Args:
            module: has `serve(parent)`, which runs in a thread of its own.
            first: the first message to it.
            environment: variables to set before it is loaded.
        """
        os.environ.update(environment)  # before `module` loads them
        # The driver sends one message and waits for what comes of it; a module that cannot be loaded takes not even the
        # first.
        self._given: queue.Queue[bytes] = queue.Queue(2)
        self._given.put(first)
        self._answers: queue.Queue[bytes | None] = queue.Queue(2)
        self._owner = threading.current_thread()
        threading.Thread(target=self._serve, args=(module,), name="serve").start()

    def hello(self, folder: str | None, known_by: str | None) -> Hello:
        """Who this is.

        Args:
            folder: to work in.
            known_by: a file in it, if it is the one that is meant.
        """
        sees = folder is None or known_by is None or _enter(Path(folder), Path(known_by))
        return Hello(os.getpid(), platform.node(), __version__, instructions(), sees)

    def node_id(self) -> str:
        """The id of its machine in the cluster."""
        return str(import_module("ray").get_runtime_context().get_node_id())

    def ask(self, message: bytes) -> bytes:
        """What the module answers to a message. Raises Over."""
        self._given.put(message)
        answer = self._answers.get()
        if answer is None:
            raise Over("what the process ran has ended")
        return answer

    # As `streamer.processes.parent.Parent` for the module:

    def receive(self) -> bytes | memoryview:
        """Waits for the next message. Raises ChannelClosed when the actor ends, whose process waits for its threads."""
        while self._owner.is_alive():
            try:
                return self._given.get(timeout=_LOOK_UP_S)
            except queue.Empty:
                continue
        raise ChannelClosed

    def send(self, body: bytes) -> None:
        self._answers.put(bytes(body))

    def _serve(self, module: str) -> None:
        try:
            with suppress(ChannelClosed):  # the actor ends, in the middle of serving or before it began
                import_module(module).serve(self)
        finally:
            self._answers.put(None)


def _enter(folder: Path, known_by: Path) -> bool:
    if not folder.is_dir() or not (folder / known_by).exists():
        return False
    os.chdir(folder)
    return True
