"""Parsings as messages and back: bytes only, version `hpm1`. What is read here may come from anybody.

A message is a list of parts: a topic, a header in msgpack and, for a mask, one body a layer. Whatever the bytes,
reading them gives a message or `BadMessage`, and takes no more memory than the largest map. Readers skip keys
and layers that they do not know.

`Parsing.captured_s` is monotonic and means nothing on another machine, so it travels as unix time. Each side
passes its own `unix_offset_s`, unix time less monotonic time, and what is read is on the reader's monotonic
clock: as right as the two machines' clocks agree.
"""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec
import numpy as np
import zstandard

from pipeline import BadPicture, Face, LabelSet, Parsing, Person, Size
from pipeline.types import LabelMap
from streamer.errors import BadMessage, ConfigError, SinkError
from streamer.masks import faces
from streamer.masks.headers import (
    MAX_PIXELS,
    End,
    Header,
    Heartbeat,
    LabelSetKey,
    Layer,
    Mask,
    PersonEntry,
    Schema,
)

PROTOCOL = "hpm1"
ENCODINGS = ("zstd", "raw", "png")

MAX_HEADER_BYTES = 64 * 1024
"""Maximum number of bytes in a header."""
MAX_PART_BYTES = MAX_PIXELS + 64 * 1024
"""Maximum number of bytes in any part: the largest map where it does not compress, and its encoding's overhead."""

_TOPIC = re.compile(rb"(hpm\d{1,6})/([A-Za-z0-9._-]{1,64})/([a-z]{1,16})")
_STREAM = re.compile("[A-Za-z0-9._-]{1,64}")
_PNG_START = struct.Struct(">8s I4s II BB")
"""Signature; length and name of the first chunk; width, height; bits a sample, colour type."""

_DECODERS: dict[str, msgspec.msgpack.Decoder[Header]] = {
    "mask": msgspec.msgpack.Decoder(Mask),
    "schema": msgspec.msgpack.Decoder(Schema),
    "heartbeat": msgspec.msgpack.Decoder(Heartbeat),
    "end": msgspec.msgpack.Decoder(End),
}


def topic(stream: str, kind: str = "") -> bytes:
    """Part 0 of a message; without a kind, the prefix of all topics of a stream. Raises ConfigError."""
    if not _STREAM.fullmatch(stream):
        raise ConfigError(f"stream {stream!r}: a name has 1 to 64 letters a-z or A-Z, digits, '.', '_', '-'")
    return f"{PROTOCOL}/{stream}/{kind}".encode()


def check_encoding(name: str) -> None:
    """Raises ConfigError for a name that is not one of `ENCODINGS`."""
    if name not in ENCODINGS:
        raise ConfigError(_no_encoding(name))


@dataclass(frozen=True, slots=True)
class Message:
    """A message whose topic and header are decoded, and whose maps are not yet."""

    stream: str
    header: Header
    bodies: tuple[bytes, ...]
    """One for each layer of a mask."""


def encode(stream: str, header: Header, bodies: Sequence[bytes] = ()) -> list[bytes]:
    """The parts of a message. Raises SinkError for a message that readers would refuse."""
    kind = type(header).__name__.lower()
    try:
        parts = [topic(stream, kind), msgspec.msgpack.encode(header), *bodies]
        # Otherwise each subscriber would refuse what nobody noticed here.
        decode(parts)
    except (BadMessage, ValueError, TypeError, OverflowError) as exc:
        raise SinkError(f"no subscriber would take this {kind}: {exc}") from exc
    return parts


def encode_parsing(
    stream: str,
    parsing: Parsing,
    *,
    run: UUID,
    seq: int,
    published_unix_s: float,
    unix_offset_s: float,
    parser: str = "",
    dropped: int = 0,
    encoding: str = "zstd",
) -> list[bytes]:
    """A mask's parts; `encoding` is one of `ENCODINGS`, for the rest see `Mask`.

    Raises:
        ConfigError: no such encoding.
        SinkError: something in the parsing that readers would refuse; a box that leaves the frame, for one.
    """
    check_encoding(encoding)
    maps = {"labels": parsing.labels, "instances": parsing.instances}
    layers = [(name, encoding, _encode_map(ids, encoding)) for name, ids in maps.items()]
    if parsing.faces is not None:
        layers.append((faces.NAME, faces.ENCODING, faces.encode_faces(parsing.faces)))
    header = Mask(
        v=1,
        run=run,
        published_unix_s=published_unix_s,
        seq=seq,
        frame=parsing.frame_index,
        pts_s=parsing.pts_s,
        captured_unix_s=parsing.captured_s + unix_offset_s,
        inferred_s=parsing.inferred_s,
        frame_size=parsing.frame_size,
        map_size=parsing.map_size,
        carried_from=parsing.carried_from,
        label_set=LabelSetKey.of(parsing.label_set),
        parser=parser,
        people=tuple(PersonEntry(each.track_id, each.score, each.box) for each in parsing.people),
        dropped=dropped,
        layers=tuple(Layer(name, how) for name, how, _ in layers),
    )
    return encode(stream, header, [body for _, _, body in layers])


def decode(parts: Sequence[bytes]) -> Message:
    """Reads topic and header of a message from the network. Raises BadMessage."""
    if len(parts) < 2:
        raise BadMessage(f"a message has a topic and a header, not {len(parts)} parts")
    stream, kind = _read_topic(parts[0])
    header = _read_header(kind, parts[1])
    layers = len(header.layers) if isinstance(header, Mask) else 0
    if len(parts) != 2 + layers:
        raise BadMessage(f"a {kind} of {layers} layers has {2 + layers} parts, not {len(parts)}")
    return Message(stream, header, tuple(parts[2:]))


