"""Tags: each person's number, above its head, as large as the head allows, apart from each other."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.drawing.canvas import FONT, Canvas
from pipeline.drawing.silhouettes import Silhouette
from pipeline.geometry import Box, Size
from pipeline.labels import LabelSet
from pipeline.types import Parsing

HEAD = frozenset({"Hat", "Hair", "Sunglasses", "Face"})
MIN_HEAD_SHARE = 0.01
"""Of a person's pixels; with fewer pixels of a head, a person is one that is seen without it."""
TOP_SHARE = 0.12
"""Of the height of a person that is seen without a head, the part that the tag stands on."""
OUTLIERS = 0.03
"""Share of the pixels of a head, at each of its four sides, that are not counted: some are stray."""
TEXT_SHARE = 0.3
"""The height of the digits, of the height of the head."""
DIGIT_PX = 22
"""Height of a digit of the font at scale 1."""
MIN_SCALE, FRAME_PX_PER_MIN, FRAME_PX_PER_MAX = 0.35, 2000, 900
"""The font's scale is between the shorter side of the frame divided by the second
and by the third, but never less than the first, which can just be read."""
DARK, WHITE = (32, 32, 32), (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag in its place."""

    text: str
    box: Box
    """In pixels of the picture."""
    scale: float
    """Of the font."""
    pad: int
    """Pixels between the text and the edge."""

    def draw(self, canvas: Canvas) -> None:
        canvas.fill(self.box, DARK)
        (_, height), _ = cv2.getTextSize(self.text, FONT, self.scale, _stroke(self.scale))
        left, top = self.box.left + self.pad, self.box.top + self.pad
        canvas.write(self.text, left, top + height, self.scale, WHITE, _stroke(self.scale))


def tags(parsing: Parsing, people: Sequence[Silhouette], size: Size, taken: Sequence[Box] = ()) -> list[Tag]:
    """The tags of all people in a picture of this size.

    They do not overlap, nor leave the picture; where there is no room for one, it is left out.

    Args:
        people: of the parsing. The tag of a person without a pixel of the map is at the top of its box.
        taken: boxes of the picture where no tag may be.
    """
    heads = {index: _top(person.box).scaled(parsing.frame_size, size) for index, person in enumerate(parsing.people)}
    heads |= {person.index: head.scaled(parsing.map_size, size) for person, head in _heads(people, parsing)}
    placed: list[Tag] = []
    for index, head in heads.items():
        text, scale = f"{parsing.people[index].track_id}", _scale(head, size)
        pad = 1 + round(4 * scale)
        (wide, tall), _ = cv2.getTextSize(text, FONT, scale, _stroke(scale))
        wide, tall = min(size.width, wide + 2 * pad), min(size.height, tall + 2 * pad)
        box = _free(_places(head, wide, tall, size), [*taken, *(each.box for each in placed)], [*heads.values()])
        if box is not None:
            placed.append(Tag(text, box, scale, pad))
    return placed


def _scale(head: Box, size: Size) -> float:
    least, most = (max(MIN_SCALE, min(size) / each) for each in (FRAME_PX_PER_MIN, FRAME_PX_PER_MAX))
    return min(most, max(least, TEXT_SHARE * (head.bottom - head.top) / DIGIT_PX))


def _stroke(scale: float) -> int:
    return max(1, round(1.6 * scale))


def _places(head: Box, wide: int, tall: int, size: Size) -> Iterator[Box]:
    """Boxes for a tag by a head, the best first, all inside the picture."""
    middle, centre = (head.left + head.right - wide) // 2, (head.top + head.bottom - tall) // 2
    gap = max(1, tall // 6)
    above, below, before, behind = head.top - gap - tall, head.bottom + gap, head.left - gap - wide, head.right + gap
    corners = [(middle, above), (head.left, above), (head.right - wide, above)]
    corners += [(behind, head.top), (before, head.top), (behind, centre), (before, centre)]
    corners += [(middle, above - tall - gap), (behind, above), (before, above), (middle, below)]
    corners += [(middle, head.top), (middle, centre)]
    for left, top in corners:
        inside = max(0, min(left, size.width - wide)), max(0, min(top, size.height - tall))
        yield Box(*inside, inside[0] + wide, inside[1] + tall)


def _free(places: Iterator[Box], taken: Sequence[Box], heads: Sequence[Box]) -> Box | None:
    """The place that is not taken and covers the least of any head; of equal ones the first."""
    best: Box | None = None
    least = math.inf
    for place in places:
        if any(place.overlaps(other) for other in taken):
            continue
        covered = sum(_shared(place, head) for head in heads if place.overlaps(head))
        if covered < least:
            best, least = place, covered
        if not covered:
            break
    return best


def _shared(one: Box, other: Box) -> int:
    left, top = max(one.left, other.left), max(one.top, other.top)
    return Box(left, top, min(one.right, other.right), min(one.bottom, other.bottom)).area


def _heads(people: Sequence[Silhouette], parsing: Parsing) -> Iterator[tuple[Silhouette, Box]]:
    """Where each person's head is, or the top of what is seen of it, in cells of the map."""
    on_head = cv2.LUT(parsing.labels, _head_ids(parsing.label_set))
    for person in people:
        left, top, right, bottom = person.box
        head = cv2.bitwise_and(person.mask, on_head[top:bottom, left:right])
        if cv2.countNonZero(head) < MIN_HEAD_SHARE * cv2.countNonZero(person.mask):
            head = person.mask[: max(1, round(TOP_SHARE * (bottom - top)))]
        bulk = _bulk(np.asarray(head, np.uint8))
        yield person, Box(left + bulk.left, top + bulk.top, left + bulk.right, top + bulk.bottom)


@lru_cache(maxsize=8)
def _head_ids(label_set: LabelSet) -> NDArray[np.uint8]:
    """255 for the ids of a head's classes, of all 256 ids."""
    ids = np.zeros(256, np.uint8)
    ids[[index for index, name in enumerate(label_set.names) if name in HEAD]] = 255
    return ids


def _top(box: Box) -> Box:
    return Box(box.left, box.top, box.right, box.top + max(1, round(TOP_SHARE * (box.bottom - box.top))))


def _bulk(mask: NDArray[np.uint8]) -> Box:
    """The box of a mask without its outliers."""
    left, right = _middle(np.asarray(cv2.reduce(mask, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S), np.int32))
    top, bottom = _middle(np.asarray(cv2.reduce(mask, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S), np.int32))
    return Box(left, top, right, bottom)


def _middle(counts: NDArray[np.int32]) -> tuple[int, int]:
    """Where the sum of counts, without its outliers, begins and ends."""
    shares = np.cumsum(counts) / counts.sum()
    return int(np.searchsorted(shares, OUTLIERS, "right")), int(np.searchsorted(shares, 1 - OUTLIERS)) + 1
