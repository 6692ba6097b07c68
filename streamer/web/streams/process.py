"""The process of a stream, as the service sees it: questions and answers, one at a time, and its last words."""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from streamer.errors import ShutdownTimeout
from streamer.processes.child import Child, exit_text
from streamer.processes.framing import Body, ChannelClosed
from streamer.sources.uri import without_password
from streamer.web.streams.messages import packed, unpacked

_WAIT_S = 0.1
_MODULE = "streamer.web.streams.host"
_LAST_LINES = 40
_STANDARD_ERROR = 2


class Ends(Protocol):
    """What is used of `streamer.processes.child.Child`."""

    @property
    def pid(self) -> int: ...
    def send(self, body: Body, go_on: Callable[[], bool]) -> bool: ...
    def receive(self, go_on: Callable[[], bool], wait_s: float | None = None) -> memoryview | None: ...
    def close(self) -> int: ...


Start = Callable[[str, bytes, Callable[[bytes], None]], Ends]
"""Starts a process, given its name, its first message and who hears what it says. Raises OSError."""


def started(name: str, first: bytes, hear: Callable[[bytes], None]) -> Ends:
    """A real one. Raises OSError."""
    return Child(name, _MODULE, first, wait_s=_WAIT_S, leave_s=2.0, hear=hear)


class Lost(Exception):
    """The process is gone, or does not answer."""

    def __init__(self, hung: str = "") -> None:
        """
        Args:
            hung: what it was waited for in vain; nothing where it is gone.
        """
        super().__init__(hung or "its process died")
        self.hung = hung


class Stopped(Exception):
    """Nobody wants an answer any more."""


class Process:
    """One process, from its start to its end."""

    def __init__(self, name: str, first: bytes, start: Start = started) -> None:
        """Starts it, and does not wait for it. Raises OSError."""
        self._words: deque[str] = deque(maxlen=_LAST_LINES)
        self._stop = threading.Event()
        self._turn = asyncio.Lock()
        self._child = start(name, first, self._hear)
        self.shown = False
        """Whether it has shown a picture."""

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def last_words(self) -> str:
        """The end of what it wrote to standard error, without passwords."""
        return "\n".join(self._words.copy())

    async def first_words(self, timeout_s: float) -> dict[str, Any]:
        """What it says when it runs, or cannot. Raises Lost and Stopped."""
        async with self._turn:
            return (await self._received(timeout_s))[0]

    async def ask(self, asked: dict[str, Any], timeout_s: float) -> tuple[dict[str, Any], bytes]:
        """Its answer, also after somebody who was cancelled before his came. Raises Lost and Stopped."""
        asking = asyncio.ensure_future(self._asked(packed(asked), timeout_s))
        # Who was cancelled hears of no failure, and asyncio would write an error to the log.
        asking.add_done_callback(lambda done: done.cancelled() or done.exception())
        head, body = await asyncio.shield(asking)
        self.shown = self.shown or bool((head.get("stats") or {}).get("shown"))
        return head, body

    def stop(self) -> None:
        """Ends all waiting."""
        self._stop.set()

    async def close(self) -> str:
        """Ends it, whatever it does; how it ended. Safe to call twice."""
        self.stop()
        async with self._turn:
            with suppress(ShutdownTimeout):
                code = await asyncio.get_running_loop().run_in_executor(None, self._child.close)
                return f"its process ended with {exit_text(code)}"
        return "its process cannot be ended"

    async def _asked(self, message: bytes, timeout_s: float) -> tuple[dict[str, Any], bytes]:
        async with self._turn:
            send: Callable[[], bool] = lambda: self._child.send(message, lambda: not self._stop.is_set())  # noqa: E731
            try:
                await asyncio.get_running_loop().run_in_executor(None, send)
            except ChannelClosed:
                raise Lost from None
            return await self._received(timeout_s)

    async def _received(self, timeout_s: float) -> tuple[dict[str, Any], bytes]:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + timeout_s
        go_on: Callable[[], bool] = lambda: not self._stop.is_set() and loop.time() < until_s  # noqa: E731
        try:
            message = await loop.run_in_executor(None, self._child.receive, go_on)
        except ChannelClosed:
            raise Lost from None
        if message is None:
            raise Stopped if self._stop.is_set() else Lost(f"its process did not answer for {timeout_s:g} s")
        return unpacked(message)

    def _hear(self, line: bytes) -> None:
        """In a thread of its own, for each line."""
        words = without_password(line.decode(errors="replace").rstrip())
        self._words.append(words)
        with suppress(OSError):
            os.write(_STANDARD_ERROR, f"{words}\n".encode())
