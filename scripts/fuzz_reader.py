"""Feeds the reader of messages with mutated ones: each gives a message or `BadMessage`, and memory does not grow.

python -m scripts.fuzz_reader [COUNT] [SEED]
"""

import random
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import psutil

from pipeline import CIHP
from scripts.print_messages import RUN, SENT_S, TWO_CLASSES, messages, parsing
from streamer.errors import BadMessage
from streamer.masks import headers, wire

COUNT = 1_000_000
WARM = 0.1
"""Share of the messages after which memory is measured first."""
INTERESTING = (
    b"\x00",
    b"\xff",
    b"\x80",
    b"\xc0",
    b"\xdd\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xcf" + b"\xff" * 8,
)
"""Pieces of msgpack that claim much: arrays and strings of 4 GB, the largest number."""


def seeds() -> list[list[bytes]]:
    """Messages of every kind and encoding."""
    maps = np.random.default_rng(0).integers(0, 2, (40, 60), np.uint8)
    large = replace(parsing(), labels=maps, instances=maps)
    told = {"run": RUN, "seq": 1, "published_unix_s": SENT_S, "unix_offset_s": 0.0}
    found = [*messages(), *(wire.encode_parsing("door", large, **told, encoding=each) for each in wire.ENCODINGS)]
    return [*found, wire.encode("door", headers.Schema.of(CIHP, run=RUN, published_unix_s=SENT_S))]


def mutated(parts: list[bytes], luck: random.Random, others: list[list[bytes]]) -> list[bytes]:
    """One to four changes: bytes flipped, put in, taken out, cut off or taken from another message."""
    parts = list(parts)
    for _ in range(luck.randint(1, 4)):
        if not parts or luck.random() < 0.05:
            parts.insert(luck.randint(0, len(parts)), luck.choice(luck.choice(others)))
            continue
        place = luck.randrange(len(parts))
        part = parts[place]
        at = luck.randint(0, len(part))
        match luck.randrange(6):
            case 0:
                part = part[:at] + bytes([luck.randrange(256)]) + part[at + 1 :]
            case 1:
                part = part[:at] + luck.choice(INTERESTING) + part[at:]
            case 2:
                part = part[:at] + part[at + luck.randint(1, 8) :]
            case 3:
                part = part[:at]
            case 4:
                part = part[:at] + luck.choice(luck.choice(others))[at:]
            case 5 if luck.random() < 0.2:
                del parts[place]
                continue
        parts[place] = part
    return parts


def results(count: int, seed: int) -> Iterator[str]:
    """What became of each message: its kind, `mask read`, or `refused`. Raises what must not be raised."""
    luck, known = random.Random(seed), seeds()
    for _ in range(count):
        try:
            message = wire.decode(mutated(luck.choice(known), luck, known))
            if isinstance(message.header, headers.Mask):
                wire.decode_parsing(message.header, message.bodies, TWO_CLASSES, 0.0)
                yield "mask read"
            else:
                yield type(message.header).__name__.lower()
        except BadMessage:
            yield "refused"


def main(count: int = COUNT, seed: int = 0) -> int:
    process, began_s = psutil.Process(), time.process_time()
    found: Counter[str] = Counter()
    first = 0
    for number, result in enumerate(results(count, seed)):
        found[result] += 1
        if number == int(count * WARM):
            first = process.memory_info().rss
    grown = process.memory_info().rss - first
    print(f"{count} messages in {time.process_time() - began_s:.0f} s of processor time: {dict(found)}")
    print(f"memory grew by {grown / 1e6:.1f} MB after the first tenth")
    return int(grown > 20e6)


if __name__ == "__main__":
    parser = ArgumentParser(prog="python -m scripts.fuzz_reader", description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, nargs="?", default=COUNT, help="messages")
    parser.add_argument("seed", type=int, nargs="?", default=0, help="another one makes other messages")
    sys.exit(main(**vars(parser.parse_args())))
