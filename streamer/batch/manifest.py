"""The record of a run over many files: a line of JSON for each that was begun, and for what became of it.

A run holds a lock on its file, so that a second one that would write the same files is told. What a killed run left is
read again: who resumes leaves out what is done.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Literal

import msgspec

from streamer.errors import ConfigError, SinkError

_LOCKED_AT = 1 << 40
"""Windows locks bytes, which nobody else can read then: one behind all that is ever written."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line."""

    out: str
    """The file, from the folder that it is in."""
    source: str
    state: Literal["begun", "done", "failed", "stopped"]
    exit: int | None = None
    """0 if it is done; 1 where it cannot be rendered; 130 where the run was stopped; else the exit code of the last
    process that it ended, below 0 for a signal."""
    why: str = ""
    frames: int = 0
    seconds: float = 0.0
    tries: int = 0
    settings: str = ""
    """Digest of how it is rendered."""
    version: str = ""
    """Of the source: its size and when it was changed."""
    fresh: bool = False
    """Of one that is begun: there was no such file before."""


class Manifest:
    """The record of a run, and what those before it left. `with` closes it. `write` is for any thread."""

    def __init__(self, folder: Path, number: int = 1, of: int = 1) -> None:
        """
        Args:
            folder: that the files are written into; it exists.
            number, of: the run's share of the files, where several runs have one each.

        Raises:
            SinkError: it cannot be written.
            ConfigError: another run writes the same files.
        """
        self.path = folder / _name(number, of)
        self._lock = threading.Lock()
        self.last: dict[str, Entry] = {}
        """The last line of each file, by its `out`, of all runs into the folder."""
        self._file = _opened(self.path)
        try:
            _hold(self._file, self.path)
            for other in sorted(folder.glob("manifest*.jsonl")):
                self.last |= {each.out: each for each in _entries(other)}
                if other != self.path and _shares(other.name) != of:
                    with _opened(other) as file:
                        _hold(file, other)
            self.last |= {each.out: each for each in _entries(self.path)}
            self._end_torn_line()
        except BaseException:
            self._file.close()
            raise

    def write(self, entry: Entry) -> None:
        """Returns when it is on the disk. Raises SinkError."""
        with self._lock, _writing(self.path):
            rest = memoryview(msgspec.json.encode(entry) + b"\n")
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
            os.fsync(self._file.fileno())
            self.last[entry.out] = entry

    def close(self) -> None:
        """Safe to call twice."""
        self._file.close()

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _end_torn_line(self) -> None:
        with _writing(self.path):
            size = self._file.seek(0, os.SEEK_END)
            if size:
                self._file.seek(size - 1)
                if self._file.read(1) != b"\n":
                    self._file.write(b"\n")


def _name(number: int, of: int) -> str:
    return "manifest.jsonl" if of == 1 else f"manifest-{number}-of-{of}.jsonl"


def _shares(name: str) -> int:
    """Among how many runs the files were shared by whoever writes a manifest of this name."""
    number = name.removesuffix(".jsonl").rpartition("-of-")[2]
    return int(number) if number.isdecimal() else 1


def _entries(path: Path) -> Iterator[Entry]:
    """The lines of a manifest but those that a killed run, or a full disk, left torn."""
    with _writing(path):
        lines = path.read_bytes().splitlines() if path.is_file() else []
    for line in lines:
        with suppress(msgspec.MsgspecError):
            yield msgspec.json.decode(line, type=Entry)


def _opened(path: Path) -> FileIO:
    with _writing(path):
        return path.open("a+b", buffering=0)


def _hold(file: FileIO, path: Path) -> None:
    """Locks a file until it is closed, or the process ends, however that is. Raises ConfigError where another does."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(_LOCKED_AT)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        raise ConfigError(
            f"another run writes into {path.parent} now, by its {path.name}: wait for its end, or give each of N runs"
            " a --shard I/N of its own"
        ) from exc


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise SinkError(f"cannot write {path}: {exc.strerror}") from exc
