"""Masks over ZeroMQ: `subscribe` receives what a `Publisher` sends, always the newest.

A small queue does not keep a slow reader fresh, because the network's own buffers hold seconds of messages; so
a subscription reads all that comes, in a thread of its own, and keeps the last.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from uuid import UUID

import zmq

from pipeline import LabelSet, Parsing
from pipeline.labels import LABEL_SETS
from streamer.errors import BadMessage, CannotOpen, ConfigError, ShutdownTimeout, SourceLost
from streamer.masks import headers, wire
from streamer.zeromq.address import host_of
from streamer.zeromq.curve import Credentials, Handshakes, be_client, read_credentials
from streamer.zeromq.publisher import MAX_QUEUED, Publisher, unix_offset_s

__all__ = ["Publisher", "Subscription", "subscribe"]

_POLL_MS = 100
_WAIT_S = 0.2
_JOIN_S = 5.0


def subscribe(
    address: str,
    *,
    stream: str = "",
    follow: bool = False,
    timeout_s: float | None = None,
    key: Path | None = None,
    server_key: Path | None = None,
) -> "Subscription":
    """The parsings that a publisher sends, always the newest: `for parsing in subscribe(address)`.

    Args:
        address: the publisher's.
        stream: the stream's name; "" takes the first stream that is heard.
        follow: go on after the publisher's end: it may start again.
        timeout_s: maximum time without a message, heartbeats included; None means unlimited.
        key: the subscriber's own .key file, for a publisher with keys.
        server_key: the publisher's .pub file; nothing is taken from anybody else.

    Raises:
        ConfigError: no such address, stream or key.
    """
    return Subscription(
        address, stream=stream, follow=follow, timeout_s=timeout_s, credentials=read_credentials(key, server_key)
    )


class Subscription:
    """A publisher's messages, read in the background; see `subscribe`.

    To be looped over as it stands, or inside a `with`, which keeps it open from one loop to the next.
    """

    def __init__(
        self,
        address: str,
        *,
        stream: str,
        follow: bool,
        timeout_s: float | None,
        credentials: Credentials | None = None,
    ) -> None:
        host_of(address)
        if stream:
            wire.topic(stream)
        self.address = address
        self._stream = stream
        self._follow = follow
        self._timeout_s = timeout_s
        self._credentials = credentials
        self._feed = _Feed(stream)
        self._mailbox = _Mailbox()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def missed(self) -> int:
        """Messages lost on the way since it was opened. One that arrived and was overtaken is not lost."""
        return self._feed.missed

    @property
    def bad_messages(self) -> int:
        """Messages since it was opened that could not be read."""
        return self._feed.bad_messages

    @property
    def end_reason(self) -> str:
        """The publisher's reason for its end, "" before that."""
        return self._feed.end_reason

    @property
    def end_totals(self) -> headers.Totals | None:
        """The stream's totals, as the publisher gave them at its end; None before that, or where it gave none."""
        return self._feed.end_totals

    def __iter__(self) -> Iterator[Parsing]:
        """Each parsing that is the newest when it is asked for, once; up to the publisher's end.

        Raises:
            CannotOpen, SourceLost: nothing was heard for `timeout_s`, from the start or since the last message.
            ConfigError: ZeroMQ cannot make anything of the address.
        """
        if self._thread is not None:
            yield from self._parsings()
            return
        with self:
            yield from self._parsings()

    def __enter__(self) -> Self:
        """Begins to listen."""
        if self._thread is not None:
            raise ConfigError(f"the subscription to {self.address} is open already")
        self._feed, self._mailbox, self._stop = _Feed(self._stream), _Mailbox(), threading.Event()
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

    def _parsings(self) -> Iterator[Parsing]:
        while True:
            try:
                parsing = self._mailbox.take(_WAIT_S)
            except EOFError:
                return
            if parsing is not None:
                yield parsing
            else:
                self._check_heard()

    def _check_heard(self) -> None:
        silent_s = time.monotonic() - self._mailbox.heard_s
        if self._timeout_s is None or silent_s <= self._timeout_s:
            return
        if self._feed.run is None:
            raise CannotOpen(f"nothing heard from {self.address} in {silent_s:.1f} s; does a publisher run there?")
        raise SourceLost(f"nothing heard from {self.address} for {silent_s:.1f} s, not even a heartbeat")

    def _read(self, feed: "_Feed", mailbox: "_Mailbox", stop: threading.Event) -> None:
        failure: Exception | None = None
        try:
            with (
                zmq.Context() as context,
                context.socket(zmq.SUB) as socket,
                _handshakes(socket, self.address) as look,
            ):
                _connect(socket, self.address, self._stream, self._credentials)
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


