"""A window on the screen, by OpenCV. Made, used and closed by one thread."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Self

import cv2

from pipeline.types import Picture
from streamer.errors import SinkError

QUIT = "q"
ESCAPE = "\x1b"
CLOSED = "closed"
"""Comes as a key when the window was closed by its own button."""


class Window:
    """Shows pictures and tells which keys were pressed."""

    def __init__(self, title: str) -> None:
        _check_display()
        self._title = title
        # Qt, which draws OpenCV's windows, complains of fonts that it does not need and of this thread's end.
        os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error as exc:
            raise SinkError(
                "this OpenCV has no windows (opencv-python-headless?); record to a file or publish instead"
            ) from exc
        self._fitted = self._full_screen = False

    def show(self, bgr: Picture) -> None:
        """Shows a picture, when `pressed` is next asked. Raises SinkError."""
        try:
            if not self._fitted:
                cv2.resizeWindow(self._title, bgr.shape[1], bgr.shape[0])
                self._fitted = True
            cv2.imshow(self._title, bgr)
        except cv2.error as exc:
            raise SinkError(f"the window cannot show any more: {exc.err}") from exc

    def refit(self) -> None:
        """The next picture gives the window its size once more."""
        self._fitted = False

    @property
    def full_screen(self) -> bool:
        return self._full_screen

    @full_screen.setter
    def full_screen(self, full: bool) -> None:
        with suppress(cv2.error):  # it is gone, which `pressed` tells
            cv2.setWindowProperty(
                self._title, cv2.WND_PROP_FULLSCREEN, cv2.WINDOW_FULLSCREEN if full else cv2.WINDOW_NORMAL
            )
        self._full_screen = full

    def pressed(self) -> Iterator[str]:
        """The keys pressed since the last call, and `CLOSED` once the window is gone."""
        while (key := cv2.pollKey()) >= 0:
            yield chr(key & 0xFF)
        if self._fitted and not self._is_there():
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
