"""Messages over a socket: each is its length and then its bytes, so that whoever waits can look up between pieces.

This file imports nothing but the standard library: the child processes load it before anything else.
"""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress

Body = bytes | bytearray | memoryview

LOOPBACK = "127.0.0.1"

_LENGTH = struct.Struct(">Q")
_MIN_WAIT_S = 1e-4
"""A socket without any time to wait says in another way that there is nothing."""
_JOINED_BYTES = 1 << 16
"""A body up to this size is copied behind its length and sent in one piece, a larger one is sent by itself."""


class ChannelClosed(Exception):
    """Raised when the process at the other end is gone, or wants no more."""


def _always() -> bool:
    return True


class Channel:
    """Messages in both directions over a connected socket. Each direction is for one thread."""

    def __init__(self, end: socket.socket, wait_s: float) -> None:
        """
        Args:
            end: belongs to the channel from now on.
            wait_s: interval at which `go_on` is asked while nothing moves.
        """
        self._wait_s = wait_s
        end.settimeout(wait_s)
        # Otherwise the end of a message waits until its beginning is acknowledged.
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._end = end
        self._head = memoryview(bytearray(_LENGTH.size))
        self._body: memoryview | None = None
        self._filled = 0

    def send(self, body: Body, go_on: Callable[[], bool] = _always, rest: Body = b"") -> bool:
        """Sends a message: a body, and bytes right behind it that need not be copied there first.

        Returns False if `go_on` said no before all of it was sent; the channel cannot send after that.
        Raises ChannelClosed.
        """
        length = _LENGTH.pack(len(body) + len(rest))
        pieces = (length + body, rest) if len(body) <= _JOINED_BYTES else (length, body, rest)
        return all(self._send(memoryview(piece), go_on) for piece in pieces)

    def receive(self, go_on: Callable[[], bool] = _always, wait_s: float | None = None) -> memoryview | None:
        """The next message, or None if `go_on` said no before it was there; then the next call goes on with it.

        Args:
            wait_s: interval at which `go_on` is asked, this time; for a channel on which nobody sends meanwhile.

        Raises ChannelClosed.
        """
        if wait_s is None:
            return self._received(go_on)
        self._end.settimeout(max(wait_s, _MIN_WAIT_S))
        try:
            return self._received(go_on)
        finally:
            with suppress(OSError):  # it was closed
                self._end.settimeout(self._wait_s)

    def _received(self, go_on: Callable[[], bool]) -> memoryview | None:
        if self._body is None:
            if not self._fill(self._head, go_on):
                return None
            self._body = memoryview(bytearray(_LENGTH.unpack(self._head)[0]))
        if not self._fill(self._body, go_on):
            return None
        body, self._body = self._body, None
        return body

    def expect(self, token: bytes, go_on: Callable[[], bool] = _always) -> bool:
        """Reads bytes without a length before them; False if `go_on` said no before they were there.

        Raises ChannelClosed, also where other bytes come.
        """
        shown = memoryview(bytearray(len(token)))
        if not self._fill(shown, go_on):
            return False
        if shown != token:
            raise ChannelClosed
        return True

    def close(self) -> None:
        """Safe to call twice."""
        self._end.close()

    def _send(self, rest: memoryview, go_on: Callable[[], bool]) -> bool:
        while rest:
            try:
                rest = rest[self._end.send(rest) :]
            except TimeoutError:
                if not go_on():
                    return False
            except OSError as exc:
                raise ChannelClosed from exc
        return True

    def _fill(self, room: memoryview, go_on: Callable[[], bool]) -> bool:
        """Whether it is full; if not, the next call goes on where this one stopped."""
        while self._filled < len(room):
            try:
                count = self._end.recv_into(room[self._filled :])
            except TimeoutError:
                if not go_on():
                    return False
                continue
            except OSError as exc:
                raise ChannelClosed from exc
            if not count:
                raise ChannelClosed
            self._filled += count
        self._filled = 0
        return True
