"""The folder of downloads and conversions, and files in it that are whole or not there."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

from pipeline.errors import WeightsError


def cache_folder() -> Path:
    """The folder of downloads and conversions: $M2FP_STREAMER_CACHE, or the user cache of this system."""
    named = os.environ.get("M2FP_STREAMER_CACHE")
    return Path(named) if named else platformdirs.user_cache_path("m2fp-streamer")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields where to write what takes the place of `path` when all went well, and is deleted when not."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink()


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """OSErrors of what is done with a path become WeightsError, with the file and the cure."""
    try:
        yield
    except OSError as exc:
        where = Path(exc.filename or path)
        cure = "; set $M2FP_STREAMER_CACHE to another folder" if where.is_relative_to(cache_folder()) else ""
        raise WeightsError(f"cannot use {where}: {exc.strerror or exc}{cure}") from exc


def digest_of(file: Path) -> str:
    """The SHA-256 of a file, in hex digits. Raises WeightsError."""
    with disk_errors(file), file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
