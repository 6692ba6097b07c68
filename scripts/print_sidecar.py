"""Prints a whole sidecar as docs/sidecar.md shows it: each piece, its bytes, and what they say.

python -m scripts.print_sidecar
"""

import struct
import textwrap
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from scripts.print_messages import LINE, dump, parsing
from streamer.masks.origin import Origin, ParserKey, SourceKey
from streamer.masks.records import BEGINNING, ENTRY, HEAD, INDEX, MESSAGE, ORIGIN, TAIL
from streamer.masks.sidecar_writer import SidecarWriter

KINDS = {MESSAGE: "message", INDEX: "index", ORIGIN: "origin"}


def main() -> None:
    print("\n".join(shown(golden())))


def golden() -> bytes:
    """The sidecar of a video of one frame."""
    key = ParserKey(
        name="lite", weights="6aa02b58", runtime="openvino", precision="f32", size="auto", refine=False,
        sensitivity="normal", faces=False, reading=3,
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        path = Path(folder) / "golden.hpm"
        with SidecarWriter.create(path, Origin(source=SourceKey("door.mp4", "00ff"), parser=key)) as writer:
            writer.write(parsing(), parser="lite")
        return path.read_bytes()


def shown(whole: bytes) -> Iterator[str]:
    """Each piece as text."""
    yield f"byte 0, the beginning, {BEGINNING.size} bytes:"
    yield from dump(whole[: BEGINNING.size])
    place = BEGINNING.size
    while place < len(whole) - TAIL.size:
        _, kind, length, _ = HEAD.unpack_from(whole, place)
        body = whole[place + HEAD.size : place + HEAD.size + length]
        yield f"byte {place}, a record, {KINDS[kind]}: its head, {HEAD.size} bytes, and its body, {length} bytes:"
        yield from dump(whole[place : place + HEAD.size])
        yield from (_parts if kind == MESSAGE else dump)(body)
        if kind == ORIGIN:
            says = msgspec.json.format(msgspec.json.encode(msgspec.msgpack.decode(body)), indent=0).decode()
            yield from textwrap.wrap(f"which says {says}", LINE, break_long_words=False, break_on_hyphens=False)
        if kind == INDEX:
            yield from (f"which says {entry}" for entry in ENTRY.iter_unpack(body))
        place += HEAD.size + length
    yield f"byte {place}, the tail, {TAIL.size} bytes:"
    yield from dump(whole[place:])


def _parts(body: bytes) -> Iterator[str]:
    place = 0
    for number in range(4):
        if place == len(body):
            return
        (length,) = struct.unpack_from(">I", body, place)
        part = body[place + 4 : place + 4 + length]
        yield f"part {number}: its length, 4 bytes, and {length} bytes{'' if number != 1 else ', the header'}"
        if number != 1:
            yield from dump(part)
        place += 4 + length


if __name__ == "__main__":
    main()
