"""Selections that linger: what was hidden a moment ago stays hidden where the next masks miss it.

A parser that loses a face for some frames would uncover it. What is selected in one frame and missing in the next is
kept, and moved by the optical flow of the place where it is: for a time, and for longer while that place looks as it
did when it was seen, since then nobody has gone. A recording is gone through in both directions.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box, Size
from pipeline.motion.flow import Grey, coarse_flow, flow_inside, is_cut, unlike
from pipeline.motion.spots import Spot
from pipeline.types import Frame, Parsing

LINGER_S = 1.0
"""Time for which a selection stays hidden after it was seen last, and in a recording before it is seen first."""
KEPT_S = 0.4
"""The same of a selection that is kept while the rest goes, and no longer: it shows what others want to be gone."""
MAX_TIMES = 5
"""For so many times as long it stays hidden while it looks as it did: who sits still may be missed for seconds."""
MAX_DIFFERENCE = 12.0
"""Levels of grey, of 255, by which that may differ in the mean: noise, light and small movements make less."""
BATCH = 8
"""Frames that are given at once, once those up to `LINGER_S` after them are known."""
MAX_AHEAD = 64
"""Maximum number of frames in memory; of more than 56 a second fewer than `LINGER_S` after a frame are known."""
AROUND_CELLS = 2
"""What is missed by so little is hidden all the same: effects go that far beyond what is selected."""
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
class Covered:
    """A frame, its parsing, and what is to be hidden in it beside what its parsing selects."""

    frame: Frame
    parsing: Parsing | None
    """None where nothing is known of the frame."""
    lingering: Mask | None
    """Of the parsing's size; None where nothing lingers."""


@dataclass(frozen=True, slots=True, eq=False)
class _Blob:
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


class Lingering:
    """What lingers in one frame after the other, in either direction of time. For one thread at a time."""

    def __init__(self, linger_s: float = LINGER_S, max_times: float = MAX_TIMES) -> None:
        """
        Args:
            linger_s: time for which a selection lingers.
            max_times: so many times as long it does while its place looks as it did.
        """
        self._linger_s, self._max_s = linger_s, max_times * linger_s
        self._blobs: list[_Blob] = []
        """The newest first."""
        self._previous: Grey | None = None
        self._dis: cv2.DISOpticalFlow | None = None

    def add(self, grey: Grey, selected: Mask | None, *, cut: bool | None = None) -> Mask | None:
        """Takes the next frame.

        Args:
            selected: what its own masks select; None where it has no masks.
            cut: whether another scene begins with it, where nothing lingers; None finds out.

        Returns:
            What lingers beside it, of the same size; None for nothing, or where it has no masks.
        """
        previous, self._previous = self._previous, grey
        if previous is not None and (is_cut(previous, grey) if cut is None else cut):
            self._blobs, self._dis = [], None
        self._blobs = [blob for blob in self._blobs if self._is_young(blob, grey.pts_s)]
        if selected is None:
            self._blobs = [_looked_at(blob, grey) for blob in self._moved(previous, grey)]
            return None
        self._blobs = [_of_size(blob, Size(*selected.shape)) for blob in self._blobs]
        side = 2 * AROUND_CELLS + 1
        known = np.asarray(cv2.dilate(selected, np.ones((side, side), np.uint8)), np.uint8)
        # Where nothing but edges is missed, nobody has to know what moves.
        is_missed = any(True for blob in self._blobs for _ in _parts(blob, known))
        kept = _rests(self._moved(previous, grey), known) if is_missed else []
        own = _seen(selected, grey)
        self._blobs = own + [_looked_at(blob, grey) for blob in kept]
        together = np.zeros_like(selected)
        for blob in kept:
            here = blob.spot.of(together)
            cv2.bitwise_or(here, blob.spot.mask, here)
        return together if kept else None

    def _is_young(self, blob: _Blob, now_s: float) -> bool:
        seen_s, alike_s = abs(now_s - blob.seen.pts_s), abs(now_s - blob.alike_s)
        return alike_s <= self._linger_s and seen_s <= self._max_s

    def _moved(self, previous: Grey | None, grey: Grey) -> list[_Blob]:
        """The blobs as of this frame."""
        if previous is None or not self._blobs:
            return self._blobs
        size = Size(*grey.pixels.shape)
        there = [_on_grey(blob, size) for blob in self._blobs]
        boxes = [spot.box for spot in there if spot is not None]
        if not boxes:
            return self._blobs
        self._dis = self._dis or coarse_flow(size)
        source = flow_inside(previous, grey, _around(boxes, size), self._dis)
        wrong = unlike(previous, grey, source)
        return [
            # What is nowhere any more has not moved: it has gone behind something, or was not seen to go.
            blob if spot is None or _mean(wrong, spot) > MAX_DIFFERENCE else _shifted(blob, spot, source)
            for blob, spot in zip(self._blobs, there)
        ]


