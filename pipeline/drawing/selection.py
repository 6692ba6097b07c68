"""What an effect is applied to: parts, people, or all of the people but some."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.drawing.silhouettes import silhouettes
from pipeline.errors import PipelineError
from pipeline.geometry import Box
from pipeline.labels import LabelSet
from pipeline.types import LabelMap, Parsing

Mask = NDArray[np.uint8]
"""uint8 (h, w): 255 where something is selected, else 0."""

_FORMS = "name classes or groups (Face,Hair), people (person:3), all, or not: and what is left out"


@dataclass(frozen=True, slots=True)
class On:
    """A selection of what people show: the parts and the people that are named, together."""

    parts: frozenset[str] = frozenset()
    """Names of classes, or of groups of `PART_GROUPS`, of whoever they are."""
    people: frozenset[int] = frozenset()
    """Track ids of people, of whom everything is selected."""
    everybody: bool = False
    inverse: bool = False
    """Select instead the rest of what people show; the background is never selected."""

    @classmethod
    def read(cls, text: str) -> Self:
        """From text: `Face,Hair`, `person:3`, `all`, or `not:` before any of these.

        Raises:
            PipelineError: another form. (Names are checked against a label set by `ids`.)
        """
        inverse = text.casefold().startswith("not:")
        names = [name.strip() for name in (text[len("not:") :] if inverse else text).split(",")]
        people = {name for name in names if name.casefold().startswith("person:")}
        numbers = {name.partition(":")[2] for name in people}
        parts = frozenset(names) - people - {name for name in names if name.casefold() == "all"}
        wrong = [each for each in parts if not each or ":" in each]
        if wrong or not all(number.isascii() and number.isdecimal() for number in numbers):
            raise PipelineError(f"{text!r} selects nothing: {_FORMS}")
        return cls(parts, frozenset(map(int, numbers)), any(each.casefold() == "all" for each in names), inverse)

    def ids(self, label_set: LabelSet) -> frozenset[int]:
        """The ids of the parts that are named. Raises UnknownName."""
        return frozenset(index for part in self.parts for index in label_set.ids_of(part))


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """What is selected of one person, or of what belongs to no person."""

    box: Box
    """The rectangle around it, in cells of the map."""
    mask: Mask
    """255 where it is: uint8 of the box's height and width."""


def selected(parsing: Parsing, on: On) -> Mask:
    """Where a selection is: uint8 (h, w) of the parsing's maps, 255 or 0.

    Raises:
        UnknownName: it names a class or group that the label set lacks.
    """
    parts = on.ids(parsing.label_set)
    numbers = [index for index, person in enumerate(parsing.people, start=1) if person.track_id in on.people]
    if on.everybody:
        return np.zeros(parsing.labels.shape, np.uint8) if on.inverse else _anybody(parsing)
    chosen = np.asarray(cv2.bitwise_or(_among(parsing.labels, parts), _among(parsing.instances, numbers)), np.uint8)
    return np.asarray(cv2.bitwise_and(_anybody(parsing), cv2.bitwise_not(chosen)), np.uint8) if on.inverse else chosen


def _anybody(parsing: Parsing) -> Mask:
    return np.asarray(
        cv2.threshold(cv2.bitwise_or(parsing.labels, parsing.instances), 0, 255, cv2.THRESH_BINARY)[1], np.uint8
    )


def _among(ids: LabelMap, wanted: Collection[int]) -> Mask:
    if not wanted:
        return np.zeros(ids.shape, np.uint8)
    table = np.zeros(256, np.uint8)
    table[[*wanted]] = 255
    return np.asarray(cv2.LUT(ids, table), np.uint8)


def regions(parsing: Parsing, on: On) -> Iterator[Region]:
    """A selection person by person, and last what of it belongs to nobody. Raises as `selected`."""
    mask = selected(parsing, on)
    for person in silhouettes(parsing.instances, len(parsing.people)):
        left, top, right, bottom = person.box
        yield from _region(cv2.bitwise_and(mask[top:bottom, left:right], person.mask), left, top)
    nobody = np.asarray(cv2.inRange(parsing.instances, 0, 0), np.uint8)
    yield from _region(cv2.bitwise_and(mask, nobody), 0, 0)


def connected(mask: Mask) -> Iterator[Region]:
    """The connected parts of a mask."""
    across, down, wide, high = cv2.boundingRect(mask)
    if not wide:
        return
    count, parts, found, _ = cv2.connectedComponentsWithStats(mask[down : down + high, across : across + wide])
    for number, (left, top, width, height, _) in enumerate(found[1:count].tolist(), start=1):
        here = parts[top : top + height, left : left + width]
        box = Box(across + left, down + top, across + left + width, down + top + height)
        yield Region(box, np.asarray(cv2.inRange(here, number, number), np.uint8))


def joined(people: Iterable[Region], more: Iterable[Region], cells: int) -> list[Region]:
    """Regions of people, each with those others whose boxes come as close to its own as this many cells, and the rest.

    What lingers beside a person is mostly of them: it is treated with them, as coarsely as they are.
    """
    regions = list(people)
    others = []
    for piece in more:
        left, top, right, bottom = piece.box
        around = Box(left - cells, top - cells, right + cells, bottom + cells)
        near = next((place for place, region in enumerate(regions) if region.box.overlaps(around)), None)
        if near is None:
            others.append(piece)
        else:
            regions[near] = _together(regions[near], piece)
    return regions + others


def _together(one: Region, other: Region) -> Region:
    box = one.box.around([other.box])
    mask = np.zeros((box.bottom - box.top, box.right - box.left), np.uint8)
    for region in (one, other):
        left, top, right, bottom = region.box
        here = mask[top - box.top : bottom - box.top, left - box.left : right - box.left]
        cv2.bitwise_or(here, region.mask, here)
    return Region(box, mask)


def _region(mask: NDArray[np.integer | np.floating], left: int, top: int) -> Iterator[Region]:
    across, down, width, height = cv2.boundingRect(mask)
    if width:
        box = Box(left + across, top + down, left + across + width, top + down + height)
        yield Region(box, np.asarray(mask[down : down + height, across : across + width], np.uint8))
