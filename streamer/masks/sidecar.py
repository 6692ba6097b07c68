"""The sidecar: the parsings of a video in one file beside it, `.hpm`. Append-only, checked, recoverable, seekable.

The file begins with `SIGNATURE` and a version. Records follow, each a head (`_HEAD`: a marker, its kind, the length and
the CRC-32 of its body) and a body. A message's body is the parts of an `hpm1` message, each after its length; a mask
comes after the schema of its label set. A file that was closed ends with a record that has the places of all masks, and
a tail that has the place of that record. What a crash left has neither, and is read from its beginning; where bytes are
damaged, reading goes on at the next marker whose checksum is right.
"""

import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from uuid import UUID

from pipeline import LabelSet, Parsing
from streamer.errors import BadMessage, CannotOpen, SinkError
from streamer.masks import headers, wire

SUFFIX = ".hpm"
SIGNATURE = b"\x89HPM\r\n\x1a\n"
VERSION = 1
MAX_BODY_BYTES = wire.MAX_HEADER_BYTES + 8 * wire.MAX_PART_BYTES
"""In any record; an index of that size has the places of five million masks."""

_BEGINNING = struct.Struct(">8sH")
"""The signature, the version."""
_MARKER = b"\xf5HPR"
_HEAD = struct.Struct(">4sBII")
"""The marker, the kind, the length of the body, the CRC-32 of kind and body."""
_MESSAGE, _INDEX = 1, 2
_LENGTH = struct.Struct(">I")
_ENTRY = struct.Struct(">BQdQ")
"""In the index, for each message: whether it is a mask, its frame, that frame's time in seconds, its offset."""
_TAIL = struct.Struct(">Q8s")
"""The offset of the index, and `_TAIL_MARK`."""
_TAIL_MARK = b"HPMindex"
_SCAN_BYTES = 1 << 20
_STREAM = "file"
_RUN = UUID(int=0)


class Entry(NamedTuple):
    """The place of a message in the file."""

    is_mask: bool
    """If not, it is a schema."""
    frame: int
    pts_s: float
    offset: int


@dataclass(frozen=True, slots=True)
class _Record:
    kind: int
    body: bytes
    offset: int

    @property
    def end(self) -> int:
        return self.offset + _HEAD.size + len(self.body)


