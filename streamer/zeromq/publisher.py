"""`Publisher` sends masks over ZeroMQ to all subscribers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

import zmq

from pipeline import LabelSet, Parsing
from streamer.errors import SinkError
from streamer.masks import headers, wire
from streamer.zeromq.entrance import Entrance

HEARTBEAT_S = 1.0
"""Seconds between two heartbeats."""

_REQUESTS_AT_ONCE = 1000
_LAST_WORD_MS = 200


class Publisher:
    """Sends the parsings of one stream. Made, used and closed by one thread; waits for nobody.

    A subscriber whose queue is full loses messages until it reads again; the others get all.
    """

    def __init__(
        self,
        address: str,
        *,
        stream: str = "live",
        parser: str = "",
        encoding: str = "zstd",
        insecure: bool = False,
        key: Path | None = None,
        allow: Path | None = None,
    ) -> None:
        """Listens.

        Args:
            address: `tcp://HOST:PORT` or `ipc://PATH`; port `*` takes a free one.
            stream: up to 64 letters, digits, dots, dashes and underscores.
            parser: the parser's name, for people to read.
            encoding: of the maps: zstd, raw or png.
            insecure: listen without keys where other machines can connect; anybody there sees who is in the picture.
            key: the publisher's .key file; messages are encrypted, and only the owners of keys in `allow` get any.
            allow: a folder of .pub files, read again at each connection; with none in it nobody is admitted.

        Raises:
            ConfigError: one of these cannot be.
            SinkError: the address is taken, or not this machine's.
        """
        wire.check_encoding(encoding)
        wire.topic(stream)
        self.stream = stream
        self.run: UUID = uuid4()
        self.dropped = 0
        """Number of times that a subscriber's queue was found full. Each subscriber counts its own lost messages."""
        self._parser = parser
        self._encoding = encoding
        self._seq = 0
        self._reported = 0
        self._label_set: LabelSet | None = None
        self._schema: list[bytes] = []
        self._mask: list[bytes] = []
        self._heartbeat_due_s = 0.0
        self._entrance = Entrance(address, insecure=insecure, key=key, allow=allow)
        self._socket = self._entrance.socket
        # Says when a subscriber's queue is full, instead of dropping the message for it in silence.
        self._socket.setsockopt(zmq.XPUB_NODROP, 1)
        self.address = self._entrance.address

    def publish(self, parsing: Parsing) -> None:
        """Sends a parsing.

        Raises:
            SinkError: it holds something that subscribers would refuse, see `encode_parsing`; or nothing can be sent.
        """
        with self._failing():
            self._answer_requests()
            if parsing.label_set != self._label_set:
                self._send_schema(parsing.label_set)
            offset_s = unix_offset_s()
            self._mask = wire.encode_parsing(
                self.stream,
                parsing,
                run=self.run,
                seq=self._seq + 1,
                published_unix_s=time.monotonic() + offset_s,
                unix_offset_s=offset_s,
                parser=self._parser,
                dropped=self.dropped - self._reported,
                encoding=self._encoding,
            )
            self._seq += 1
            self._reported = self.dropped
            self._send(self._mask)

    def tick(self, now_s: float) -> None:
        """To be called every 0.2 s or so: answers new subscribers, and sends a heartbeat when one is due.

        The path of an `ipc://` address that somebody deleted is there again with the next heartbeat; the log says so.

        Raises SinkError when nothing can be sent.

        Args:
            now_s: `time.monotonic()`.
        """
        with self._failing():
            self._answer_requests()
            if now_s >= self._heartbeat_due_s:
                self._heartbeat_due_s = now_s + HEARTBEAT_S
                self._entrance.keep()
                heartbeat = headers.Heartbeat(v=1, run=self.run, published_unix_s=time.time())
                self._send(wire.encode(self.stream, heartbeat))

    def close(self, reason: str = "the publisher was closed", totals: headers.Totals | None = None) -> None:
        """Says that this is the end, why, and how it went, and stops listening. Takes 0.2 s at most; twice nothing.

        Raises SinkError when it cannot be said; it is closed all the same.
        """
        if self._socket.closed:
            return
        try:
            with self._failing():
                said = headers.fitting(reason)
                end = headers.End(v=1, run=self.run, published_unix_s=time.time(), reason=said, totals=totals)
                self._send(wire.encode(self.stream, end))
                # With no time at all the end itself would be thrown away.
                self._socket.setsockopt(zmq.LINGER, _LAST_WORD_MS)
        finally:
            self._entrance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Its kind only: the text of an error may hold what is not for everybody.
        try:
            self.close(f"the publisher failed: {kind.__name__}" if kind else "the publisher was closed")
        except SinkError:
            if kind is None:  # else that is what there is to tell
                raise

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Maps the errors of sending to ours."""
        try:
            yield
        except (zmq.ZMQError, MemoryError) as exc:
            raise SinkError(f"cannot publish at {self.address}: {str(exc) or 'there is no memory left'}") from exc

    def _answer_requests(self) -> None:
        """Sends what a new subscriber needs, if there is one, before it gets anything else."""
        subscribed = False
        for _ in range(_REQUESTS_AT_ONCE):
            try:
                subscribed |= self._socket.recv(zmq.NOBLOCK).startswith(b"\x01")
            except zmq.Again:
                break
        for parts in (self._schema, self._mask):
            if subscribed and parts:
                self._send(parts)

    def _send_schema(self, label_set: LabelSet) -> None:
        schema = headers.Schema.of(label_set, run=self.run, published_unix_s=time.time())
        self._schema = wire.encode(self.stream, schema)
        self._label_set = label_set
        self._send(self._schema)

    def _send(self, parts: list[bytes]) -> None:
        try:
            self._socket.send_multipart(parts, zmq.NOBLOCK)
        except zmq.Again:
            # Nobody got it, because one cannot take it. Once more, to those who can.
            self.dropped += 1
            self._socket.setsockopt(zmq.XPUB_NODROP, 0)
            self._socket.send_multipart(parts, zmq.NOBLOCK)
            self._socket.setsockopt(zmq.XPUB_NODROP, 1)


def unix_offset_s() -> float:
    """Unix time less monotonic time."""
    return time.time() - time.monotonic()
