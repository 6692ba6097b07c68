"""What a subscription has heard: the state of each run, and the parsings that nobody has taken yet."""

import threading
import time
from uuid import UUID

from pipeline import LabelSet, Parsing
from pipeline.labels import LABEL_SETS
from streamer.masks import headers, wire

MAX_RUNS = 64
"""Runs of several publishers that are told apart; of more, the first that was heard is forgotten."""
MAX_WAITING = 256
"""Parsings that wait for a loop that wants all of them; of more, the oldest are overtaken."""


class Feeds:
    """The state of one stream, or of each run of several publishers."""

    def __init__(self, stream: str, publishers: int) -> None:
        """
        Args:
            stream: the only stream that is heard; "" is the first that one publisher sends, and all of several.
        """
        self._stream, self._publishers = stream, publishers
        self._only = Feed(stream)
        self._runs: dict[UUID, Feed] = {}
        self._forgotten = 0
        self.bad_messages = 0

    def take(self, message: wire.Message, unix_offset_s: float) -> Parsing | None:
        """The parsing in a message, unless it came before. Raises BadMessage."""
        if self._publishers == 1:
            return self._only.take(message, unix_offset_s)
        if self._stream not in ("", message.stream):
            return None
        run = message.header.run
        if run not in self._runs:
            self._runs[run] = Feed(message.stream)
            if len(self._runs) > MAX_RUNS:
                self._forgotten += self._runs.pop(next(iter(self._runs))).missed
        return self._runs[run].take(message, unix_offset_s)

    @property
    def missed(self) -> int:
        return self._forgotten + sum(each.missed for each in self._all)

    @property
    def heard(self) -> bool:
        """Whether anything was."""
        return any(each.run is not None for each in self._all)

    @property
    def ended(self) -> bool:
        """Whether all publishers have said that this is the end."""
        return sum(each.ended for each in self._all) >= self._publishers and all(each.ended for each in self._all)

    @property
    def last(self) -> "Feed":
        """The one that ended, or was begun, last."""
        return next((each for each in reversed(self._all) if each.ended), self._all[-1] if self._all else self._only)

    @property
    def _all(self) -> list["Feed"]:
        return [self._only] if self._publishers == 1 else list(self._runs.values())


class Feed:
    """The state of a stream, from the messages so far."""

    def __init__(self, stream: str) -> None:
        self.run: UUID | None = None
        self.missed = 0
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


class Mailbox:
    """Between the thread that reads and the one that loops: the newest parsing of each stream, or all that came."""

    def __init__(self, *, latest: bool) -> None:
        self.heard_s = time.monotonic()
        """When the last message came."""
        self.overtaken = 0
        """Parsings whose place a newer one took before anybody asked for them."""
        self._changed = threading.Condition()
        self._latest, self._count = latest, 0
        self._waiting: dict[str | int, tuple[str, Parsing]] = {}
        """By their streams, if the newest is wanted, else by their number."""
        self._closed = False
        self._failure: Exception | None = None

    def put(self, stream: str, parsing: Parsing) -> None:
        with self._changed:
            self._count += 1
            key = stream if self._latest else self._count
            self.overtaken += key in self._waiting
            self._waiting[key] = (stream, parsing)
            if len(self._waiting) > MAX_WAITING:
                del self._waiting[next(iter(self._waiting))]
                self.overtaken += 1
            self._changed.notify()

    def close(self, failure: Exception | None) -> None:
        with self._changed:
            self._closed, self._failure = True, failure
            self._changed.notify()

    def take(self, wait_s: float) -> tuple[str, Parsing] | None:
        """Waits for a parsing not taken before, and the name of its stream; None if there is none in time.

        Raises:
            EOFError: closed and empty. Or else the error that the reading thread ended with.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, wait_s)
            if self._waiting:
                return self._waiting.pop(next(iter(self._waiting)))
            if self._closed:
                raise self._failure or EOFError
            return None
