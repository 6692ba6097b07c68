"""Blobs: selections as they were seen, which move with the picture and are looked for where masks miss them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box, Size
from pipeline.motion.flow import Grey
from pipeline.motion.spots import Spot, components

MAX_DIFFERENCE = 12.0
"""Levels of grey, of 255, by which a place may differ in the mean and look alike: noise, light and small movements make
less."""
MIN_SHARE = 0.15
"""Smaller shares of a region that are missed are its edge, unless they are `THICK_CELLS` wide or reach as far out."""
THICK_CELLS = 5
MIN_CELLS = 4
"""Less is no part of anybody that can be seen."""

EDGE_CELLS = 3
"""Cells of what leaves the picture that stay at its edge, until it is sure to be beyond."""
MAX_OFF_CELLS, MAX_OFF_SHARE = 4, 0.15
"""By so many cells, and so much of its way, a blob may be off from where it is."""

_THICK = np.ones((THICK_CELLS, THICK_CELLS), np.uint8)

Mask = NDArray[np.uint8]
"""uint8 (h, w): 255 where something is selected, else 0."""


@dataclass(frozen=True, eq=False)
class Blob:
    """A selection as it was seen last, and how far it has moved since, in cells. Nobody writes to it."""

    spot: Spot
    map_size: Size
    seen: Grey
    """The frame in which it was seen."""
    alike_s: float
    """When it was seen last, or its place looked as it did then."""
    across: float = 0.0
    down: float = 0.0
    whole_across: float = 0.0
    whole_down: float = 0.0
    """What the mask itself has been moved, beside that."""
    pace: tuple[float, float] | None = None
    """How fast it goes across and down, in cells a second of the frames' own time; None where nobody knows."""
    twofold: bool = False
    """Whether it is one of two: the picture did not tell where it went. One of them stays, and has no pace."""

    @property
    def is_out(self) -> bool:
        """Whether it has left the picture, as far as its way is known."""
        left, top, right, bottom = self.spot.box
        across, down = round(self.across), round(self.down)
        height, width = self.map_size
        return left + across >= width or right + across <= 0 or top + down >= height or bottom + down <= 0

    def placed(self) -> Spot | None:
        """The mask where it is now; None where that is outside the picture.

        The way there is measured, and not to the cell: who has left by no more than that is still at the edge.
        """
        return self._placed

    def alike(self, now_s: float) -> "Blob":
        """The same blob, whose place looks now as it did."""
        noted = replace(self, alike_s=now_s)
        noted.__dict__["_placed"] = self._placed  # where it is does not depend on that
        return noted

    @cached_property
    def _placed(self) -> Spot | None:
        across, down = round(self.across), round(self.down)
        if not (across or down):
            return self.spot
        left, top, right, bottom = self.spot.box
        slack = MAX_OFF_CELLS + MAX_OFF_SHARE * math.hypot(self.whole_across + across, self.whole_down + down)
        across += _held(left + across, right + across, self.map_size.width, slack)
        down += _held(top + down, bottom + down, self.map_size.height, slack)
        mask, before, beyond = self._with_unseen(across, down)
        moved = Box(
            left + across - before.width,
            top + down - before.height,
            right + across + beyond.width,
            bottom + down + beyond.height,
        )
        inside = Box(
            max(0, moved.left),
            max(0, moved.top),
            min(self.map_size.width, moved.right),
            min(self.map_size.height, moved.bottom),
        )
        if not (inside.left < inside.right and inside.top < inside.bottom):
            return None
        # What goes on beyond an edge as it is there hangs together with it.
        return Spot(inside, _part(mask, inside, moved), self.spot.is_connected and inside == moved)

    def _with_unseen(self, across: int, down: int) -> tuple[Mask, Size, Size]:
        """The mask, and what comes into the picture with it: beyond an edge it goes on as at the edge.

        Returns:
            How much is added at the top and left, and at the bottom and right, too.
        """
        left, top, right, bottom = self.spot.box
        height, width = self.map_size
        if self.pace is None:
            return self.spot.mask, Size(0, 0), Size(0, 0)
        before = Size(max(0, down) if top == 0 else 0, max(0, across) if left == 0 else 0)
        beyond = Size(max(0, -down) if bottom == height else 0, max(0, -across) if right == width else 0)
        if not (any(before) or any(beyond)):
            return self.spot.mask, before, beyond
        sides = before.height, beyond.height, before.width, beyond.width
        return np.asarray(cv2.copyMakeBorder(self.spot.mask, *sides, cv2.BORDER_REPLICATE), np.uint8), before, beyond


