"""The parent, as a child process sees it. Loaded first of all there, so it imports nothing but the standard library."""

import os
import queue
import signal
import socket
import sys
import threading
from importlib import import_module

from streamer.processes.framing import LOOPBACK, Body, Channel, ChannelClosed

_LOOK_UP_S = 0.2


class Parent:
    """The parent's end of the channel. The process ends, whatever it does, when the parent closes it or dies."""

    def __init__(self, directions: bytes, first: bytes, leave_s: float) -> None:
        """Connects. Raises OSError.

        Args:
            directions: of `handshake.Listener`.
            first: the first message, which came another way.
            leave_s: how long the main thread may go on when the parent is gone.
        """
        port, secret, reply = directions.split()
        self._reply = bytes.fromhex(reply.decode())
        self._leave_s = leave_s
        # A parent sends one message and waits for what comes of it, so there are never two.
        self._messages: queue.Queue[bytes | memoryview] = queue.Queue(1)
        self._messages.put(first)
        self._known = threading.Event()
        end = socket.create_connection((LOOPBACK, int(port)))
        end.sendall(bytes.fromhex(secret.decode()))
        self._channel = Channel(end, _LOOK_UP_S)
        # A thread of its own, since the main thread may be in a library for minutes.
        threading.Thread(target=self._listen, name="parent").start()

    def receive(self) -> bytes | memoryview:
        """Waits for the next message."""
        return self._messages.get()

    def poll(self, wait_s: float) -> bytes | memoryview | None:
        """The next message, or None if none came in time."""
        try:
            return self._messages.get(timeout=wait_s)
        except queue.Empty:
            return None

    def send(self, body: Body) -> None:
        """Raises ChannelClosed."""
        self._known.wait()
        self._channel.send(body)

    def _listen(self) -> None:
        main = threading.main_thread()
        try:
            # Where the parent is dead, whoever has its port now would be obeyed.
            if not self._channel.expect(self._reply, main.is_alive):
                return
            self._known.set()
            while (message := self._channel.receive(main.is_alive)) is not None:
                self._messages.put(message)
        except ChannelClosed:
            main.join(self._leave_s)
            os._exit(0)


def run(module: str, leave_s: float) -> None:
    """The whole life of a child process, which ends with `serve(parent)` of a module."""
    # Ctrl-C is for the parent to answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        parent = Parent(sys.stdin.buffer.readline(), sys.stdin.buffer.read(), leave_s)
    except ConnectionRefusedError:  # the parent wants no more, or is dead
        return
    import_module(module).serve(parent)