def covered_both_ways(
    parsed: Iterable[tuple[Frame, Parsing | None]],
    select: Callable[[Parsing], Mask],
    linger_s: float = LINGER_S,
    max_times: float = MAX_TIMES,
) -> Iterator[Covered]:
    """The frames of a recording with what is selected in those before and after them.

    Args:
        parsed: frames in the order of time.
        select: what a parsing's masks select.
        linger_s, max_times: as of `Lingering`.
    """
    forward, waiting = Lingering(linger_s, max_times), deque[_Waiting]()
    previous: Grey | None = None
    for frame, parsing in parsed:
        grey, mask = Grey.of(frame), None if parsing is None else select(parsing)
        cut = previous is not None and is_cut(previous, grey)
        previous = grey
        waiting.append(_Waiting(frame, parsing, grey, mask, cut, forward.add(grey, mask, cut=cut)))
        if len(waiting) > BATCH and _is_enough(waiting, linger_s):
            yield from _given(waiting, BATCH, Lingering(linger_s, max_times))
    yield from _given(waiting, len(waiting), Lingering(linger_s, max_times))


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    frame: Frame
    parsing: Parsing | None
    grey: Grey
    selected: Mask | None
    cut: bool
    """Whether another scene begins with it."""
    before: Mask | None
    """What lingers from frames before it."""


def _is_enough(waiting: deque[_Waiting], linger_s: float) -> bool:
    ahead_s = waiting[-1].grey.pts_s - waiting[BATCH - 1].grey.pts_s
    return ahead_s >= linger_s or len(waiting) >= MAX_AHEAD


def _given(waiting: deque[_Waiting], count: int, backward: Lingering) -> Iterator[Covered]:
    """Takes so many frames from the left."""
    after: list[Mask | None] = []
    cut = False
    for each in reversed(waiting):
        after.append(backward.add(each.grey, each.selected, cut=cut))
        cut = each.cut
    for _ in range(count):
        each = waiting.popleft()
        yield Covered(each.frame, each.parsing, _either(each.before, after.pop()))


def _either(one: Mask | None, other: Mask | None) -> Mask | None:
    if one is None or other is None:
        return other if one is None else one
    return np.asarray(cv2.bitwise_or(one, other), np.uint8)


def _seen(selected: Mask, grey: Grey) -> list[_Blob]:
    left, top, width, height = cv2.boundingRect(selected)
    if not width:
        return []
    spot = Spot(Box(left, top, left + width, top + height), selected[top : top + height, left : left + width])
    return [_Blob(spot, Size(*selected.shape), grey, grey.pts_s)]


def _rests(blobs: list[_Blob], known: Mask) -> list[_Blob]:
    """What is left of blobs beside what is known; of two at one place the newer one."""
    rests, known = [], known.copy()
    for blob in blobs:
        for rest in list(_parts(blob, known)):
            rests.append(_settled(blob, rest))
            here = rest.of(known)
            cv2.bitwise_or(here, rest.mask, here)
    return rests


def _settled(blob: _Blob, rest: Spot) -> _Blob:
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


def _looked_at(blob: _Blob, grey: Grey) -> _Blob:
    """The blob, noted as it is now if its place looks as it did when it was seen."""
    look, placed = blob.seen.pixels, blob.placed()
    if placed is None or look.shape != grey.pixels.shape:
        return blob
    size = Size(*look.shape)
    inside = placed.at(size, blob.map_size)
    if inside is None:
        return blob
    across = (blob.whole_across + blob.across) * size.width / blob.map_size.width
    down = (blob.whole_down + blob.down) * size.height / blob.map_size.height
    left, top, right, bottom = inside.box
    moves = np.array([[1, 0, across - left], [0, 1, down - top]], np.float32)
    then = cv2.warpAffine(look, moves, (right - left, bottom - top), borderMode=cv2.BORDER_REPLICATE)
    differs = cv2.mean(cv2.absdiff(then, inside.of(grey.pixels)), mask=inside.mask)[0]
    return replace(blob, alike_s=grey.pts_s) if differs <= MAX_DIFFERENCE else blob


def _mean(levels: NDArray[np.uint8], spot: Spot) -> float:
    return cv2.mean(spot.of(levels), mask=spot.mask)[0]


def _parts(blob: _Blob, known: Mask) -> Iterator[Spot]:
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
            if area < MIN_SHARE * wholes[there, cv2.CC_STAT_AREA]:
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


def _on_grey(blob: _Blob, size: Size) -> Spot | None:
    """Its place on a small grey picture, a pixel at least; None outside the picture."""
    placed = blob.placed()
    if placed is None:
        return None
    left, top, right, bottom = placed.box
    row = (top + bottom) * size.height // (2 * blob.map_size.height)
    column = (left + right) * size.width // (2 * blob.map_size.width)
    middle = Spot(Box(column, row, column + 1, row + 1), np.full((1, 1), 255, np.uint8))
    return placed.at(size, blob.map_size) or middle


def _shifted(blob: _Blob, there: Spot, source: NDArray[np.float32]) -> _Blob:
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


def _of_size(blob: _Blob, size: Size) -> _Blob:
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


def _around(boxes: list[Box], size: Size) -> Box:
    """The box of a small grey picture in which motion is looked for."""
    left, top, right, bottom = boxes[0].around(boxes)
    return Box(
        max(0, left - AROUND_PX),
        max(0, top - AROUND_PX),
        min(size.width, right + AROUND_PX),
        min(size.height, bottom + AROUND_PX),
    )


def _part(mask: Mask, inside: Box, of: Box) -> Mask:
    """What of a mask in one box is inside another."""
    return mask[inside.top - of.top : inside.bottom - of.top, inside.left - of.left : inside.right - of.left]
