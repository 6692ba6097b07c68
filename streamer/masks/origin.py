"""The origin of a sidecar: the video that its parsings are of, and the parser that made them, as its first record."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from streamer.errors import BadMessage

MAX_BYTES = 64 * 1024
MAX_NAME = 200
"""Maximum number of characters in a source's name."""

_Text = Annotated[str, Meta(max_length=MAX_NAME)]


class SourceKey(msgspec.Struct, frozen=True):
    """Identifies a source."""

    name: _Text
    """The file's name without its folder, or the address without a password."""
    digest: _Text = ""
    """Of a file's or of the pictures' bytes; empty for what is no file."""

    def __str__(self) -> str:
        return self.name if not self.digest else f"{self.name} ({self.digest[:8]})"


class ParserKey(msgspec.Struct, frozen=True, kw_only=True):
    """Identifies a parser, and all that its answers depend on but the processor."""

    name: _Text
    weights: _Text
    """Digest of the weights' bytes."""
    runtime: _Text
    precision: _Text
    """The one that was used: f32, bf16 or int8."""
    size: _Text
    """HEIGHTxWIDTH of the network's input, or `auto`."""
    refine: bool
    sensitivity: _Text
    faces: bool = False
    age_gender: _Text = ""
    """The network that estimates age and gender; empty where none does."""
    reading: Annotated[int, Meta(ge=0)] = 0
    """The version of how the network's answers become masks; 0 where it was not written down."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What the parsings in a sidecar were made of, and how."""

    v: Literal[1] = 1
    source: SourceKey
    parser: ParserKey
    parse_every: Annotated[int, Meta(ge=1)] = 1
    video_track: Annotated[int, Meta(ge=0)] = 0
    """The number of the source's video track, from 1; 0 is the one that is taken where none is named."""
    deinterlace: bool = False
    live: bool = False
    """True if frames were parsed as there was time, so that most have no parsing of their own."""

    def differences(self, other: "Origin") -> list[str]:
        """What is not the same in another one, as in `parser precision is f32, not bf16`: there, not here."""
        pairs = [("source", str(self.source), str(other.source))]
        pairs += [
            (f"parser's {name}", getattr(self.parser, name), getattr(other.parser, name))
            for name in ParserKey.__struct_fields__
        ]
        pairs += [
            (name, getattr(self, name), getattr(other, name))
            for name in ("parse_every", "video_track", "deinterlace", "live")
        ]
        return [f"the {name.replace('_', ' ')} is {theirs}, not {own}" for name, own, theirs in pairs if own != theirs]


_DECODER = msgspec.msgpack.Decoder(Origin)


def packed_origin(origin: Origin) -> bytes:
    """The body of its record."""
    return msgspec.msgpack.encode(origin)


def read_origin(body: bytes) -> Origin:
    """Raises BadMessage."""
    if len(body) > MAX_BYTES:
        raise BadMessage(f"an origin of {len(body)} bytes; {MAX_BYTES} at most")
    try:
        return _DECODER.decode(body)
    except (ValueError, RecursionError) as exc:
        raise BadMessage(f"the origin: {exc}") from exc
