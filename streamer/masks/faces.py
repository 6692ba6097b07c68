"""The faces of a parsing as the bytes of a layer, `faces`, in msgpack."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pipeline import Box, Face, Size
from pipeline.geometry import Point
from pipeline.types import Estimate, Gender
from streamer.errors import BadMessage
from streamer.masks.headers import MAX_COUNT

NAME, ENCODING = "faces", "msgpack"
MAX_FACES = 4096
MAX_FACES_BYTES = 2**20
POINTS = 5

_Years = Annotated[float, Meta(ge=0, le=200)]
_Place = Annotated[float, Meta(ge=-1e6, le=1e6)]


class EstimateEntry(msgspec.Struct, frozen=True):
    """An `Estimate`."""

    age: _Years
    age_range: tuple[_Years, _Years]
    p_male: Annotated[float, Meta(ge=0, le=1)]
    gender: Gender | None
    looks: Annotated[int, Meta(ge=1, le=MAX_COUNT)]


class FaceEntry(msgspec.Struct, frozen=True):
    """A `Face`; `person` is a track id, nil for a face of nobody."""

    box: Box
    points: Annotated[tuple[tuple[_Place, _Place], ...], Meta(min_length=POINTS, max_length=POINTS)]
    score: Annotated[float, Meta(ge=0, le=1)]
    person: Annotated[int, Meta(ge=0, le=MAX_COUNT)] | None = None
    estimate: EstimateEntry | UnsetType | None = UNSET
    """Left out of faces that nobody guessed about."""


_DECODER = msgspec.msgpack.Decoder(Annotated[tuple[FaceEntry, ...], Meta(max_length=MAX_FACES)])


def encode_faces(faces: Sequence[Face]) -> bytes:
    """The body of the layer: the surest faces, as many as a reader takes."""
    entries = (
        FaceEntry(each.box, tuple(each.points), each.score, each.person, _entry(each.estimate))
        for each in faces[:MAX_FACES]
    )
    return msgspec.msgpack.encode(tuple(entries))


def decode_faces(body: bytes, frame_size: Size) -> tuple[Face, ...]:
    """Reads a body from the network. Raises BadMessage."""
    if len(body) > MAX_FACES_BYTES:
        raise BadMessage(f"faces of {len(body)} bytes; {MAX_FACES_BYTES} at most")
    try:
        entries = _DECODER.decode(body)
    except (ValueError, RecursionError) as exc:
        raise BadMessage(f"the faces of a mask: {exc}") from exc
    height, width = frame_size
    for box in (each.box for each in entries):
        if not (0 <= box.left <= box.right <= width and 0 <= box.top <= box.bottom <= height):
            raise BadMessage(f"a face whose {box} is not inside a frame of {frame_size}")
    return tuple(
        Face(each.box, tuple(Point(*point) for point in each.points), each.score, each.person, _estimate(each.estimate))
        for each in entries
    )


def _entry(told: Estimate | None) -> EstimateEntry | UnsetType:
    if told is None:
        return UNSET
    return EstimateEntry(told.age_years, told.age_range, min(1.0, told.p_male), told.gender, told.looks)


def _estimate(entry: EstimateEntry | UnsetType | None) -> Estimate | None:
    if entry is None or entry is UNSET:
        return None
    return Estimate(entry.age, entry.age_range, entry.p_male, entry.gender, entry.looks)
