"""Prints a line for each message of a stream; needs pyzmq, msgpack and zstandard, and nothing of this package.

python read_masks.py tcp://127.0.0.1:5556, or a file of messages such as tests/golden/messages.msgpack
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import msgpack
import zmq
import zstandard

MAX_CELLS = 4096 * 4096


def messages(where: str) -> Iterator[list[bytes]]:
    if "://" not in where:
        yield from msgpack.unpackb(Path(where).read_bytes())
        return
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.subscribe(b"hpm1/")
        socket.connect(where)
        while True:
            yield socket.recv_multipart()


def cells(body: bytes, encoding: str, count: int) -> bytes:
    if count > MAX_CELLS or encoding not in ("zstd", "raw"):
        raise ValueError(f"a map of {count} cells as {encoding}")
    if encoding == "raw":
        return body
    return zstandard.ZstdDecompressor().decompress(body, max_output_size=count)


def main() -> None:
    names: list[str] = []
    for topic, packed, *bodies in messages(sys.argv[1]):
        _, stream, kind = topic.decode().split("/")
        header = msgpack.unpackb(packed)
        line = f"{stream} {kind}"
        if kind == "schema":
            names = [each["name"] for each in header["classes"]]
            line += f" {header['label_set']['name']}: {', '.join(names)}"
        elif kind == "mask":
            height, width = header["map_size"]
            layers = {layer["name"]: (body, layer["encoding"]) for layer, body in zip(header["layers"], bodies)}
            labels = cells(*layers["labels"], height * width)
            people = [f"{each['id']} at {','.join(map(str, each['box']))}" for each in header["people"]]
            shares = [f"{names[k]} {100 * labels.count(k) / len(labels):.2f}%" for k in sorted(set(labels) - {0})]
            line += f" {header['frame']}: {'; '.join([*people, *shares]) or 'nobody'}"
        elif kind == "end":
            line += f": {header['reason']}"
        print(line, flush=True)
        if kind == "end":
            return


main()
