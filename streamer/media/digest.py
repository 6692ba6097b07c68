"""Digests of files by which one is known again: of its size and three pieces, so that long videos cost no time."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from streamer.errors import CannotOpen

PIECE_BYTES = 1 << 20
DIGEST_BYTES = 16


def digest_of(paths: Iterable[Path]) -> str:
    """Hex digits that differ for files that differ in their size, beginning, middle or end. Raises CannotOpen."""
    found = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for path in paths:
        try:
            with path.open("rb") as file:
                size = path.stat().st_size
                found.update(size.to_bytes(8, "big"))
                for offset in (0, size // 2, size - PIECE_BYTES):
                    file.seek(max(0, offset))
                    found.update(file.read(PIECE_BYTES))
        except OSError as exc:
            raise CannotOpen(f"cannot read {path}: {exc.strerror}") from exc
    return found.hexdigest()
