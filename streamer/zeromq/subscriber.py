"""Masks over ZeroMQ: `subscribe` receives what a `Publisher` sends, always the newest.

A small queue does not keep a slow reader fresh, because the network's own buffers hold seconds of messages; so
a subscription reads all that comes, in a thread of its own, and keeps the last.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Self, cast

import zmq

from pipeline import Parsing
from streamer.errors import BadMessage, CannotOpen, ConfigError, ShutdownTimeout, SourceLost
from streamer.masks import headers, wire
from streamer.zeromq.address import host_of
from streamer.zeromq.curve import Credentials, Handshakes, be_client, read_credentials
from streamer.zeromq.entrance import MAX_QUEUED
from streamer.zeromq.feed import Feeds, Mailbox
from streamer.zeromq.publisher import Publisher, unix_offset_s

__all__ = ["Publisher", "Subscription", "subscribe"]

_POLL_MS = 100
_WAIT_S = 0.2
_JOIN_S = 5.0
_END = ("", cast(Parsing, None))
"""Stands for the end of what is heard."""


def subscribe(
    address: str | Sequence[str],
    *,
    stream: str | None = None,
    latest: bool = True,
    max_age_s: float | None = None,
    follow: bool = False,
    timeout_s: float | None = None,
    key: Path | None = None,
    server_key: Path | None = None,
) -> "Subscription":
    """The parsings that publishers send, always the newest: `for parsing in subscribe(address)`, or `async for`.

    Args:
        address: the publisher's, or those of several.
        stream: the stream's name; None takes the first stream that is heard, and of several publishers all.
        latest: give only the newest of each stream; else all that came, of which 256 wait at most.
        max_age_s: leave out parsings whose frame was captured longer ago when they are asked for.
        follow: go on after the publisher's end: it may start again.
        timeout_s: maximum time without a message, heartbeats included; None means unlimited.
        key: the subscriber's own .key file, for a publisher with keys.
        server_key: the publisher's .pub file; nothing is taken from anybody else.

    Raises:
        ConfigError: no such address, stream or key.
    """
    return Subscription(
        (address,) if isinstance(address, str) else tuple(address),
        stream=stream or "",
        latest=latest,
        max_age_s=max_age_s,
        follow=follow,
        timeout_s=timeout_s,
        credentials=read_credentials(key, server_key),
    )


class Subscription:
    """A publisher's messages, read in the background; see `subscribe`.

    To be looped over as it stands, or inside a `with`, which keeps it open from one loop to the next.
    """

    def __init__(
        self,
        addresses: tuple[str, ...],
        *,
        stream: str,
        latest: bool,
        max_age_s: float | None,
        follow: bool,
        timeout_s: float | None,
        credentials: Credentials | None = None,
    ) -> None:
        if not addresses:
            raise ConfigError("no address; name at least one, as in tcp://127.0.0.1:5556")
        for each in addresses:
            host_of(each)
        if stream:
            wire.topic(stream)
        if max_age_s is not None and not max_age_s > 0:
            raise ConfigError(f"max_age_s must be above 0, not {max_age_s}")
        self.addresses = addresses
        self.address = ", ".join(addresses)
        self._latest, self._max_age_s = latest, max_age_s
        self._stream = stream
        self._follow = follow
        self._timeout_s = timeout_s
        self._credentials = credentials
        self._feed = Feeds(stream, len(addresses))
        self._mailbox = Mailbox(latest=latest)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def missed(self) -> int:
        """Messages lost on the way since it was opened. One that arrived and was overtaken is not lost."""
        return self._feed.missed

    @property
    def overtaken(self) -> int:
        """Parsings since it was opened whose place a newer one took before anybody asked for them."""
        return self._mailbox.overtaken

    @property
    def bad_messages(self) -> int:
        """Messages since it was opened that could not be read."""
        return self._feed.bad_messages

    @property
    def end_reason(self) -> str:
        """The publisher's reason for its end, "" before that."""
        return self._feed.last.end_reason

    @property
    def end_totals(self) -> headers.Totals | None:
        """The stream's totals, as the publisher gave them at its end; None before that, or where it gave none."""
        return self._feed.last.end_totals

    def __iter__(self) -> Iterator[Parsing]:
        """Each parsing that is the newest when it is asked for, once; up to the publisher's end.

        Raises:
            CannotOpen, SourceLost: nothing was heard for `timeout_s`, from the start or since the last message.
            ConfigError: ZeroMQ cannot make anything of the address.
        """
        yield from (parsing for _, parsing in self.named())

    def named(self) -> Iterator[tuple[str, Parsing]]:
        """As the loop itself, each parsing with the name of its stream. Raises the same."""
        with self._opened():
            while (item := self._asked()) is not _END:
                if item is not None:
                    yield item

    async def __aiter__(self) -> AsyncIterator[Parsing]:
        """As the loop itself, for `async for`; waits in a thread of asyncio's. Raises the same."""
        with self._opened():
            while (item := await asyncio.to_thread(self._asked)) is not _END:
                if item is not None:
                    yield item[1]

    def __enter__(self) -> Self:
        """Begins to listen."""
        if self._thread is not None:
            raise ConfigError(f"the subscription to {self.address} is open already")
        self._feed, self._mailbox = Feeds(self._stream, len(self.addresses)), Mailbox(latest=self._latest)
        self._stop = threading.Event()
        arguments = (self._feed, self._mailbox, self._stop)
        self._thread = threading.Thread(target=self._read, args=arguments, name=f"subscribe {self.address}")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops listening; a loop that waits ends. Raises ShutdownTimeout."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stop.set()
        thread.join(_JOIN_S)
        if thread.is_alive():
            raise ShutdownTimeout(f"the thread {thread.name!r} did not end within {_JOIN_S:.0f} s")

    def _opened(self) -> AbstractContextManager[object]:
        return self if self._thread is None else nullcontext()

    def _asked(self) -> tuple[str, Parsing] | None:
        """The next parsing with its stream, None for a while without, or `_END`."""
        try:
            item = self._mailbox.take(_WAIT_S)
        except EOFError:
            return _END
        if item is None:
            self._check_heard()
        elif self._max_age_s is not None and time.monotonic() - item[1].captured_s > self._max_age_s:
            return None
        return item

    def _check_heard(self) -> None:
        silent_s = time.monotonic() - self._mailbox.heard_s
        if self._timeout_s is None or silent_s <= self._timeout_s:
            return
        if not self._feed.heard:
            raise CannotOpen(f"nothing heard from {self.address} in {silent_s:.1f} s; does a publisher run there?")
        raise SourceLost(f"nothing heard from {self.address} for {silent_s:.1f} s, not even a heartbeat")

    def _read(self, feed: Feeds, mailbox: Mailbox, stop: threading.Event) -> None:
        failure: Exception | None = None
        try:
            with (
                zmq.Context() as context,
                context.socket(zmq.SUB) as socket,
                _handshakes(socket, self.address) as look,
            ):
                _connect(socket, self.addresses, self._stream, self._credentials)
                # An iterator that somebody kept would otherwise hold the program up when its main thread is done.
                while not stop.is_set() and threading.main_thread().is_alive():
                    if socket.poll(_POLL_MS):
                        _drain(socket, feed, mailbox)
                    look()
                    if feed.ended and not self._follow:
                        break
        except Exception as exc:  # noqa: BLE001  # the guard of a thread's body: raised again where it is looped over
            failure = exc
        finally:
            mailbox.close(failure)


