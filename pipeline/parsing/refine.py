"""Refinement: people who are small in a large picture are parsed a second time, magnified.

The frame is scaled to two or three times the network's input, and the network is run on a cut-out around each small
person. Who is seen whole in it replaces the same person as seen from afar. The maps are of the larger picture's size:
they still cover the whole frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box, Size
from pipeline.model import Decoded
from pipeline.network.letterbox import Letterbox
from pipeline.people.garments import Garments
from pipeline.people.instances import persons_of
from pipeline.types import LabelMap, Person, Picture

SMALL_PX = 130
"""Maximum height of a small person's box, in pixels of the network's input."""
MAX_MAGNIFICATION = 3
"""Maximum scale of the larger picture against the network's input."""
SHAPES = (Size(192, 128), Size(160, 160), Size(128, 192))
"""Inputs of the network for one person."""
MARGIN = 0.2
"""Margin on each side of a person's box, as a share of its height: the first look may have missed parts."""
ALIGNED_PX = 8
"""Cut-outs begin and end at multiples of this, so that they hold whole cells of the network's answer."""
MIN_OVERLAP = 0.5
"""Minimum overlap of two masks of one person, as a share of the smaller one."""


@dataclass(frozen=True, slots=True)
class Cutout:
    """The part of the larger picture that shows one person."""

    number: int
    """Number of the person among those of the first look, from 1."""
    where: tuple[slice, slice]
    """Rows and columns of the larger picture."""
    shape: Size
    """The size that they are scaled to."""

    def of(self, picture: Picture) -> Picture:
        """The network's input: uint8 (H, W, 3) of `shape`."""
        return np.asarray(cv2.resize(picture[self.where], self.shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def how_close(people: Sequence[Person], fit: Letterbox) -> int:
    """The scale of the larger picture against the network's input.

    It is 1 when nobody is small, or the frame has no more pixels to show.
    """
    small = [height for height in (_height(person, fit) for person in people) if height < SMALL_PX]
    if not small:
        return 1
    shown = fit.frame_size.height / fit.content_size.height
    return max(1, min(MAX_MAGNIFICATION, round(shown), int(np.ceil(SMALL_PX / np.median(small)))))


def cutouts(people: Sequence[Person], fit: Letterbox, closer: Letterbox) -> list[Cutout]:
    """One for each small person.

    Args:
        people: seen from afar.
        fit, closer: how the frame went into the network, and how it goes into the larger picture.
    """
    return [
        _cutout(number, person.box.scaled(closer.frame_size, closer.content_size), closer.input_size)
        for number, person in enumerate(people, start=1)
        if _height(person, fit) < SMALL_PX
    ]


def merge(afar: Decoded, fit: Letterbox, closer: Letterbox, seen: Sequence[tuple[Cutout, Decoded]]) -> Decoded:
    """One answer, of the larger picture's size.

    Args:
        afar: of the whole frame.
        fit, closer: how it went into the network, and into the larger picture.
        seen: cut-outs, with what was seen in each, in the cut-out's `shape`.
    """
    labels = _sized(afar.labels, closer.content_size)
    owners = _sized(afar.instances, closer.content_size).astype(np.int32)
    scores = [person.score for person in afar.people]
    garments = (
        None if afar.garments is None else _enlarged(afar.garments, closer.input_size.height // fit.input_size.height)
    )
    for cutout, decoded in seen:
        here = Size(*(side.stop - side.start for side in cutout.where))
        kept = owners[cutout.where].shape  # the larger picture's grey is not in the maps
        close_labels = _sized(decoded.labels, here)[: kept[0], : kept[1]]
        close_owners = _sized(decoded.instances, here)[: kept[0], : kept[1]]
        number = _same(close_owners, owners, cutout)
        if not number or _is_cut(decoded.people[number - 1].box, cutout, closer.content_size):
            continue
        mask = close_owners == number
        gone = owners == cutout.number
        labels[gone], owners[gone] = 0, 0
        # Who stands next to them was seen from afar only, and gives way where this one is seen from close by.
        labels[cutout.where][mask] = close_labels[mask]
        owners[cutout.where][mask] = cutout.number
        scores[cutout.number - 1] = max(scores[cutout.number - 1], decoded.people[number - 1].score)
        if garments is not None and decoded.garments is not None:
            _paste(garments, decoded.garments, mask, cutout.where, closer)
    return Decoded(labels, *persons_of(owners.astype(np.uint8), np.array(scores), closer), garments)


def _height(person: Person, fit: Letterbox) -> float:
    """The height of a person's box, in pixels of the network's input."""
    return (person.box.bottom - person.box.top) * fit.content_size.height / fit.frame_size.height


def _cutout(number: int, box: Box, whole: Size) -> Cutout:
    height, width = max(1, box.bottom - box.top), max(1, box.right - box.left)
    margin = 2 * MARGIN * height
    shape = min(SHAPES, key=lambda each: max((height + margin) / each.height, (width + margin) / each.width))
    scale = max((height + margin) / shape.height, (width + margin) / shape.width)
    rows = _side((box.top + box.bottom) / 2, scale * shape.height, whole.height)
    return Cutout(number, (rows, _side((box.left + box.right) / 2, scale * shape.width, whole.width)), shape)


def _side(middle: float, length: float, whole: int) -> slice:
    """So long around a middle, moved to be inside the whole and aligned."""
    aligned = min(whole, int(np.ceil(length / ALIGNED_PX)) * ALIGNED_PX)
    begin = round((middle - aligned / 2) / ALIGNED_PX) * ALIGNED_PX
    begin = max(0, min(whole - aligned, begin))
    return slice(begin, begin + aligned)


def _sized(ids: LabelMap, size: Size) -> LabelMap:
    return np.asarray(cv2.resize(ids, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def _same(close: LabelMap, owners: NDArray[np.int32], cutout: Cutout) -> int:
    """The number, in a cut-out, of the person that it was made for; 0 for none."""
    theirs = owners[cutout.where] == cutout.number
    shared = np.bincount(close[theirs], minlength=1)
    shared[0] = 0
    best = int(shared.argmax())
    smaller = min(np.count_nonzero(theirs), np.count_nonzero(close == best))
    return best if shared[best] > MIN_OVERLAP * smaller else 0


def _is_cut(box: Box, cutout: Cutout, whole: Size) -> bool:
    """True if a person may extend beyond the cut-out: the box ends at its edge, and the picture does not."""
    rows, columns = cutout.where
    return (
        (box.top <= 0 < rows.start)
        or (box.left <= 0 < columns.start)
        or (box.bottom >= cutout.shape.height and rows.stop < whole.height)
        or (box.right >= cutout.shape.width and columns.stop < whole.width)
    )


def _enlarged(garments: Garments, times: int) -> Garments:
    planes = [cv2.resize(each, None, fx=times, fy=times) for each in garments.logits]
    return replace(garments, logits=np.stack(planes))


def _paste(
    onto: Garments, seen: Garments, mask: NDArray[np.bool_], where: tuple[slice, slice], closer: Letterbox
) -> None:
    """Puts what was seen of somebody's garments where they are, on the cells of the larger picture's grid."""
    cell = closer.input_size.height // onto.logits.shape[1]
    rows, columns = (slice(side.start // cell, side.stop // cell) for side in where)
    size = Size(rows.stop - rows.start, columns.stop - columns.start)
    full = np.zeros((size.height * cell, size.width * cell), np.uint8)
    full[: mask.shape[0], : mask.shape[1]] = mask
    # Any pixel of a cell, and a cell around: what an edge's pixels are is half decided there.
    inside = (
        cv2.dilate(full.reshape(size.height, cell, size.width, cell).max(axis=(1, 3)), np.ones((3, 3), np.uint8)) > 0
    )
    for plane, close in zip(onto.logits, seen.logits):
        plane[rows, columns][inside] = cv2.resize(close.astype(np.float32), size[::-1])[inside]