class SidecarWriter:
    """Appends parsings to a sidecar. Each is with the operating system when `write` returns, so a crash loses none.

    `with` closes it; after an error without the index, which readers do without.
    """

    def __init__(self, file: FileIO, entries: Sequence[Entry], label_set: LabelSet | None) -> None:
        """See `create` and `resume`."""
        self._file = file
        self._entries = list(entries)
        self._seq = sum(each.is_mask for each in entries)
        self._label_set = label_set
        self._end = file.tell()

    @classmethod
    def create(cls, path: Path) -> Self:
        """Begins a new file. Raises SinkError, also where there is one already."""
        with _writing(path):
            file = path.open("xb", buffering=0)
        writer = cls(file, (), None)
        writer._append(_BEGINNING.pack(SIGNATURE, VERSION))
        return writer

    @classmethod
    def resume(cls, path: Path) -> Self:
        """Goes on after the last whole record: the index or a torn end is cut off.

        Raises CannotOpen, SinkError, BadMessage.
        """
        with Sidecar(path) as read:
            entries, end = read.entries, read.end
            label_set = read.label_set_of(entries[-1]) if entries else None
        with _writing(path):
            file = path.open("r+b", buffering=0)
            file.truncate(end)
            file.seek(end)
        return cls(file, entries, label_set)

    @property
    def masks(self) -> int:
        """Number of parsings in the file, with those from before it was resumed."""
        return self._seq

    def write(self, parsing: Parsing, *, unix_offset_s: float | None = None, parser: str = "") -> None:
        """Appends a parsing. Raises SinkError.

        Args:
            unix_offset_s: unix time less monotonic time; None leaves out what differs from run to run.
            parser: the parser's name.
        """
        if parsing.label_set != self._label_set:
            schema = headers.Schema.of(parsing.label_set, run=_RUN, published_unix_s=0.0)
            self._append_message(wire.encode(_STREAM, schema), is_mask=False)
            self._label_set = parsing.label_set
        if unix_offset_s is None:
            parsing, unix_offset_s = replace(parsing, captured_s=0.0, inferred_s=0.0), 0.0
        parts = wire.encode_parsing(
            _STREAM,
            parsing,
            run=_RUN,
            seq=self._seq + 1,
            published_unix_s=0.0,
            unix_offset_s=unix_offset_s,
            parser=parser,
        )
        self._append_message(parts, is_mask=True, frame=parsing.frame_index, pts_s=parsing.pts_s)
        self._seq += 1

    def close(self) -> None:
        """Writes the index and closes the file. Safe to call twice. Raises SinkError."""
        if self._file.closed:
            return
        offset = self._end
        try:
            self._append(_record(_INDEX, b"".join(_ENTRY.pack(*each) for each in self._entries)))
            self._append(_TAIL.pack(offset, _TAIL_MARK))
            with _writing(self._file.name):
                os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()

    def _append_message(self, parts: Sequence[bytes], *, is_mask: bool, frame: int = 0, pts_s: float = 0.0) -> None:
        body = b"".join(piece for part in parts for piece in (_LENGTH.pack(len(part)), part))
        entry = Entry(is_mask, frame, pts_s, self._end)
        self._append(_record(_MESSAGE, body))
        self._entries.append(entry)

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        with _writing(self._file.name):
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
        self._end += len(data)


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
        beginning = self._file.read(_BEGINNING.size).ljust(_BEGINNING.size, b"\0")
        signature, version = _BEGINNING.unpack(beginning)
        if signature != SIGNATURE:
            raise CannotOpen(f"{self.path} is not a {SUFFIX} file")
        if version != VERSION:
            raise CannotOpen(f"{self.path} is of version {version}; this program reads version {VERSION}")

    def _know(self, entries: Sequence[Entry], end: int) -> None:
        self.entries, self.end = tuple(entries), end
        self._masks = tuple(each for each in entries if each.is_mask)
        self._schemas = tuple(each for each in entries if not each.is_mask)
        self._label_sets: dict[int, LabelSet] = {}

    def _read_index(self) -> bool:
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(_BEGINNING.size, size - _TAIL.size))
        tail = self._file.read(_TAIL.size)
        if len(tail) < _TAIL.size or not tail.endswith(_TAIL_MARK):
            return False
        offset, _ = _TAIL.unpack(tail)
        record = self._record_at(offset)
        if record is None or record.kind != _INDEX or record.end != size - _TAIL.size:
            return False
        if len(record.body) % _ENTRY.size:
            return False
        self._know([Entry(*each) for each in _ENTRY.iter_unpack(record.body)], offset)
        return True

    def _scan(self) -> None:
        """Finds the messages without an index."""
        entries: list[Entry] = []
        end = offset = _BEGINNING.size
        while (record := self._next_record(offset)) is not None:
            offset = record.end
            if record.kind != _MESSAGE or (entry := _entry(record)) is None:
                continue
            entries.append(entry)
            self.damaged_bytes += record.offset - end
            end = record.end
        self._know(entries, end)

    def _next_record(self, offset: int) -> _Record | None:
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
            if (place := piece.find(_MARKER)) >= 0:
                return offset + place
            if len(piece) < _SCAN_BYTES:
                return None
            offset += len(piece) - len(_MARKER) + 1

    def _record_at(self, offset: int) -> _Record | None:
        if offset < _BEGINNING.size:
            return None
        self._file.seek(offset)
        head = self._file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return None
        marker, kind, length, checksum = _HEAD.unpack(head)
        if marker != _MARKER or length > MAX_BODY_BYTES:
            return None
        body = self._file.read(length)
        return _Record(kind, body, offset) if len(body) == length and _checksum(kind, body) == checksum else None

    def _message(self, entry: Entry) -> wire.Message:
        record = self._record_at(entry.offset)
        if record is None or record.kind != _MESSAGE:
            raise BadMessage(f"{self.path} is damaged at byte {entry.offset}")
        return wire.decode(_parts(record.body))


def _record(kind: int, body: bytes) -> bytes:
    return _HEAD.pack(_MARKER, kind, len(body), _checksum(kind, body)) + body


def _checksum(kind: int, body: bytes) -> int:
    return zlib.crc32(body, kind)


def _entry(record: _Record) -> Entry | None:
    """The place of a message, or None for one that cannot be read."""
    try:
        header = wire.decode(_parts(record.body)).header
    except BadMessage:
        return None
    match header:
        case headers.Mask():
            return Entry(True, header.frame, header.pts_s, record.offset)
        case headers.Schema():
            return Entry(False, 0, 0.0, record.offset)
        case _:
            return None


def _parts(body: bytes) -> list[bytes]:
    """Raises BadMessage."""
    parts = []
    place = 0
    while place < len(body):
        if len(body) - place < _LENGTH.size:
            raise BadMessage("a message whose parts are cut off")
        (length,) = _LENGTH.unpack_from(body, place)
        place += _LENGTH.size
        if length > len(body) - place:
            raise BadMessage("a message whose parts are cut off")
        parts.append(body[place : place + length])
        place += length
    return parts


@contextmanager
def _writing(path: Path | str) -> Iterator[None]:
    try:
        yield
    except FileExistsError as exc:
        raise SinkError(f"{path} exists; resume it, or name another file") from exc
    except OSError as exc:
        raise SinkError(f"cannot write {path}: {exc.strerror}") from exc
