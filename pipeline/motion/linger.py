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

from pipeline.motion.flow import Grey, dis_flow, flow_between, is_cut
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

    mask: Mask
    seen: Grey
    """The frame in which it was seen."""
    alike_s: float
    """When it was seen last, or its place looked as it did then."""
    across: float = 0.0
    down: float = 0.0
    whole_across: float = 0.0
    whole_down: float = 0.0
    """What the mask itself has been moved, beside that."""

    def placed(self) -> Mask:
        """The mask where it is now."""
        if not (round(self.across) or round(self.down)):
            return self.mask
        moves = np.array([[1, 0, round(self.across)], [0, 1, round(self.down)]], np.float32)
        return np.asarray(cv2.warpAffine(self.mask, moves, self.mask.shape[::-1], flags=cv2.INTER_NEAREST), np.uint8)


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
        self._dis = dis_flow()

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
            self._blobs = []
        self._blobs = [blob for blob in self._blobs if self._is_young(blob, grey.pts_s)]
        if selected is None:
            self._blobs = [_looked_at(blob, grey) for blob in self._moved(previous, grey)]
            return None
        self._blobs = [_of_shape(blob, selected.shape) for blob in self._blobs]
        side = 2 * AROUND_CELLS + 1
        known = np.asarray(cv2.dilate(selected, np.ones((side, side), np.uint8)), np.uint8)
        # Where nothing but edges is missed, as in most frames, nobody has to know what moves.
        kept = _rests(self._moved(previous, grey), known) if _rests(self._blobs, known) else []
        own = [_Blob(selected, grey, grey.pts_s)] if cv2.countNonZero(selected) else []
        self._blobs = own + [_looked_at(blob, grey) for blob in kept]
        together = np.zeros_like(selected)
        for blob in kept:
            cv2.bitwise_or(together, blob.placed(), together)
        return together if kept else None

    def _is_young(self, blob: _Blob, now_s: float) -> bool:
        seen_s, alike_s = abs(now_s - blob.seen.pts_s), abs(now_s - blob.alike_s)
        return alike_s <= self._linger_s and seen_s <= self._max_s

    def _moved(self, previous: Grey | None, grey: Grey) -> list[_Blob]:
        """The blobs as of this frame."""
        if previous is None or not self._blobs:
            return self._blobs
        source = flow_between(previous, grey, self._dis).source
        return [_shifted(blob, source) for blob in self._blobs]


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


def _rests(blobs: list[_Blob], known: Mask) -> list[_Blob]:
    """What is left of blobs beside what is known; of two at one place the newer one."""
    rests = []
    for blob in blobs:
        placed = blob.placed()
        for rest in _parts(placed, known):
            rests.append(_settled(blob, rest))
            known = np.asarray(cv2.bitwise_or(known, rest), np.uint8)
    return rests


def _settled(blob: _Blob, rest: Mask) -> _Blob:
    """What is left of a blob that was placed at whole cells; the fraction of its way goes on adding up."""
    across, down = round(blob.across), round(blob.down)
    return replace(
        blob,
        mask=rest,
        across=blob.across - across,
        down=blob.down - down,
        whole_across=blob.whole_across + across,
        whole_down=blob.whole_down + down,
    )


def _looked_at(blob: _Blob, grey: Grey) -> _Blob:
    """The blob, noted as it is now if its place looks as it did when it was seen."""
    look = blob.seen.pixels
    if look.shape != grey.pixels.shape:
        return blob
    shape = look.shape[::-1]
    across = (blob.whole_across + blob.across) * look.shape[1] / blob.mask.shape[1]
    down = (blob.whole_down + blob.down) * look.shape[0] / blob.mask.shape[0]
    moves = np.array([[1, 0, across], [0, 1, down]], np.float32)
    then = cv2.warpAffine(look, moves, shape, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.resize(blob.placed(), shape, interpolation=cv2.INTER_NEAREST)
    if not cv2.countNonZero(inside):
        return blob
    differs = cv2.mean(cv2.absdiff(then, grey.pixels), mask=inside)[0]
    return replace(blob, alike_s=grey.pts_s) if differs <= MAX_DIFFERENCE else blob


def _parts(placed: Mask, known: Mask) -> Iterator[Mask]:
    """The connected parts of a mask that are missed, without what is only the edge of its regions."""
    left, top, width, height = cv2.boundingRect(placed)
    if not width:  # it has left the picture
        return
    here = np.s_[top : top + height, left : left + width]
    missed = _without(placed[here], known[here])
    if cv2.countNonZero(missed) < MIN_CELLS:
        return
    _, regions, wholes, _ = cv2.connectedComponentsWithStats(placed[here])
    count, parts, found, _ = cv2.connectedComponentsWithStats(missed)
    for number in range(1, count):
        across, down, wide, high, area = found[number].tolist()
        if area < MIN_CELLS:
            continue
        inside = np.s_[down : down + high, across : across + wide]
        part = np.asarray(cv2.inRange(parts[inside], number, number), np.uint8)
        region = regions[inside][part > 0][0]
        if area >= MIN_SHARE * wholes[region, cv2.CC_STAT_AREA] or _is_thick(part):
            rest = np.zeros_like(placed)
            rest[here][inside] = part
            yield rest


def _is_thick(part: Mask) -> bool:
    return cv2.countNonZero(cv2.erode(part, _THICK, borderType=cv2.BORDER_CONSTANT, borderValue=0)) > 0


def _without(mask: Mask, known: Mask) -> Mask:
    return np.asarray(cv2.bitwise_and(mask, cv2.bitwise_not(known)), np.uint8)


def _shifted(blob: _Blob, source: NDArray[np.float32]) -> _Blob:
    """A blob, moved as most of what is there moves."""
    height, width = source.shape[:2]
    rows, columns = np.nonzero(cv2.resize(blob.placed(), (width, height), interpolation=cv2.INTER_NEAREST))
    if not len(rows):
        left, top, wide, high = cv2.boundingRect(blob.placed())
        middle = (top + high / 2) / blob.mask.shape[0], (left + wide / 2) / blob.mask.shape[1]
        rows, columns = (np.array([int(share * side)]) for share, side in zip(middle, (height, width)))
    across, down = np.median(source[rows, columns], axis=0)
    # The flow tells where a place was: what is there moves the other way.
    scale_down, scale_across = blob.mask.shape[0] / height, blob.mask.shape[1] / width
    return replace(blob, across=blob.across - float(across) * scale_across, down=blob.down - float(down) * scale_down)


def _of_shape(blob: _Blob, shape: tuple[int, ...]) -> _Blob:
    """The same of maps of another size: live, the network's input changes with the load."""
    height, width = blob.mask.shape
    if (height, width) == shape:
        return blob
    mask = np.asarray(cv2.resize(blob.mask, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
    wider, higher = shape[1] / width, shape[0] / height
    return replace(
        blob,
        mask=mask,
        across=blob.across * wider,
        down=blob.down * higher,
        whole_across=blob.whole_across * wider,
        whole_down=blob.whole_down * higher,
    )
