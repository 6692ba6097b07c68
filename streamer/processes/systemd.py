"""Readiness, status and watchdog for systemd, where it asks for them: sd_notify(3).

Any other supervisor that sets `NOTIFY_SOCKET` is served as well. Without the variable nothing is sent.
"""

import os
import socket
import sys
from contextlib import suppress
from typing import Self

MAX_SILENT_S = 3.0
"""The longest time that the thread which shows the pictures may be in one place before it counts as stuck."""


class Supervisor:
    """The socket of whoever supervises this process. `with` says at the end that it stops."""

    def __init__(self) -> None:
        # Children would answer in our name.
        address = os.environ.pop("NOTIFY_SOCKET", "")
        interval = os.environ.pop("WATCHDOG_USEC", "")
        watched = os.environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._watchdog_s = int(interval) / 1e6 if interval.isdecimal() and watched else 0.0
        self._alive_due_s = 0.0
        self._status = ""
        self._is_ready = False

    def tell(self, status: str, silent_s: float, now_s: float) -> None:
        """Called every half second or so, when the program runs. Pure but for what it sends: it is told the time.

        Args:
            status: a line for `systemctl status`.
            silent_s: how long the work has not gone on; the watchdog is told nothing while that is too long.
            now_s: monotonic seconds.
        """
        lines = []
        if not self._is_ready:
            self._is_ready = True
            lines.append("READY=1")
        if status != self._status:
            self._status = status
            lines.append(f"STATUS={status}")
        if self._watchdog_s and now_s >= self._alive_due_s and silent_s < max(MAX_SILENT_S, self._watchdog_s / 2):
            self._alive_due_s = now_s + self._watchdog_s / 3
            lines.append("WATCHDOG=1")
        self._send(lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._send(["STOPPING=1"])

    def _send(self, lines: list[str]) -> None:
        if sys.platform == "win32" or not self._address or not lines:
            return
        # It may have been restarted, and nobody listens for a moment; a full queue is not waited for.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.setblocking(False)
            sending.sendto("\n".join(lines).encode(), self._address)
