"""What goes between the process that renders a source and those that parse its segments. Pickled: both are ours.

A decoded picture has marks that no program can read, such as where its colours are sampled, so that it cannot be made
again elsewhere. It stays where it was decoded, and is scaled there to the sizes that a parser asks for.
"""

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from pipeline import Frame, Parsing, Size
from pipeline.types import Picture
from pipeline.yuv import Yuv420
from streamer.parsings.parsed import Saved

AskScaled = Callable[["Wanted"], Picture]
"""Gets a picture of this size from where it was decoded."""


class Asker(Protocol):
    """Who has a process work for him, as that sees him. See `streamer.processes.parent.Parent`."""

    def receive(self) -> bytes | memoryview:
        """Waits for the next message."""

    def send(self, body: bytes) -> None:
        """Raises ChannelClosed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Asks for a frame at another size."""

    place: int
    """Of the frame in its segment, from 0."""
    size: Size


class PictureElsewhere(Yuv420):
    """A picture that another process decoded."""

    def __init__(self, size: Size, place: int, scaled: Mapping[Size, Picture], ask: AskScaled) -> None:
        """
        Args:
            size: of the picture.
            place: of its frame in the segment.
            scaled: the sizes that came along.
        """
        # The class is frozen, and the fields of the one it is made of would need the picture itself.
        vars(self).update(_size=size, _place=place, _scaled=dict(scaled), _ask=ask, used={})

    used: dict[Size, None]
    """The sizes that were asked for."""

    @property
    def shape(self) -> tuple[int, int]:
        return tuple(vars(self)["_size"])

    def scaled(self, height: int, width: int) -> Picture:
        own, size = vars(self), Size(height, width)
        self.used[size] = None
        if size not in own["_scaled"]:
            own["_scaled"][size] = own["_ask"](Wanted(own["_place"], size))
        picture: Picture = own["_scaled"][size]
        return picture


@dataclass(frozen=True, slots=True)
class SentFrame:
    """A frame on its way to another process."""

    picture: Picture | tuple[Size, Mapping[Size, Picture]]
    """It, or its size and it at some sizes."""
    about: tuple[Any, ...]
    """The other fields of `Frame`, in their order."""

    @classmethod
    def of(cls, frame: Frame, sizes: Sequence[Size]) -> "SentFrame":
        picture: Picture | tuple[Size, Mapping[Size, Picture]]
        if isinstance(frame.picture, Yuv420):
            picture = frame.size, {size: frame.picture.scaled(*size) for size in sizes}
        else:
            picture = frame.picture
        about = (frame.index, frame.pts_s, frame.captured_s, frame.duration_s, frame.pixel_aspect)
        return cls(picture, about)

    def frame(self, place: int, ask: AskScaled) -> Frame:
        if isinstance(self.picture, tuple):
            size, scaled = self.picture
            return Frame(PictureElsewhere(size, place, scaled, ask), *self.about)
        return Frame(self.picture, *self.about)


@dataclass(frozen=True, slots=True)
class Segment:
    """Frames that follow each other."""

    frames: Sequence[SentFrame]
    before: int
    """Number of parsings before the first of them, since the memory was empty."""
    stills: bool
    """Each is parsed by itself."""


class Part(Enum):
    """Of a parser's memory, what goes from segment to segment by itself."""

    ALL = auto()
    AVERAGES = auto()
    """Of the network's answers."""
    PEOPLE = auto()
    """All but these."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Asks for a part of the parser's memory after the frames before the segment; None gives it back.

    It may be saved with other parts, which do not count.
    """

    part: Part = Part.ALL


@dataclass(frozen=True, slots=True)
class Averaged:
    """The averages after the segment, which whoever has the next one waits for. Is answered by nothing of note."""

    memory: bytes


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Nothing comes of the segment here: the memory before it was not to be had."""


@dataclass(frozen=True, slots=True)
class Done:
    """The parsings of a segment."""

    parsings: tuple[Parsing, ...]
    saved: tuple[Saved, ...]
    """The memory within the segment, where a file that is resumed is to have it."""
    memory: bytes
    """After it."""
    part: Part
    """Of the memory, if `Averaged` was said before `PEOPLE`, else `ALL`."""
    sizes: tuple[Size, ...]
    """Those that the last frame was looked at in, which the next ones are likely to be, too."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why it cannot be parsed by any process."""

    why: str


def packed(message: object) -> bytes:
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)


def unpacked(body: bytes | memoryview) -> Any:
    """Only for what came from a process of ours."""
    return pickle.loads(body)
