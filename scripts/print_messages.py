"""Prints one message of each kind as docs/messages.md shows them: the bytes on the wire, and what they say.

python scripts/print_messages.py
python scripts/print_messages.py --golden    writes tests/golden/messages.msgpack and what readers print of it
"""

import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import msgspec
import numpy as np

from pipeline import CIHP, Box, LabelSet, Parsing, Person, Size
from streamer.masks import headers, wire

RUN = UUID("6f1c1f52-0c1e-4f0e-9d2a-3b8e5a7c9d10")
SENT_S = 1790000000.5
"""Unix time of all of them."""
TWO_CLASSES = LabelSet("two", CIHP.classes[:3:2])
"""Background and hair: the schema of all twenty would fill a page."""
BYTES_A_LINE = 16
LINE = 110


GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"
LINES = """\
door schema two: Background, Hair
door mask 42: 7 at 320,0,960,720; Hair 16.67%
door mask 42: 7 at 320,0,960,720; Hair 16.67%
door mask 43: nobody
door heartbeat
door end: the source ended
"""
"""What each of the readers in examples/ prints of the golden messages."""


def main() -> None:
    if sys.argv[1:] == ["--golden"]:
        (GOLDEN / "messages.msgpack").write_bytes(golden())
        (GOLDEN / "messages.txt").write_text(LINES)
        return
    print("\n\n".join("\n".join(shown(parts)) for parts in messages()))


def messages() -> Iterator[list[bytes]]:
    """A schema, a mask, a heartbeat and an end, as a publisher sends them."""
    schema = headers.Schema.of(TWO_CLASSES, run=RUN, published_unix_s=SENT_S)
    yield wire.encode("door", schema)
    yield wire.encode_parsing(
        "door",
        parsing(),
        run=RUN,
        seq=1,
        published_unix_s=SENT_S,
        unix_offset_s=SENT_S - 100.25,
        parser="lite",
        encoding="raw",
    )
    yield wire.encode("door", headers.Heartbeat(v=1, run=RUN, published_unix_s=SENT_S))
    yield wire.encode("door", headers.End(v=1, run=RUN, published_unix_s=SENT_S, reason="the source ended"))


def golden() -> bytes:
    """The same and two masks more, compressed: an array of messages, each an array of its parts."""
    schema, mask, heartbeat, end = messages()
    nothing = np.zeros((3, 4), np.uint8)
    nobody = replace(parsing(), labels=nothing, instances=nothing, people=(), frame_index=43, carried_from=43)
    packed = [
        wire.encode_parsing("door", each, run=RUN, seq=seq, published_unix_s=SENT_S, unix_offset_s=SENT_S - 100.25)
        for seq, each in ((2, parsing()), (3, nobody))
    ]
    return msgspec.msgpack.encode([schema, mask, *packed, heartbeat, end])


def parsing() -> Parsing:
    """Hair, two cells of it, on one person in a frame of 720p."""
    labels = np.zeros((3, 4), np.uint8)
    labels[0, 1:3] = 1
    person = Person(track_id=7, score=0.75, box=Box(320, 0, 960, 720))
    return Parsing(
        labels=labels,
        instances=labels.copy(),
        people=(person,),
        label_set=TWO_CLASSES,
        frame_index=42,
        pts_s=1.4,
        captured_s=100.0,
        frame_size=Size(720, 1280),
        inferred_s=0.0078125,
        carried_from=42,
    )


def shown(parts: Sequence[bytes]) -> Iterator[str]:
    """A message as text: the topic, the header twice, the bodies."""
    yield f"part 0, topic, {len(parts[0])} bytes: {parts[0].decode()}"
    yield f"part 1, header, {len(parts[1])} bytes:"
    yield from dump(parts[1])
    header = msgspec.json.format(msgspec.json.encode(msgspec.msgpack.decode(parts[1])), indent=0).decode()
    yield from textwrap.wrap(f"which says {header}", LINE, break_long_words=False, break_on_hyphens=False)
    for number, body in enumerate(parts[2:], 2):
        yield f"part {number}, body, {len(body)} bytes:"
        yield from dump(body)


def dump(part: bytes) -> Iterator[str]:
    for begin in range(0, len(part), BYTES_A_LINE):
        line = part[begin : begin + BYTES_A_LINE]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)
        yield f"  {begin:04x}  {line.hex(' '):{3 * BYTES_A_LINE}} {letters}"


if __name__ == "__main__":
    main()
