"""`Relay` gives the messages of several publishers to subscribers, at one address."""

import time
from collections.abc import Collection
from pathlib import Path
from typing import Self

import zmq

from streamer.masks.wire import MAX_PART_BYTES
from streamer.zeromq.entrance import MAX_QUEUED, Entrance

_SUBSCRIPTIONS = (b"\x00", b"\x01")
_MESSAGES_AT_ONCE = 64
_LAST_WORD_S = 0.2


class Relay:
    """Subscribers at one address, publishers at others that come and go. For one thread; waits for nobody.

    A subscription goes on to all publishers, which answer it as one of their own. A subscriber whose queue is full
    loses messages, and counts them; the others get all.
    """

    def __init__(
        self, address: str, *, insecure: bool = False, key: Path | None = None, allow: Path | None = None
    ) -> None:
        """Listens. Arguments and errors are those of `streamer.zeromq.publisher.Publisher`."""
        self._entrance = Entrance(address, insecure=insecure, key=key, allow=allow)
        self.address = self._entrance.address
        self._publishers = self._entrance.context.socket(zmq.XSUB)
        self._publishers.setsockopt(zmq.LINGER, 0)
        self._publishers.setsockopt(zmq.RCVHWM, MAX_QUEUED)
        self._publishers.setsockopt(zmq.MAXMSGSIZE, MAX_PART_BYTES)
        self._connected: frozenset[str] = frozenset()

    def listen_to(self, addresses: Collection[str]) -> None:
        """Takes messages from these publishers, which need not be there yet, and from no others."""
        wanted = frozenset(addresses)
        for each in self._connected - wanted:
            self.step(0.0)  # what it said last would be lost
            self._publishers.disconnect(each)
        for each in wanted - self._connected:
            self._publishers.connect(each)
        self._connected = wanted

    def step(self, timeout_s: float) -> bool:
        """Passes on what there is, or what comes first within this time; whether there was anything."""
        poller = zmq.Poller()
        for each in (self._entrance.socket, self._publishers):
            poller.register(each, zmq.POLLIN)
        ready = dict(poller.poll(round(timeout_s * 1000)))
        if self._entrance.socket in ready:
            _pass(self._entrance.socket, self._publishers, _SUBSCRIPTIONS)
        if self._publishers in ready:
            _pass(self._publishers, self._entrance.socket, ())
        return bool(ready)

    def keep(self) -> None:
        """See `Entrance.keep`."""
        self._entrance.keep()

    def close(self) -> None:
        """Stops listening, when what publishers said last is passed on. Takes a second or so; twice nothing."""
        if self._publishers.closed:
            return
        until_s = time.monotonic() + 5 * _LAST_WORD_S
        while self.step(_LAST_WORD_S) and time.monotonic() < until_s:
            pass
        self._publishers.close()
        self._entrance.socket.setsockopt(zmq.LINGER, round(_LAST_WORD_S * 1000))
        self._entrance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _pass(source: zmq.Socket[bytes], to: zmq.Socket[bytes], beginnings: tuple[bytes, ...]) -> None:
    """What is there, but not so much that the other side has to wait; with `beginnings`, only what begins so."""
    for _ in range(_MESSAGES_AT_ONCE):
        try:
            parts = source.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return
        if not beginnings or parts[0].startswith(beginnings):
            to.send_multipart(parts)
