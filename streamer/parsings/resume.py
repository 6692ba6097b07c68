"""Parsings that are kept while a file is parsed, so that a run which was killed is gone on with.

Beside the sidecar stands, until all is parsed, a file with the parser's memory after so many parsings. Who resumes cuts
off what came after these, loads the memory and parses on: the sidecar becomes that of a run that nobody killed.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from pipeline import Frame
from streamer.errors import CannotOpen, ConfigError, SinkError
from streamer.masks.origin import Origin
from streamer.masks.records import BEGINNING, SIGNATURE, VERSION
from streamer.masks.sidecar import Sidecar
from streamer.masks.sidecar_writer import SidecarWriter
from streamer.parsings.identity import check_origin
from streamer.parsings.parsed import FrameParser, FramesParsed, Saved

SAVE_EVERY = 100
"""Parsings after which the memory is saved."""
MAX_MEMORY_BYTES = 1 << 27

_HEAD = struct.Struct(">8sQ16s")
"""The signature, the number of parsings, the digest of the memory."""
_SIGNATURE = b"HPMmemo1"


def memory_path(masks: Path) -> Path:
    """The file with the memory of a run that has not ended."""
    return masks.with_name(masks.name + ".memory")


def is_finished(masks: Path) -> bool:
    """Whether a sidecar has the parsings of all of a file. Raises CannotOpen, BadMessage for what is no sidecar."""
    if not masks.exists() or memory_path(masks).exists() or _hardly_begun(masks):
        return False
    with Sidecar(masks) as sidecar:
        return sidecar.has_index and bool(sidecar.masks)


class Keeper:
    """Keeps the parsings of one file while they are made."""

    def __init__(self, path: Path, origin: Origin, parser: FrameParser, *, force: bool) -> None:
        self._path, self._origin, self._parser, self._force = path, origin, parser, force
        self._finished = False

    @contextmanager
    def begun(self, frames: Iterator[Frame], *, stills: bool) -> Iterator[FramesParsed]:
        """Parses from the first frame on."""
        _forget(self._path)
        with SidecarWriter.create(self._path, self._origin, force=self._force) as writer:
            yield self._kept(frames, writer, stills)
            self._save_if_stopped(writer)
        self._end()

    @contextmanager
    def resumed(self, frames: Iterator[Frame], *, stills: bool) -> Iterator[FramesParsed]:
        """Reads the parsings that there are, and parses on. Raises ConfigError where those are of another run."""
        if not self._path.exists() or _hardly_begun(self._path):
            self._force = True  # of what a run left that was killed at once
            with self.begun(frames, stills=stills) as pairs:
                yield pairs
            return
        with Sidecar(self._path) as sidecar:
            check_origin(sidecar, self._origin)
            if is_finished(self._path):
                yield _read(frames, sidecar, len(sidecar))
                return
            self._check_resumable()
            saved = self._saved(len(sidecar))
            with SidecarWriter.resume(self._path, saved.masks) as writer:
                yield self._gone_on(frames, sidecar, saved, writer, stills)
                self._save_if_stopped(writer)
        self._end()

    def _gone_on(
        self, frames: Iterator[Frame], sidecar: Sidecar, saved: Saved, writer: SidecarWriter, stills: bool
    ) -> FramesParsed:
        yield from _read(islice(frames, saved.masks), sidecar, saved.masks)
        self._parser.load(saved)
        yield from self._kept(frames, writer, stills)

    def _kept(self, frames: Iterator[Frame], writer: SidecarWriter, stills: bool) -> FramesParsed:
        for frame, parsing in self._parser.parsed(frames, self._origin.parse_every, stills=stills):
            writer.write(parsing, parser=self._origin.parser.name)
            if writer.masks % SAVE_EVERY == 0:
                self._save(writer)
            yield frame, parsing
        self._finished = True

    def _check_resumable(self) -> None:
        if self._origin.parse_every > 1:
            raise ConfigError(
                f"{self._path} is not complete, and with parse_every {self._origin.parse_every} it cannot be resumed:"
                " masks between two parsed frames are made of both; --force begins anew"
            )

    def _save(self, writer: SidecarWriter) -> None:
        if self._origin.parse_every > 1:
            return
        writer.sync()
        saved = self._parser.saved(writer.masks)
        head = _HEAD.pack(_SIGNATURE, saved.masks, _digest(saved.memory))
        path = memory_path(self._path)
        partial = path.with_name(path.name + ".partial")
        try:
            with partial.open("wb") as file:
                file.write(head + saved.memory)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as exc:
            raise SinkError(f"cannot write {path}: {exc.strerror}") from exc

    def _save_if_stopped(self, writer: SidecarWriter) -> None:
        if not self._finished:
            self._save(writer)

    def _end(self) -> None:
        if self._finished:
            _forget(self._path)

    def _saved(self, masks: int) -> Saved:
        """The memory to go on from: of none, from the beginning."""
        path = memory_path(self._path)
        if not path.exists():
            return Saved()
        try:
            with path.open("rb") as file:
                head, memory = file.read(_HEAD.size), file.read(MAX_MEMORY_BYTES)
        except OSError as exc:
            raise CannotOpen(f"cannot read {path}: {exc.strerror}") from exc
        if len(head) < _HEAD.size or not head.startswith(_SIGNATURE):
            raise ConfigError(f"{path} is of another version; delete it, and all is parsed again")
        _, count, digest = _HEAD.unpack(head)
        if digest != _digest(memory) or count > masks:
            raise ConfigError(f"{path} does not belong to {self._path}; delete it, and all is parsed again")
        return Saved(count, memory)


def _read(frames: Iterator[Frame], sidecar: Sidecar, count: int) -> FramesParsed:
    for frame, entry in zip(frames, sidecar.masks[:count], strict=False):
        if frame.index != entry.frame:
            raise ConfigError(f"{sidecar.path} has frame {entry.frame} where the source has {frame.index}")
        yield frame, sidecar.read(entry)


def _digest(memory: bytes) -> bytes:
    return hashlib.blake2b(memory, digest_size=16).digest()


def _forget(masks: Path) -> None:
    with suppress(OSError):
        memory_path(masks).unlink(missing_ok=True)


def _hardly_begun(path: Path) -> bool:
    """Whether a run was killed before it had written its first record."""
    beginning = BEGINNING.pack(SIGNATURE, VERSION)
    try:
        with path.open("rb") as file:
            found = file.read(len(beginning) + 1)
    except OSError as exc:
        raise CannotOpen(f"cannot open {path}: {exc.strerror}") from exc
    return beginning.startswith(found)
