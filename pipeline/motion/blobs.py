"""Blobs: selections as they were seen, which move with the picture and are looked for where masks miss them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box, Size
from pipeline.motion.flow import Grey, flow_inside, unlike
from pipeline.motion.spots import Spot

MAX_DIFFERENCE = 12.0
"""Levels of grey, of 255, by which a place may differ in the mean and look alike: noise, light and small movements make
less."""
AROUND_PX = 24
"""Pixels of the small grey picture around what lingers in which motion is looked for."""
MIN_SHARE = 0.15
"""Smaller shares of a region that are missed are its edge, unless they are `THICK_CELLS` wide."""
THICK_CELLS = 5
MIN_CELLS = 4
"""Less is no part of anybody that can be seen."""

_THICK = np.ones((THICK_CELLS, THICK_CELLS), np.uint8)

Mask = NDArray[np.uint8]
"""uint8 (h, w): 255 where something is selected, else 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Blob:
    """A selection as it was seen last, and how far it has moved since, in cells."""

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

    def placed(self) -> Spot | None:
        """The mask where it is now; None where that is outside the picture."""
        across, down = round(self.across), round(self.down)
        if not (across or down):
            return self.spot
        left, top, right, bottom = self.spot.box
        moved = Box(left + across, top + down, right + across, bottom + down)
        inside = Box(
            max(0, moved.left),
            max(0, moved.top),
            min(self.map_size.width, moved.right),
            min(self.map_size.height, moved.bottom),
        )
        if not (inside.left < inside.right and inside.top < inside.bottom):
            return None
        return Spot(inside, _part(self.spot.mask, inside, moved))


def seen_in(selected: Mask, grey: Grey) -> list[Blob]:
    """All that is selected in a frame, as one blob; none of nothing."""
    left, top, width, height = cv2.boundingRect(selected)
    if not width:
        return []
    spot = Spot(Box(left, top, left + width, top + height), selected[top : top + height, left : left + width])
    return [Blob(spot, Size(*selected.shape), grey, grey.pts_s)]


def parts_of(selected: Mask, grey: Grey) -> list[Blob]:
    """What is selected in a frame, a blob for each connected part of it."""
    blobs = []
    for whole in seen_in(selected, grey):
        count, parts, found = _components(whole.spot.mask)
        for number in range(1, count):
            across, down, wide, high, area = found[number].tolist()
            if area >= MIN_CELLS:
                part = cv2.inRange(parts[down : down + high, across : across + wide], number, number)
                left, top = whole.spot.box.left + across, whole.spot.box.top + down
                spot = Spot(Box(left, top, left + wide, top + high), np.asarray(part, np.uint8))
                blobs.append(replace(whole, spot=spot))
    return blobs


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
    placed = blob.placed()
    return replace(blob, alike_s=grey.pts_s) if placed is not None and is_alike(blob, placed, grey) else blob


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


def moved(blobs: list[Blob], before: Grey, after: Grey, dis: cv2.DISOpticalFlow) -> list[Blob]:
    """Blobs as of one frame, as of a later one."""
    size = Size(*after.pixels.shape)
    there = [_on_grey(blob, size) for blob in blobs]
    boxes = [spot.box for spot in there if spot is not None]
    if not boxes:
        return blobs
    source = flow_inside(before, after, grown(boxes[0].around(boxes), AROUND_PX, size), dis)
    wrong = unlike(before, after, source)
    return [
        # What is nowhere any more has not moved: it has gone behind something, or was not seen to go.
        blob if spot is None or _mean_level(wrong, spot) > MAX_DIFFERENCE else _shifted(blob, spot, source)
        for blob, spot in zip(blobs, there)
    ]