def _read_topic(part: bytes) -> tuple[str, str]:
    """Stream and kind."""
    match = _TOPIC.fullmatch(part)
    if match is None:
        raise BadMessage(f"topic {part[:80]!r} is not {PROTOCOL}/STREAM/KIND")
    protocol, stream, kind = (each.decode() for each in match.groups())
    if protocol != PROTOCOL:
        raise BadMessage(f"a message of version {protocol}; this program reads {PROTOCOL}")
    if kind not in _DECODERS:
        raise BadMessage(f"no kind of message {kind!r}; there are: {', '.join(_DECODERS)}")
    return stream, kind


def _read_header(kind: str, part: bytes) -> Header:
    if len(part) > MAX_HEADER_BYTES:
        raise BadMessage(f"a header of {len(part)} bytes; {MAX_HEADER_BYTES} at most")
    try:
        header = _DECODERS[kind].decode(part)
        header.check()
    except (ValueError, RecursionError) as exc:
        raise BadMessage(f"the header of a {kind}: {exc}") from exc
    return header


def decode_parsing(mask: Mask, bodies: Sequence[bytes], label_set: LabelSet, unix_offset_s: float) -> Parsing:
    """A parsing from what `decode` gave. Its maps are read-only.

    Raises:
        BadMessage: ids of another label set, or maps that are not what the header says.
    """
    if label_set.fingerprint != mask.label_set.hash:
        raise BadMessage(f"ids of {mask.label_set} cannot be read with {LabelSetKey.of(label_set)}")
    try:
        return Parsing(
            labels=_map(mask, bodies, "labels"),
            instances=_map(mask, bodies, "instances"),
            people=tuple(Person(each.id, each.score, each.box) for each in mask.people),
            label_set=label_set,
            frame_index=mask.frame,
            pts_s=mask.pts_s,
            captured_s=mask.captured_unix_s - unix_offset_s,
            frame_size=mask.frame_size,
            inferred_s=mask.inferred_s,
            carried_from=mask.carried_from,
            faces=_faces(mask, bodies),
        )
    except BadPicture as exc:
        raise BadMessage(f"a mask whose {exc}") from exc


def _map(mask: Mask, bodies: Sequence[bytes], name: str) -> LabelMap:
    for layer, body in zip(mask.layers, bodies):
        if layer.name == name:
            return _decode_map(body, layer.encoding, mask.map_size)
    raise BadMessage(f"a mask without {name}")


def _faces(mask: Mask, bodies: Sequence[bytes]) -> tuple[Face, ...] | None:
    """None where nobody looked for faces, or they are in a form of a later version."""
    for layer, body in zip(mask.layers, bodies):
        if (layer.name, layer.encoding) == (faces.NAME, faces.ENCODING):
            return faces.decode_faces(body, mask.frame_size)
    return None


def _encode_map(ids: LabelMap, encoding: str) -> bytes:
    match encoding:
        case "zstd":
            return _to_zstd(ids)
        case "png":
            return _to_png(ids)
        case _:
            return ids.tobytes()


def _decode_map(body: bytes, encoding: str, size: Size) -> LabelMap:
    match encoding:
        case "zstd":
            ids = _from_zstd(body, size.area)
        case "png":
            ids = _from_png(body, size)
        case "raw":
            ids = body
        case _:
            raise BadMessage(_no_encoding(encoding))
    if len(ids) != size.area:
        raise BadMessage(f"a map of {size} cannot have {len(ids)} ids")
    return np.frombuffer(ids, np.uint8).reshape(size)


def _no_encoding(name: str) -> str:
    return f"no encoding {name!r}; there are: {', '.join(ENCODINGS)}"


def _from_zstd(body: bytes, pixels: int) -> bytes:
    try:
        # Memory is taken for the size that the frame claims, so the claim comes first; -1 is none.
        if zstandard.frame_content_size(body) not in (-1, pixels):
            raise BadMessage(f"a compressed map that does not claim {pixels} ids")
        decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_PIXELS)
        return decompressor.decompress(body, max_output_size=pixels, allow_extra_data=False)
    except zstandard.ZstdError as exc:
        raise BadMessage(f"a compressed map: {exc}") from exc


def _to_zstd(ids: LabelMap) -> bytes:
    try:
        return zstandard.ZstdCompressor(level=1).compress(ids.tobytes())
    except zstandard.ZstdError as exc:
        raise SinkError(f"a map of {Size(*ids.shape)} cannot be compressed: {exc}") from exc


def _to_png(ids: LabelMap) -> bytes:
    import cv2

    done, png = cv2.imencode(".png", ids)
    if not done:
        raise SinkError(f"a map of {Size(*ids.shape)} cannot be made a PNG")
    return png.tobytes()


def _from_png(body: bytes, size: Size) -> bytes:
    from cv2 import IMREAD_UNCHANGED

    from pipeline.pictures import decoded

    # Whole claim first, as for zstd: eight bits a pixel, grey, and of this size.
    expected = _PNG_START.pack(b"\x89PNG\r\n\x1a\n", 13, b"IHDR", size.width, size.height, 8, 0)
    if not body.startswith(expected):
        raise BadMessage(f"a map that is no grey PNG of {size}")
    ids = decoded(np.frombuffer(body, np.uint8), IMREAD_UNCHANGED)
    if ids is None:
        raise BadMessage("a map whose PNG is damaged")
    return ids.tobytes()
