"""The messages between a service and its process for stills: pickles, since the two trust each other.

Pictures cross as the bytes that came from outside and are decoded in the process alone. This file imports none of the
libraries that decode, so that the service need not load them.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

Masks = Literal["none", "png", "rle", "polygon"]
Labels = Literal["none", "indexed", "raw"]
View = Literal["picture", "overlay", "cutout", "labels", "instances", "maps", "coco"]
MEGA = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a picture may be. Its header is looked at before a pixel is decoded."""

    max_pixels: int = 50 * MEGA
    max_side_px: int = 16384
    decode_pixels: int = 8 * MEGA
    """A JPEG of more pixels is decoded at half its size, or less, to be parsed."""


@dataclass(frozen=True, slots=True)
class StillSettings:
    """The first message to the process."""

    parsers: tuple[str, ...] = ("lite",)
    """The first is the default, and loaded before the process is ready."""
    precision: str = "auto"
    threads: int | None = None
    limits: Limits = field(default_factory=Limits)
    face_model: str = ""
    """What estimates the age and gender of faces, where faces are asked for; empty where nothing does."""


@dataclass(frozen=True, slots=True)
class Detail:
    """What an answer holds of a parsing."""

    masks: Masks = "png"
    parts: tuple[str, ...] = ()
    """Classes, or groups of them; all by default."""
    min_score: float = 0.0
    """People of a lower score are left out."""
    labels: Labels = "none"
    """The map of classes in the answer itself."""


@dataclass(frozen=True, slots=True)
class Parse:
    """A picture to parse. Answered with `Parsed`."""

    body: bytes
    parser: str
    size: tuple[int, int] | None = None
    """(height, width) of the network's input."""
    effect: tuple[str, ...] = ()
    on: str = "all"
    first_frame: bool = False
    """Take the first frame of an animation, which is refused else."""
    faces: bool = False
    """Find faces, too."""
    detail: Detail = field(default_factory=Detail)


@dataclass(frozen=True, slots=True)
class Mask:
    """A picture of which the maps alone are wanted, and nothing is kept. Answered with `Masked`."""

    body: bytes
    parser: str
    size: tuple[int, int] | None = None
    """(height, width) of the network's input."""

    def of(self, body: bytes) -> "Mask":
        """The same, of another picture."""
        return Mask(body, self.parser, self.size)


@dataclass(frozen=True, slots=True)
class Describe:
    """A parsing that was kept, told again. Answered with `Described`."""

    kept: bytes
    detail: Detail


@dataclass(frozen=True, slots=True)
class Show:
    """A picture made of a parsing that was kept. Answered with `Shown`."""

    kept: bytes
    body: bytes
    view: View
    opacity: float = 0.5
    outline: bool = True
    tags: bool = True
    hidden: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    on: str = "all"
    """What a cut-out keeps."""
    lossless: bool = False


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was seen in a picture."""

    answer: bytes
    """JSON: an object, see `streamer.stills.answers`."""
    kept: bytes
    """The parsing, to be sent back in `Describe` and `Show`."""
    covered: bytes | None
    """The picture with the effects, as JPEG, which takes the place of the one that came; None without effects."""
    decode_s: float
    network_s: float
    people_s: float
    """To make the network's input, and to read people and parts from its answer."""
    encode_s: float


@dataclass(frozen=True, slots=True)
class Masked:
    """The maps of a picture."""

    head: dict[str, Any]
    """What is in it, as JSON has it: `picture`, `map`, `frame_size`, `label_set`, `people`."""
    maps: bytes
    """As `streamer.stills.answers.maps` makes them."""


@dataclass(frozen=True, slots=True)
class Described:
    """An answer from a parsing that was kept."""

    answer: bytes
    encode_s: float


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture, or other bytes."""

    body: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The process is ready. The first message from it, unless that is `Refused`."""

    parsers: bytes
    """JSON: see `streamer.stills.answers.parser_rows`."""
    label_sets: bytes
    """JSON: see `streamer.stills.answers.label_rows`."""
    reached: tuple[tuple[str, float], ...] = ()
    """The steps on the way, each with the Unix time at which it was done: imports, network, picture."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The picture or the wish cannot be; the process is well."""

    kind: str
    """A word for programs, such as not-a-picture."""
    detail: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something failed that should not have; the process is well."""

    message: str
    trace: str


Asked = Parse | Mask | Describe | Show
Answered = Parsed | Masked | Described | Shown | Refused | Trouble
