"""The headers of the messages, one class for each kind, with the limits of their fields."""

import re
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from pipeline import Box, LabelSet, Size
from pipeline.labels import LabelClass

MAX_PIXELS = 16 * 2**20
"""Maximum number of pixels in a map."""
MAX_COUNT = 2**53 - 1
"""Maximum of counters and track ids: JavaScript has no larger exact integers."""
MAX_REASON = 1000
"""Maximum number of characters in the reason for an end."""


_RGB = re.compile("[0-9a-fA-F]{6}")
_MAX_SIDE_PX = 65535

_Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
_Seconds = Annotated[float, Meta(ge=-1e12, le=1e12)]
_Name = Annotated[str, Meta(max_length=64)]


class LabelSetKey(msgspec.Struct, frozen=True):
    """Identifies a label set."""

    name: _Name
    hash: _Name
    """`LabelSet.fingerprint`."""

    @classmethod
    def of(cls, label_set: LabelSet) -> "LabelSetKey":
        return cls(label_set.name, label_set.fingerprint)


class PersonEntry(msgspec.Struct, frozen=True):
    """A `Person`; `id` is its `track_id`."""

    id: _Count
    score: Annotated[float, Meta(ge=0, le=1)]
    box: Box


class Layer(msgspec.Struct, frozen=True):
    """Describes one body of a mask."""

    name: _Name
    """`labels`, `instances` or `faces`; readers skip others."""
    encoding: _Name


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """Header: the publisher is alive. All other headers have these fields, too."""

    v: Literal[1]
    run: UUID
    """Identifies the run: a publisher draws a new one each time it starts."""
    published_unix_s: _Seconds

    def check(self) -> None:
        """Raises ValueError where the fields contradict each other."""


class Percentiles(msgspec.Struct, frozen=True):
    """Percentiles of a latency, in seconds."""

    p50_s: _Seconds = 0.0
    p95_s: _Seconds = 0.0
    p99_s: _Seconds = 0.0


class Totals(msgspec.Struct, frozen=True):
    """The totals of a stream at its end."""

    captured: _Count = 0
    parsed: _Count = 0
    shown: _Count = 0
    dropped: Annotated[dict[_Name, _Count], Meta(max_length=32)] = {}
    """Frames that were not shown, by cause."""
    parsed_after: Percentiles = Percentiles()
    """From capture to parsed."""
    shown_after: Percentiles = Percentiles()
    """From capture to shown."""
    mask_age: Percentiles = Percentiles()
    sinks_ended: Annotated[tuple[_Name, ...], Meta(max_length=8)] = ()
    """The sinks that ended before the stream: window, recording or publisher."""


class End(Heartbeat, frozen=True, kw_only=True):
    """Header: the last message of a run."""

    reason: Annotated[str, Meta(max_length=MAX_REASON)]
    """See `fitting`."""
    totals: Totals | None = None
    """None from a publisher that belongs to no stream."""


class Schema(Heartbeat, frozen=True, kw_only=True):
    """Header: the classes of the masks' label set, in the order of their ids."""

    label_set: LabelSetKey
    classes: Annotated[tuple[LabelClass, ...], Meta(min_length=1, max_length=256)]

    def check(self) -> None:
        names = {each.name.casefold() for each in self.classes}
        if len(names) < len(self.classes) or not {each.twin.casefold() for each in self.classes} <= {"", *names}:
            raise ValueError("two classes of one name, or a twin that is no class")
        if not all(_RGB.fullmatch(each.rgb) for each in self.classes):
            raise ValueError("a colour that is not six hex digits")
        if self.read().fingerprint != self.label_set.hash:
            raise ValueError(f"these are not the classes of {self.label_set}")

    @classmethod
    def of(cls, label_set: LabelSet, *, run: UUID, published_unix_s: float) -> "Schema":
        key = LabelSetKey.of(label_set)
        return cls(v=1, run=run, published_unix_s=published_unix_s, label_set=key, classes=label_set.classes)

    def read(self) -> LabelSet:
        return LabelSet(self.label_set.name, self.classes)


class Mask(Heartbeat, frozen=True, kw_only=True):
    """Header: a parsing without its maps."""

    seq: _Count
    """Counts masks from 1 in each run; a gap means that messages were lost on the way."""
    frame: _Count
    pts_s: _Seconds
    captured_unix_s: _Seconds
    inferred_s: Annotated[float, Meta(ge=0, le=1e12)]
    frame_size: Size
    map_size: Size
    carried_from: _Count
    label_set: LabelSetKey
    parser: _Name
    people: Annotated[tuple[PersonEntry, ...], Meta(max_length=255)]
    dropped: _Count
    """Number of times since the last mask that the publisher found a subscriber's queue full."""
    layers: Annotated[tuple[Layer, ...], Meta(max_length=8)]

    def check(self) -> None:
        if not all(1 <= side <= _MAX_SIDE_PX for side in (*self.frame_size, *self.map_size)):
            raise ValueError(f"sizes {self.frame_size}, {self.map_size}: sides are 1 to {_MAX_SIDE_PX}")
        if self.map_size.area > MAX_PIXELS:
            raise ValueError(f"a map of {self.map_size} has more than {MAX_PIXELS} pixels")
        height, width = self.frame_size
        for box in (each.box for each in self.people):
            if not (0 <= box.left <= box.right <= width and 0 <= box.top <= box.bottom <= height):
                raise ValueError(f"{box} is not inside a frame of {self.frame_size}")


Header = Mask | Schema | Heartbeat | End


def fitting(reason: str) -> str:
    """A reason cut to `MAX_REASON`, in characters that can be encoded; those of a path need not be."""
    return reason[:MAX_REASON].encode(errors="replace").decode()