def _connect(socket: zmq.Socket[bytes], address: str, stream: str, credentials: Credentials | None) -> None:
    if credentials is not None:
        be_client(socket, credentials)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVHWM, MAX_QUEUED)
    socket.setsockopt(zmq.MAXMSGSIZE, wire.MAX_PART_BYTES)
    socket.setsockopt(zmq.IPV6, "[" in address)
    socket.setsockopt(zmq.SUBSCRIBE, wire.topic(stream) if stream else f"{wire.PROTOCOL}/".encode())
    try:
        socket.connect(address)
    except zmq.ZMQError as exc:
        raise ConfigError(f"cannot connect to {address}: {exc.strerror}") from exc


def _drain(socket: zmq.Socket[bytes], feed: "_Feed", mailbox: "_Mailbox") -> None:
    """Reads what is there; not more than a queue at once, so that a flood cannot keep the thread from ending."""
    for _ in range(MAX_QUEUED):
        try:
            parts = socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return
        try:
            parsing = feed.take(wire.decode(parts), unix_offset_s())
        except BadMessage:
            feed.bad_messages += 1
            continue
        mailbox.heard_s = time.monotonic()
        if parsing is not None:
            mailbox.put(parsing)


class _Feed:
    """The state of a stream, from the messages so far."""

    def __init__(self, stream: str) -> None:
        self.run: UUID | None = None
        self.missed = 0
        self.bad_messages = 0
        self.ended = False
        self.end_reason = ""
        self.end_totals: headers.Totals | None = None
        self._stream = stream
        self._seq: int | None = None
        self._label_set: LabelSet | None = None

    def take(self, message: wire.Message, unix_offset_s: float) -> Parsing | None:
        """The parsing in a message, unless it came before. Raises BadMessage."""
        self._stream = self._stream or message.stream
        if message.stream != self._stream:
            return None
        header = message.header
        if header.run != self.run:
            self.run, self._seq = header.run, None
        match header:
            case headers.Schema():
                self._label_set = header.read()
            case headers.End():
                self.ended, self.end_reason, self.end_totals = True, header.reason, header.totals
            case headers.Mask():
                return self._parsing(header, message.bodies, unix_offset_s)
        return None

    def _parsing(self, mask: headers.Mask, bodies: tuple[bytes, ...], unix_offset_s: float) -> Parsing | None:
        label_set = self._named(mask.label_set)
        # Without a label set: its schema is on the way, and behind it this mask once more.
        if label_set is None or (self._seq is not None and mask.seq <= self._seq):
            return None
        self.missed += 0 if self._seq is None else mask.seq - self._seq - 1
        self._seq = mask.seq
        return wire.decode_parsing(mask, bodies, label_set, unix_offset_s)

    def _named(self, key: headers.LabelSetKey) -> LabelSet | None:
        for label_set in (self._label_set, LABEL_SETS.get(key.name)):
            if label_set is not None and headers.LabelSetKey.of(label_set) == key:
                return label_set
        return None


class _Mailbox:
    """Between the thread that reads and the one that loops: one parsing, whose place a newer one takes."""

    def __init__(self) -> None:
        self.heard_s = time.monotonic()
        """When the last message came."""
        self._changed = threading.Condition()
        self._newest: Parsing | None = None
        self._closed = False
        self._failure: Exception | None = None

    def put(self, parsing: Parsing) -> None:
        with self._changed:
            self._newest = parsing
            self._changed.notify()

    def close(self, failure: Exception | None) -> None:
        with self._changed:
            self._closed, self._failure = True, failure
            self._changed.notify()

    def take(self, wait_s: float) -> Parsing | None:
        """Waits for a parsing not taken before; None if there is none in time.

        Raises:
            EOFError: closed and empty. Or else the error that the reading thread ended with.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._closed, wait_s)
            parsing, self._newest = self._newest, None
            if parsing is None and self._closed:
                raise self._failure or EOFError
            return parsing