def seen_in(selected: Mask, grey: Grey) -> list[Blob]:
    """All that is selected in a frame, as one blob; none of nothing."""
    left, top, width, height = cv2.boundingRect(selected)
    if not width:
        return []
    spot = Spot(Box(left, top, left + width, top + height), selected[top : top + height, left : left + width])
    return [Blob(spot, Size(*selected.shape), grey, grey.pts_s)]


def parts_of(selected: Mask, grey: Grey) -> list[Blob]:
    """What is selected in a frame, a blob for each connected part of it."""
    return [part for whole in seen_in(selected, grey) for part in connected(whole)]


def connected(blob: Blob) -> Iterator[Blob]:
    """The connected parts of a blob that has not moved."""
    count, parts, found = blob.spot.pieces
    for number in range(1, count):
        across, down, wide, high, area = found[number].tolist()
        if area >= MIN_CELLS:
            part = cv2.inRange(parts[down : down + high, across : across + wide], number, number)
            left, top = blob.spot.box.left + across, blob.spot.box.top + down
            at = Box(left, top, left + wide, top + high)
            yield replace(blob, spot=Spot(at, np.asarray(part, np.uint8), is_connected=True))


def settled(blob: Blob, rest: Spot) -> Blob:
    """What is left of a blob that was placed at whole cells; the fraction of its way goes on adding up."""
    across, down = round(blob.across), round(blob.down)
    return replace(
        blob,
        spot=rest,
        across=blob.across - across,
        down=blob.down - down,
        whole_across=blob.whole_across + across,
        whole_down=blob.whole_down + down,
    )


def looked_at(blob: Blob, grey: Grey) -> Blob:
    """The blob, noted as it is now if its place looks as it did when it was seen."""
    placed = None if blob.is_out else blob.placed()
    return blob.alike(grey.pts_s) if placed is not None and is_alike(blob, placed, grey) else blob


def is_alike(blob: Blob, part: Spot, grey: Grey, slip_px: int = 0) -> bool:
    """Whether a part of a blob, where it is now, looks as it did when the blob was seen.

    Args:
        slip_px: pixels of the small grey picture by which it may have moved otherwise than the blob was.
    """
    look = blob.seen.pixels
    size = Size(*look.shape)
    inside = part.at(size, blob.map_size) if look.shape == grey.pixels.shape else None
    if inside is None:
        return False
    across = (blob.whole_across + blob.across) * size.width / blob.map_size.width
    down = (blob.whole_down + blob.down) * size.height / blob.map_size.height
    left, top, right, bottom = inside.box
    moves = np.array([[1, 0, across + slip_px - left], [0, 1, down + slip_px - top]], np.float32)
    wide, high = right - left, bottom - top
    shape = wide + 2 * slip_px, high + 2 * slip_px
    then = np.asarray(cv2.warpAffine(look, moves, shape, borderMode=cv2.BORDER_REPLICATE), np.uint8)
    now = inside.of(grey.pixels)
    differs = cv2.absdiff(then[slip_px : slip_px + high, slip_px : slip_px + wide], now)
    if slip_px:
        near = np.ones((2 * slip_px + 1, 2 * slip_px + 1), np.uint8)
        here = np.s_[slip_px : slip_px + high, slip_px : slip_px + wide]
        darkest, brightest = cv2.erode(then, near)[here], cv2.dilate(then, near)[here]
        differs = cv2.max(cv2.subtract(darkest, now), cv2.subtract(now, brightest))
    return cv2.mean(differs, mask=inside.mask)[0] <= MAX_DIFFERENCE


