"""HEIC as telephones write it: tiles, each a key frame of HEVC, put together, cropped and turned to be seen."""

import io
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

TILE = 64
_GRID = 1
"""The number of the whole picture; the tiles have those after it."""


def write_heic(path: Path, bgr: NDArray[np.uint8], turns: int = 0) -> Path:
    """Writes one.

    Args:
        bgr: as it is stored, of even height and width.
        turns: by 90 degrees counterclockwise, of whoever shows it.
    """
    height, width = bgr.shape[:2]
    rows, columns = -(-height // TILE), -(-width // TILE)
    padded = np.pad(bgr, ((0, rows * TILE - height), (0, columns * TILE - width), (0, 0)), "edge")
    coded = [
        _key_frame(padded[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE])
        for row in range(rows)
        for column in range(columns)
    ]
    head = _box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    grid = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    tiles = [tile for _, tile in coded]
    at = len(head) + len(_meta(coded[0][0], grid, tiles, 0, (height, width), turns)) + 8
    meta = _meta(coded[0][0], grid, tiles, at, (height, width), turns)
    path.write_bytes(head + meta + _box(b"mdat", *tiles))
    return path


def _key_frame(bgr: NDArray[np.uint8]) -> tuple[bytes, bytes]:
    """How a decoder of HEVC is set up, and a picture."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream: Any = out.add_stream("libx265", 1, {"x265-params": "pools=none:frame-threads=1:log-level=error:crf=8"})
        stream.height, stream.width, stream.pix_fmt = *bgr.shape[:2], "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(bgr), format="bgr24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=5, dst_color_range=1)
        frame.pts, frame.time_base = 0, Fraction(1)
        (packet,) = stream.encode(frame) + stream.encode(None)
        packet.pts = packet.dts = 0  # of a single picture, x265 does not always say them
        out.mux(packet)
    file.seek(0)
    with av.open(file, "r") as written:
        video = written.streams.video[0]
        return bytes(video.codec_context.extradata or b""), bytes(next(written.demux(video)))


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def _full(kind: bytes, version: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24), *parts)


def _meta(decoder: bytes, grid: bytes, tiles: list[bytes], at: int, size: tuple[int, int], turns: int) -> bytes:
    """ISO/IEC 23008-12, with the tiles in the file from a place on, and their arrangement in here."""
    numbers = range(_GRID + 1, _GRID + 1 + len(tiles))
    kinds = [(_GRID, b"grid"), *((number, b"hvc1") for number in numbers)]
    entries = [_full(b"infe", 2, struct.pack(">HH", number, 0), kind, b"\0") for number, kind in kinds]
    places = [struct.pack(">HHHHII", _GRID, 1, 0, 1, 0, len(grid))]
    for number, tile in zip(numbers, tiles):
        places.append(struct.pack(">HHHHII", number, 0, 0, 1, at, len(tile)))
        at += len(tile)
    whole, part = (_full(b"ispe", 0, struct.pack(">II", width, height)) for height, width in ((size), (TILE, TILE)))
    said = _box(b"ipco", _box(b"hvcC", decoder), part, whole, _box(b"irot", bytes([turns])))
    of_tiles = b"".join(struct.pack(">HBBB", number, 2, 0x81, 0x02) for number in numbers)
    which = _full(b"ipma", 0, struct.pack(">IHBBB", len(kinds), _GRID, 2, 0x03, 0x84), of_tiles)
    arranged = _box(b"dimg", struct.pack(f">HH{len(tiles)}H", _GRID, len(tiles), *numbers))
    return _full(
        b"meta",
        0,
        _full(b"hdlr", 0, bytes(4), b"pict", bytes(13)),
        _full(b"pitm", 0, struct.pack(">H", _GRID)),
        _full(b"iloc", 1, struct.pack(">BBH", 0x44, 0, len(kinds)), *places),
        _full(b"iinf", 0, struct.pack(">H", len(kinds)), *entries),
        _full(b"iref", 0, arranged),
        _box(b"iprp", said, which),
        _box(b"idat", grid),
    )