def missed_parts(blob: Blob, known: Mask, min_share: float = MIN_SHARE) -> Iterator[Spot]:
    """The connected parts of a blob beside what is known, without what is only the edge of its regions."""
    placed = blob.placed()
    if placed is None:
        return
    missed = np.asarray(cv2.bitwise_and(placed.mask, cv2.bitwise_not(placed.of(known))), np.uint8)
    if cv2.countNonZero(missed) < MIN_CELLS:
        return
    # Mostly little is missed of somebody: only there its parts are counted.
    beside, below, wide, high = cv2.boundingRect(missed)
    count, parts, found = _components(missed[below : below + high, beside : beside + wide])
    regions: NDArray[np.integer] | None = None
    for number in range(1, count):
        across, down, wide, high, area = found[number].tolist()
        if area < MIN_CELLS:
            continue
        part = np.asarray(cv2.inRange(parts[down : down + high, across : across + wide], number, number), np.uint8)
        down, across = down + below, across + beside
        if not _is_thick(part):
            if regions is None:
                _, regions, wholes = _components(placed.mask)
            there = regions[down : down + high, across : across + wide][part > 0][0]
            if area < min_share * wholes[there, cv2.CC_STAT_AREA]:
                continue
        left, top = placed.box.left + across, placed.box.top + down
        yield Spot(Box(left, top, left + wide, top + high), part)


def _components(mask: Mask) -> tuple[int, NDArray[np.integer], NDArray[np.int32]]:
    """Their number with that of the rest, each pixel's, and OpenCV's statistics of each."""
    # 16 bits take half of the time of 32, and of four pixels one at most begins a component.
    kind = cv2.CV_16U if mask.size < 4 * 65535 else cv2.CV_32S
    count, parts, found, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=kind)
    return count, np.asarray(parts), np.asarray(found, np.int32)


def _is_thick(part: Mask) -> bool:
    if min(part.shape) < THICK_CELLS:
        return False
    return cv2.countNonZero(cv2.erode(part, _THICK, borderType=cv2.BORDER_CONSTANT, borderValue=0)) > 0


def _on_grey(blob: Blob, size: Size) -> Spot | None:
    """Its place on a small grey picture, a pixel at least; None outside the picture."""
    placed = blob.placed()
    if placed is None:
        return None
    left, top, right, bottom = placed.box
    row = (top + bottom) * size.height // (2 * blob.map_size.height)
    column = (left + right) * size.width // (2 * blob.map_size.width)
    middle = Spot(Box(column, row, column + 1, row + 1), np.full((1, 1), 255, np.uint8))
    return placed.at(size, blob.map_size) or middle


def _shifted(blob: Blob, there: Spot, source: NDArray[np.float32]) -> Blob:
    """A blob, moved as most of what is there moves."""
    left, top, right, bottom = there.box
    across, down = _median(source[top:bottom, left:right][there.mask > 0])
    scale_down, scale_across = blob.map_size.height / source.shape[0], blob.map_size.width / source.shape[1]
    # The flow tells where a place was: what is there moves the other way.
    return replace(blob, across=blob.across - across * scale_across, down=blob.down - down * scale_down)


def _median(values: NDArray[np.float32]) -> tuple[float, float]:
    """Of each column; a third of numpy's own time for the few that a blob has."""
    low, high = (len(values) - 1) // 2, len(values) // 2
    ordered = np.partition(values, (low, high), axis=0)
    across, down = ((ordered[low] + ordered[high]) / 2).tolist()
    return across, down


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
    )


def _mean_level(levels: NDArray[np.uint8], spot: Spot) -> float:
    return cv2.mean(spot.of(levels), mask=spot.mask)[0]


def grown(box: Box, by: int, size: Size) -> Box:
    """A box with so many cells or pixels more to each side, as far as the map or picture goes."""
    left, top, right, bottom = box
    return Box(max(0, left - by), max(0, top - by), min(size.width, right + by), min(size.height, bottom + by))


def _part(mask: Mask, inside: Box, of: Box) -> Mask:
    """What of a mask in one box is inside another."""
    return mask[inside.top - of.top : inside.bottom - of.top, inside.left - of.left : inside.right - of.left]