def missed_parts(blob: Blob, known: Mask, min_share: float = MIN_SHARE) -> Iterator[Spot]:
    """The connected parts of a blob beside what is known, without what is only the edge of its regions."""
    placed = blob.placed()
    if placed is None:
        return
    missed = np.asarray(cv2.subtract(placed.mask, placed.of(known)), np.uint8)
    cells = cv2.countNonZero(missed)
    # Of who leaves at an edge little is left in the picture, and not because nobody could be seen there.
    min_cells = min(MIN_CELLS, placed.area) if placed is not blob.spot else MIN_CELLS
    if cells < max(1, min_cells):
        return
    if placed.is_connected and cells == placed.area:
        yield placed
        return
    # Mostly little is missed of somebody: only there its parts are counted, where any may count.
    beside, below, wide, high = cv2.boundingRect(missed)
    missed = missed[below : below + high, beside : beside + wide]
    there = Box(beside, below, beside + wide, below + high).moved(*placed.box[:2])
    are_edges = _is_edge(missed, known, there)
    if are_edges and placed.is_connected and cells < min_share * placed.area:
        return
    count, parts, found = components(missed)
    for number in range(1, count):
        across, down, wide, high, area = found[number].tolist()
        if area < min_cells:
            continue
        part = np.asarray(cv2.inRange(parts[down : down + high, across : across + wide], number, number), np.uint8)
        at = Box(across, down, across + wide, down + high).moved(*there[:2])
        is_edge = are_edges or _is_edge(part, known, at)
        if is_edge and area < min_share * _area_around(placed, part, at):
            continue
        yield Spot(at, part, is_connected=True)


def _area_around(placed: Spot, part: Mask, at: Box) -> int:
    """The cells of the piece of a spot that a part of it is in."""
    if placed.is_connected:
        return placed.area
    _, pieces, found = placed.pieces
    left, top, right, bottom = at.moved(-placed.box.left, -placed.box.top)
    return int(found[pieces[top:bottom, left:right][part > 0][0], cv2.CC_STAT_AREA])


def _is_edge(part: Mask, known: Mask, at: Box) -> bool:
    """Whether a part is thin, and reaches no farther from what is known than an edge does.

    Of several parts at once: whether each is.
    """
    return not _is_thick(part) and not _reaches_out(part, known, at)


def _is_thick(part: Mask) -> bool:
    if min(part.shape) < THICK_CELLS:
        return False
    return cv2.countNonZero(cv2.erode(part, _THICK, borderType=cv2.BORDER_CONSTANT, borderValue=0)) > 0


def _reaches_out(part: Mask, known: Mask, at: Box) -> bool:
    """Whether a part goes farther from what is known than an edge does, as a thin arm."""
    around = grown(at, THICK_CELLS, Size(*known.shape))
    side = 2 * THICK_CELLS + 1
    near = cv2.dilate(known[around.top : around.bottom, around.left : around.right], np.ones((side, side), np.uint8))
    beyond = cv2.bitwise_not(near[at.top - around.top :, at.left - around.left :][: part.shape[0], : part.shape[1]])
    return cv2.countNonZero(cv2.bitwise_and(part, beyond)) >= MIN_CELLS


def of_size(blob: Blob, size: Size) -> Blob:
    """The same of maps of another size: live, the network's input changes with the load."""
    if blob.map_size == size:
        return blob
    whole = np.zeros(blob.map_size, np.uint8)
    blob.spot.of(whole)[:] = blob.spot.mask
    resized = np.asarray(cv2.resize(whole, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
    wider, higher = size.width / blob.map_size.width, size.height / blob.map_size.height
    return replace(
        blob,
        spot=Spot(Box(0, 0, size.width, size.height), resized),
        map_size=size,
        across=blob.across * wider,
        down=blob.down * higher,
        whole_across=blob.whole_across * wider,
        whole_down=blob.whole_down * higher,
        pace=None if blob.pace is None else (blob.pace[0] * wider, blob.pace[1] * higher),
    )


def grown(box: Box, by: int, size: Size) -> Box:
    """A box with so many cells or pixels more to each side, as far as the map or picture goes."""
    left, top, right, bottom = box
    return Box(max(0, left - by), max(0, top - by), min(size.width, right + by), min(size.height, bottom + by))


def _held(begin: int, end: int, side: int, slack: float) -> int:
    """How far to move back what leaves a side of the picture, so that `EDGE_CELLS` of it are still there."""
    kept = min(EDGE_CELLS, end - begin)
    back = min(0, side - kept - begin) or max(0, kept - end)
    return back if abs(back) <= kept + slack else 0


def _part(mask: Mask, inside: Box, of: Box) -> Mask:
    """What of a mask in one box is inside another."""
    return mask[inside.top - of.top : inside.bottom - of.top, inside.left - of.left : inside.right - of.left]
