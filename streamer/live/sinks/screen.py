"""The window's process: an OpenCV window that shows what it is sent, and sends back which keys were pressed.

Qt, which draws OpenCV's windows, ends its process when a display refuses it or goes away.
"""

import os
import pickle
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Self, cast

import cv2
import numpy as np

from pipeline import Size
from pipeline.types import Picture
from streamer.errors import SinkError
from streamer.processes.framing import ChannelClosed
from streamer.processes.parent import Parent
from streamer.processes.room import Room

CLOSED = "closed"
"""Comes as a key when the window was closed by its own button."""


@dataclass(frozen=True, slots=True)
class Begin:
    """The first message."""

    title: str
    room: int | None
    """The descriptor of the memory that pictures come in; None if they come with the requests."""


@dataclass(frozen=True, slots=True)
class Show:
    """A request to the window. Answered with `Pressed`."""

    size: Size | None
    """(height, width) of the picture, whose pixels are in the shared memory, or follow the pickle where there is none;
    None leaves the last one."""
    fit: bool
    """True if the window takes the size of this picture."""
    full_screen: bool


@dataclass(frozen=True, slots=True)
class Pressed:
    """The keys that were pressed since the last answer, and `CLOSED` if the window is gone. The first answer comes
    unasked, when the window is there."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no window, or none any more. The last answer."""

    why: str


def serve(parent: Parent) -> None:
    """Shows until the parent wants no more. See `streamer.processes.parent`; the first message is a `Begin`."""
    with suppress(ChannelClosed):
        begin = cast(Begin, pickle.loads(parent.receive()))
        room = None if begin.room is None else Room(begin.room)
        try:
            with Screen(begin.title) as screen:
                while True:
                    _send(parent, Pressed(tuple(screen.pressed())))
                    screen.show(*unpacked(parent.receive(), room))
        except SinkError as exc:
            _send(parent, Failed(str(exc)))
        except OSError as exc:
            _send(parent, Failed(f"there is no memory for the window's picture: {exc}"))


def packed(wanted: Show, bgr: Picture | None, room: Room | None) -> tuple[bytes, memoryview]:
    """The two parts of a message; the second has no bytes where the pixels were put into the shared memory.

    Raises OSError where that cannot grow.
    """
    head = pickle.dumps(wanted, pickle.HIGHEST_PROTOCOL)
    if bgr is None:
        return head, memoryview(b"")
    if room is None:
        return head, np.ascontiguousarray(bgr).data.cast("B")
    np.copyto(np.frombuffer(room.first(bgr.size), np.uint8).reshape(bgr.shape), bgr)
    return head, memoryview(b"")


def unpacked(body: bytes | memoryview, room: Room | None) -> tuple[Show, Picture | None]:
    """The request and its picture, a view of the message or of the shared memory. Raises OSError."""
    wanted = cast(Show, pickle.loads(body))  # it ends by itself
    if wanted.size is None:
        return wanted, None
    count = 3 * wanted.size.area
    pixels = np.frombuffer(body if room is None else room.first(count), np.uint8)[-count:]
    return wanted, pixels.reshape(*wanted.size, 3)


def _send(parent: Parent, answer: Pressed | Failed) -> None:
    parent.send(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))


class Screen:
    """One window. Made, used and closed by one thread."""

    def __init__(self, title: str) -> None:
        _check_display()
        self._title = title
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error as exc:
            raise SinkError(
                "this OpenCV has no windows (opencv-python-headless?); record to a file or publish instead"
            ) from exc
        self._shown = self._full_screen = False

    def show(self, wanted: Show, bgr: Picture | None) -> None:
        """Takes effect when `pressed` is next asked. Raises SinkError.

        Args:
            bgr: uint8 (H, W, 3), or None.
        """
        try:
            if bgr is not None:
                if wanted.fit:
                    cv2.resizeWindow(self._title, bgr.shape[1], bgr.shape[0])
                cv2.imshow(self._title, bgr)
                self._shown = True
            if wanted.full_screen != self._full_screen:
                kind = cv2.WINDOW_FULLSCREEN if wanted.full_screen else cv2.WINDOW_NORMAL
                cv2.setWindowProperty(self._title, cv2.WND_PROP_FULLSCREEN, kind)
                self._full_screen = wanted.full_screen
        except cv2.error as exc:
            if self._is_there():  # else `pressed` tells that it was closed
                raise SinkError(f"the window cannot show any more: {exc.err}") from exc

    def pressed(self) -> Iterator[str]:
        """The keys pressed since the last call, and `CLOSED` once the window is gone."""
        while (key := cv2.pollKey()) >= 0:
            yield chr(key & 0xFF)
        if self._shown and not self._is_there():
            yield CLOSED

    def _is_there(self) -> bool:
        try:
            return bool(cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1)
        except cv2.error:  # Qt knows no window of that name any more
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Safe to call twice."""
        with suppress(cv2.error):  # it was closed
            cv2.destroyWindow(self._title)
        cv2.pollKey()


def _check_display() -> None:
    """Without a display OpenCV's window system ends the whole process: it is asked about before."""
    if sys.platform != "linux" or os.environ.get("WAYLAND_DISPLAY"):
        return
    display = os.environ.get("DISPLAY", "")
    host, _, number = display.partition(":")
    if not number:
        raise SinkError("there is no display to open a window on; record to a file or publish instead")
    if host and host != "unix":
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as screen:
        if not any(screen.connect_ex(f"{zero}/tmp/.X11-unix/X{number.split('.')[0]}") == 0 for zero in ("", "\0")):
            raise SinkError(f"no display answers at {display}; record to a file or publish instead")
