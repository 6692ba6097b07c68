"""The records of a sidecar, byte by byte; `docs/sidecar.md` says what they are for."""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from streamer.errors import BadMessage, ConfigError
from streamer.masks import wire

SUFFIX = ".hpm"
SIGNATURE = b"\x89HPM\r\n\x1a\n"
VERSION = 1
MAX_BODY_BYTES = wire.MAX_HEADER_BYTES + 8 * wire.MAX_PART_BYTES
"""In any record; an index of that size has the places of five million masks."""

BEGINNING = struct.Struct(">8sH")
"""The signature, the version."""
MARKER = b"\xf5HPR"
HEAD = struct.Struct(">4sBII")
"""The marker, the kind, the length of the body, the CRC-32 of kind and body."""
MESSAGE, INDEX, ORIGIN = 1, 2, 3
LENGTH = struct.Struct(">I")
ENTRY = struct.Struct(">BQdQ")
"""In the index, for each message: whether it is a mask, its frame, that frame's time in seconds, its offset."""
TAIL = struct.Struct(">Q8s")
"""The offset of the index, and `TAIL_MARK`."""
TAIL_MARK = b"HPMindex"


@dataclass(frozen=True, slots=True)
class Record:
    """A whole record, its checksum right."""

    kind: int
    body: bytes
    offset: int

    @property
    def end(self) -> int:
        return self.offset + HEAD.size + len(self.body)


def check_sidecar_name(path: Path) -> None:
    """Raises ConfigError for the name of a file to write that does not end as a sidecar's does."""
    if path.suffix != SUFFIX:
        raise ConfigError(f"masks must end with {SUFFIX}, not be {str(path)!r}")


def is_sidecar(path: Path) -> bool:
    """Whether a file begins as a sidecar does, of any version; False if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
    except OSError:
        return False


def packed(kind: int, body: bytes) -> bytes:
    """The bytes of a record."""
    return HEAD.pack(MARKER, kind, len(body), crc_of(kind, body)) + body


def crc_of(kind: int, body: bytes) -> int:
    """As the head of a record has it."""
    return zlib.crc32(body, kind)


def parts_of(body: bytes) -> list[bytes]:
    """The parts of a message from the body of its record. Raises BadMessage."""
    parts = []
    place = 0
    while place < len(body):
        if len(body) - place < LENGTH.size:
            raise BadMessage("a message whose parts are cut off")
        (length,) = LENGTH.unpack_from(body, place)
        place += LENGTH.size
        if length > len(body) - place:
            raise BadMessage("a message whose parts are cut off")
        parts.append(body[place : place + length])
        place += length
    return parts