@contextmanager
def _handshakes(socket: zmq.Socket[bytes], address: str) -> Iterator[Callable[[], None]]:
    """Yields what logs, when it is called, that a publisher and this subscriber do not take each other's keys."""
    handshakes = Handshakes(socket)
    try:
        yield lambda: handshakes.tell(f"{address} refuses this subscriber, or has another key than the one expected")
    finally:
        handshakes.close()


def _connect(socket: zmq.Socket[bytes], addresses: Sequence[str], stream: str, credentials: Credentials | None) -> None:
    if credentials is not None:
        be_client(socket, credentials)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVHWM, MAX_QUEUED)
    socket.setsockopt(zmq.MAXMSGSIZE, wire.MAX_PART_BYTES)
    socket.setsockopt(zmq.IPV6, any("[" in each for each in addresses))
    socket.setsockopt(zmq.SUBSCRIBE, wire.topic(stream) if stream else f"{wire.PROTOCOL}/".encode())
    for address in addresses:
        try:
            socket.connect(address)
        except zmq.ZMQError as exc:
            raise ConfigError(f"cannot connect to {address}: {exc.strerror}") from exc


def _drain(socket: zmq.Socket[bytes], feed: Feeds, mailbox: Mailbox) -> None:
    """Reads what is there; not more than a queue at once, so that a flood cannot keep the thread from ending."""
    for _ in range(MAX_QUEUED):
        try:
            parts = socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return
        try:
            message = wire.decode(parts)
            parsing = feed.take(message, unix_offset_s())
        except BadMessage:
            feed.bad_messages += 1
            continue
        mailbox.heard_s = time.monotonic()
        if parsing is not None:
            mailbox.put(message.stream, parsing)
