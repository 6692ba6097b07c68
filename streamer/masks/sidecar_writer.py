"""Writes a sidecar: see `streamer.masks.sidecar`."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from pipeline import LabelSet, Parsing
from streamer.errors import SinkError
from streamer.masks import headers, wire
from streamer.masks.origin import Origin, packed_origin
from streamer.masks.records import (
    BEGINNING,
    ENTRY,
    INDEX,
    LENGTH,
    MESSAGE,
    ORIGIN,
    SIGNATURE,
    TAIL,
    TAIL_MARK,
    VERSION,
    packed,
)
from streamer.masks.sidecar import Entry, Sidecar

_STREAM = "file"
_RUN = UUID(int=0)


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
    def create(cls, path: Path, origin: Origin | None = None, *, force: bool = False) -> Self:
        """Begins a new file.

        Args:
            origin: what the parsings are of.
            force: write over a file that is there.

        Raises:
            SinkError: it cannot be written, or there is one already.
        """
        with _writing(path):
            file = path.open("wb" if force else "xb", buffering=0)
        writer = cls(file, (), None)
        writer._append(BEGINNING.pack(SIGNATURE, VERSION))
        if origin is not None:
            writer._append(packed(ORIGIN, packed_origin(origin)))
        return writer

    @classmethod
    def resume(cls, path: Path, masks: int | None = None) -> Self:
        """Goes on after the last whole record: the index or a torn end is cut off.

        Args:
            masks: go on after so many parsings, and cut off those behind.

        Raises CannotOpen, SinkError, BadMessage.
        """
        with Sidecar(path) as read:
            entries, end = read.entries, read.end
            if masks is not None and masks < len(read):
                place = entries.index(read.masks[masks - 1]) + 1 if masks else 0
                entries, end = entries[:place], entries[place].offset
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

    def sync(self) -> None:
        """Returns when all that was written is on the disk. Raises SinkError."""
        with _writing(self._file.name):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Writes the index and closes the file. Safe to call twice. Raises SinkError."""
        if self._file.closed:
            return
        offset = self._end
        try:
            self._append(packed(INDEX, b"".join(ENTRY.pack(*each) for each in self._entries)))
            self._append(TAIL.pack(offset, TAIL_MARK))
            self.sync()
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
        body = b"".join(piece for part in parts for piece in (LENGTH.pack(len(part)), part))
        entry = Entry(is_mask, frame, pts_s, self._end)
        self._append(packed(MESSAGE, body))
        self._entries.append(entry)

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        with _writing(self._file.name):
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
        self._end += len(data)


@contextmanager
def _writing(path: Path | str) -> Iterator[None]:
    try:
        yield
    except FileExistsError as exc:
        raise SinkError(f"{path} exists; name another file, or --force overwrites it") from exc
    except OSError as exc:
        raise SinkError(f"cannot write {path}: {exc.strerror}") from exc
