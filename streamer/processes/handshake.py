"""How a child process connects to its parent: over the loopback interface, where each shows the other a secret.

Loopback sockets exist, and can be waited for with a timeout, on every system. Every other program on the machine can
connect to them as well. The child is told the secrets through its standard input, since other users can read a command
line.
"""

import hmac
import secrets
import selectors
import socket
import time
from contextlib import suppress
from typing import Self

from streamer.processes.framing import LOOPBACK

SECRET_BYTES = 32
MAX_CALLERS = 8
"""Maximum number of connections that have not shown the secret; for one more the oldest is closed."""


class Listener:
    """A port at which one caller is let in: the one that shows the secret."""

    def __init__(self) -> None:
        """Raises OSError."""
        self._secret, self._reply = secrets.token_bytes(SECRET_BYTES), secrets.token_bytes(SECRET_BYTES)
        self._callers: dict[socket.socket, bytes] = {}
        self._listening = socket.create_server((LOOPBACK, 0), backlog=MAX_CALLERS)
        self._listening.setblocking(False)
        self._ready = selectors.DefaultSelector()
        self._ready.register(self._listening, selectors.EVENT_READ)

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    @property
    def directions(self) -> bytes:
        """A line for `streamer.processes.parent`: the port, the secret to show there, the reply that must come."""
        return f"{self.port} {self._secret.hex()} {self._reply.hex()}\n".encode()

    def accept(self, wait_s: float) -> socket.socket | None:
        """The child's connection, after which the listener is closed; None if the child does not come in time."""
        until_s = time.monotonic() + wait_s
        while (left_s := until_s - time.monotonic()) > 0:
            for key, _ in self._ready.select(left_s):
                if key.fileobj is self._listening:
                    self._hear()
                elif isinstance(key.fileobj, socket.socket) and self._read(key.fileobj):
                    return self._let_in(key.fileobj)
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Safe to call twice."""
        for each in (*self._callers, self._listening):
            each.close()
        self._callers.clear()
        self._ready.close()

    def _hear(self) -> None:
        with suppress(OSError):  # it hung up meanwhile
            caller, _ = self._listening.accept()
            if len(self._callers) >= MAX_CALLERS:
                self._drop(next(iter(self._callers)))
            caller.setblocking(False)
            self._callers[caller] = b""
            self._ready.register(caller, selectors.EVENT_READ)

    def _read(self, caller: socket.socket) -> bool:
        """Whether it has shown the secret; one that has shown another is closed."""
        try:
            piece = caller.recv(SECRET_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            piece = b""
        shown = self._callers[caller] = self._callers[caller] + piece
        if hmac.compare_digest(shown, self._secret):
            return True
        if not piece or len(shown) >= SECRET_BYTES:
            self._drop(caller)
        return False

    def _let_in(self, child: socket.socket) -> socket.socket:
        self._forget(child)
        self.close()
        with suppress(OSError):  # it is dead already, as whoever reads from it will see
            child.send(self._reply)
        return child

    def _drop(self, caller: socket.socket) -> None:
        self._forget(caller)
        caller.close()

    def _forget(self, caller: socket.socket) -> None:
        self._ready.unregister(caller)
        del self._callers[caller]
