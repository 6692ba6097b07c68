"""A window on the screen, in a process of its own: a display that refuses it, or goes away, ends the window alone."""

import os
import pickle
import time
from collections.abc import Callable, Iterator
from typing import Self, cast

from pipeline import Size
from pipeline.types import Picture
from streamer.errors import SinkError
from streamer.live.sinks.screen import CLOSED, Begin, Failed, Pressed, Show, packed
from streamer.processes.child import Child, exit_text
from streamer.processes.framing import ChannelClosed
from streamer.processes.room import Room

__all__ = ["CLOSED", "ESCAPE", "QUIT", "Window"]

QUIT = "q"
ESCAPE = "\x1b"
LOOK_S = 0.001
"""Maximum wait for an answer: the thread that shows pictures has other sinks to serve."""
PUMP_S = 0.05
"""Interval at which the window is asked for keys, and redraws itself, while no picture comes."""
OPENS_WITHIN_S = 30.0
ANSWERS_WITHIN_S = 5.0
_BY_QT = frozenset({0, 1, -6})
"""Exit codes of a process that Xlib or Qt ends, by `exit` or `abort`."""
_MODULE = "streamer.live.sinks.screen"


class Window:
    """Shows pictures and tells which keys were pressed. For one thread, which it never keeps waiting: while the window
    is busy with a picture, the newest of those that come meanwhile is kept and the others are left out."""

    def __init__(self, title: str) -> None:
        """Begins to open it, and does not wait for it. Raises SinkError."""
        self._room = Room.new()
        file = None if self._room is None else self._room.file
        files = () if file is None else (file,)
        first = pickle.dumps(Begin(title, file))
        try:
            self._child = Child("the window's process", _MODULE, first, wait_s=LOOK_S, quiet=True, files=files)
        except OSError as exc:
            self._leave_room()
            raise SinkError(f"the window's process cannot be started: {exc}") from exc
        self._there = self._closed = self._stuck = False
        self._asked_s: float | None = time.monotonic()
        self._sent_s = float("-inf")
        self._next: Callable[[], Picture] | None = None
        self._fit, self.full_screen = True, False
        self._keys: list[str] = []

    def show(self, make: Callable[[], Picture]) -> None:
        """Shows a picture as soon as the window can. Raises SinkError.

        Args:
            make: gives the picture, uint8 (H, W, 3); not called for those that are left out.
        """
        self._next = make
        self._exchange()

    def refit(self) -> None:
        """The next picture gives the window its size once more."""
        self._fit = True

    def pressed(self) -> Iterator[str]:
        """The keys pressed since the last call, and `CLOSED` once the window is gone. Raises SinkError."""
        self._exchange()
        keys, self._keys = self._keys, []
        yield from keys

    def close(self) -> None:
        """Safe to call twice."""
        self._closed = True
        self._leave_room()
        self._child.close(at_once=self._stuck)  # what does not answer is not waited for once more

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _leave_room(self) -> None:
        if self._room is not None:
            self._room.close()

    def _exchange(self) -> None:
        """Takes the answer if it is there, and sends what is new if the window waits for it."""
        if self._closed:
            return
        try:
            now_s = time.monotonic()
            if self._answered(now_s) and (self._next is not None or now_s - self._sent_s >= PUMP_S):
                self._send(now_s)
        except ChannelClosed as exc:
            raise SinkError(self._reason()) from exc

    def _answered(self, now_s: float) -> bool:
        """True if the window waits for something to show."""
        if self._asked_s is None:
            return True
        body = self._child.receive(lambda: False)
        if body is None:
            limit_s = ANSWERS_WITHIN_S if self._there else OPENS_WITHIN_S
            if now_s - self._asked_s > limit_s:
                self._stuck = True
                raise SinkError(f"the window did not answer within {limit_s:.0f} s")
            return False
        answer = cast(Pressed | Failed, pickle.loads(body))
        if isinstance(answer, Failed):
            raise SinkError(answer.why)
        self._keys += answer.keys
        self._there, self._asked_s = True, None
        return True

    def _send(self, now_s: float) -> None:
        bgr = None if self._next is None else self._next()
        size = None if bgr is None else Size(*bgr.shape[:2])
        try:
            head, pixels = packed(Show(size, self._fit, self.full_screen), bgr, self._room)
        except OSError as exc:
            raise SinkError(f"there is no memory for the window's picture: {exc}") from exc
        if not self._child.send(head, lambda: time.monotonic() - now_s < ANSWERS_WITHIN_S, pixels):
            self._stuck = True
            raise SinkError(f"the window took no picture within {ANSWERS_WITHIN_S:.0f} s")
        if self._next is not None:
            self._next, self._fit = None, False
        self._asked_s = self._sent_s = now_s

    def _reason(self) -> str:
        ended = self._child.close()
        code = exit_text(ended)
        if ended not in _BY_QT:
            return f"the window's process was ended ({code})"
        display = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY", "")
        if self._there:
            return f"the display {display} went away ({code})"
        return f"no display answers at {display}, or it refuses this user ({code}); record to a file or publish instead"
