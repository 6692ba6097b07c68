"""The sidecar: the parsings of a video in one file beside it, `.hpm`. Append-only, checked, recoverable, seekable.

The file begins with `SIGNATURE` and a version. Records follow, each a head (`HEAD`: a marker, its kind, the length and
the CRC-32 of its body) and a body. The first one says what the parsings are of. A message's body is the parts of an
`hpm1` message, each after its length; a mask comes after the schema of its label set. A file that was closed ends with
a record that has the places of all masks, and a tail that has the place of that record. What a crash left has neither,
and is read from its beginning; where bytes are damaged, reading goes on at the next marker whose checksum is right.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from pipeline import LabelSet, Parsing
from streamer.errors import BadMessage, CannotOpen
from streamer.masks import headers, wire
from streamer.masks.origin import Origin, read_origin
from streamer.masks.records import (
    BEGINNING,
    ENTRY,
    HEAD,
    INDEX,
    MARKER,
    MAX_BODY_BYTES,
    MESSAGE,
    ORIGIN,
    SIGNATURE,
    SUFFIX,
    TAIL,
    TAIL_MARK,
    VERSION,
    Record,
    crc_of,
    parts_of,
)

_SCAN_BYTES = 1 << 20


class Entry(NamedTuple):
    """The place of a message in the file."""

    is_mask: bool
    """If not, it is a schema."""
    frame: int
    pts_s: float
    offset: int


class Sidecar:
    """Reads a sidecar: `for parsing in sidecar`, or any by its place. `with` closes it. For one thread.

    `captured_s` of a parsing is unix time here, or 0 where that was left out.
    """

    def __init__(self, path: Path) -> None:
        """Raises CannotOpen for what is no sidecar, or one of a later version."""
        self.path = path
        try:
            self._file = path.open("rb")
        except OSError as exc:
            raise CannotOpen(f"cannot open {path}: {exc.strerror}") from exc
        try:
            self._check_beginning()
            self.origin = self._read_origin()
            self.has_index = self._read_index()
            """Whether it was closed; if not, a crash cut it off or it is still being written."""
            if not self.has_index:
                self._scan()
        except BaseException:
            self._file.close()
            raise

    entries: tuple[Entry, ...]
    """All messages, in the file's order."""
    end: int
    """The offset behind the last whole message."""
    origin: Origin | None = None
    """What the parsings are of; None if it was not told."""
    damaged_bytes: int = 0
    """Bytes before `end` that are in no whole record. They are noticed in a file without index only."""

    @property
    def masks(self) -> tuple[Entry, ...]:
        """The places of the parsings."""
        return self._masks

    def __len__(self) -> int:
        return len(self._masks)

    def __iter__(self) -> Iterator[Parsing]:
        """Raises BadMessage."""
        return (self.read(each) for each in self._masks)

    def read(self, entry: Entry) -> Parsing:
        """The parsing at a place in `masks`. Raises BadMessage where the file is damaged there."""
        message = self._message(entry)
        if not isinstance(message.header, headers.Mask):
            raise BadMessage(f"{self.path} has no mask at byte {entry.offset}")
        return wire.decode_parsing(message.header, message.bodies, self.label_set_of(entry), 0.0)

    def at(self, pts_s: float) -> Entry | None:
        """The newest parsing at a time in the video, or None before the first. Parsings are in order of their times."""
        place = bisect_right(self._masks, pts_s, key=lambda each: each.pts_s)
        return self._masks[place - 1] if place else None

    def of(self, frame: int) -> Entry | None:
        """The parsing of a frame, by its index; None if it has none of its own."""
        return self._by_frame.get(frame)

    def label_set_of(self, entry: Entry) -> LabelSet:
        """The label set in force at a place in `entries`. Raises BadMessage where its schema is damaged."""
        place = bisect_right(self._schemas, entry.offset, key=lambda each: each.offset)
        if not place:
            raise BadMessage(f"{self.path} has no schema before byte {entry.offset}")
        schema = self._schemas[place - 1]
        if schema.offset not in self._label_sets:
            header = self._message(schema).header
            if not isinstance(header, headers.Schema):
                raise BadMessage(f"{self.path} has no schema at byte {schema.offset}")
            self._label_sets[schema.offset] = header.read()
        return self._label_sets[schema.offset]

    def close(self) -> None:
        """Safe to call twice."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_beginning(self) -> None:
        beginning = self._file.read(BEGINNING.size).ljust(BEGINNING.size, b"\0")
        signature, version = BEGINNING.unpack(beginning)
        if signature != SIGNATURE:
            raise CannotOpen(f"{self.path} is not a {SUFFIX} file")
        if version != VERSION:
            raise CannotOpen(f"{self.path} is of version {version}; this program reads version {VERSION}")

    def _read_origin(self) -> Origin | None:
        record = self._record_at(BEGINNING.size)
        return read_origin(record.body) if record is not None and record.kind == ORIGIN else None

    def _know(self, entries: Sequence[Entry], end: int) -> None:
        self.entries, self.end = tuple(entries), end
        self._masks = tuple(each for each in entries if each.is_mask)
        self._schemas = tuple(each for each in entries if not each.is_mask)
        self._label_sets: dict[int, LabelSet] = {}
        self._by_frame = {each.frame: each for each in self._masks}

    def _read_index(self) -> bool:
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(BEGINNING.size, size - TAIL.size))
        tail = self._file.read(TAIL.size)
        if len(tail) < TAIL.size or not tail.endswith(TAIL_MARK):
            return False
        offset, _ = TAIL.unpack(tail)
        record = self._record_at(offset)
        if record is None or record.kind != INDEX or record.end != size - TAIL.size:
            return False
        if len(record.body) % ENTRY.size:
            return False
        self._know([Entry(*each) for each in ENTRY.iter_unpack(record.body)], offset)
        return True

    def _scan(self) -> None:
        """Finds the messages without an index."""
        entries: list[Entry] = []
        end = offset = BEGINNING.size
        while (record := self._next_record(offset)) is not None:
            offset = record.end
            entry = _entry(record) if record.kind == MESSAGE else None
            if entry is not None:
                entries.append(entry)
            elif record.kind in (INDEX, MESSAGE):
                continue
            self.damaged_bytes += record.offset - end
            end = record.end
        self._know(entries, end)

    def _next_record(self, offset: int) -> Record | None:
        """The whole record at an offset, or the first one behind it."""
        record = self._record_at(offset)
        while record is None:
            found = self._find_marker(offset + 1)
            if found is None:
                return None
            offset = found
            record = self._record_at(offset)
        return record

    def _find_marker(self, offset: int) -> int | None:
        while True:
            self._file.seek(offset)
            piece = self._file.read(_SCAN_BYTES)
            if (place := piece.find(MARKER)) >= 0:
                return offset + place
            if len(piece) < _SCAN_BYTES:
                return None
            offset += len(piece) - len(MARKER) + 1

    def _record_at(self, offset: int) -> Record | None:
        if offset < BEGINNING.size:
            return None
        self._file.seek(offset)
        head = self._file.read(HEAD.size)
        if len(head) < HEAD.size:
            return None
        marker, kind, length, checksum = HEAD.unpack(head)
        if marker != MARKER or length > MAX_BODY_BYTES:
            return None
        body = self._file.read(length)
        return Record(kind, body, offset) if len(body) == length and crc_of(kind, body) == checksum else None

    def _message(self, entry: Entry) -> wire.Message:
        record = self._record_at(entry.offset)
        if record is None or record.kind != MESSAGE:
            raise BadMessage(f"{self.path} is damaged at byte {entry.offset}")
        return wire.decode(parts_of(record.body))


def _entry(record: Record) -> Entry | None:
    """The place of a message, or None for one that cannot be read."""
    try:
        header = wire.decode(parts_of(record.body)).header
    except BadMessage:
        return None
    match header:
        case headers.Mask():
            return Entry(True, header.frame, header.pts_s, record.offset)
        case headers.Schema():
            return Entry(False, 0, 0.0, record.offset)
        case _:
            return None
