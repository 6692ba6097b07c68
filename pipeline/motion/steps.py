"""Steps: how far what lingers goes from one frame to the next, and where it may be when the picture does not tell.

Optical flow loses what is small and fast, and at the edge of the picture it has nothing to find what leaves by. So the
flow is not the only guess: who was seen to go goes on at that pace, and the guess under which the place looks most as
it did is right. Where none does, somebody is hidden both where they were and where they would have gone to.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box, Size
from pipeline.motion.blobs import MAX_DIFFERENCE, Blob, Mask, grown
from pipeline.motion.flow import Field, Grey, flow_inside, unlike_inside
from pipeline.motion.spots import Spot

AROUND_PX = 24
"""Pixels of the small grey picture around what lingers in which motion is looked for."""
MIN_STEP_PX = 0.5
"""Who goes less far a frame is found by the flow alone."""
CHANGE_PX, CHANGE_SHARE = 1.0, 0.5
"""At the edge of the picture a step differs from the last by so many pixels and so much of it at most."""

Step = tuple[float, float]
"""Across and down, in pixels of the small grey picture."""


@dataclass(frozen=True, eq=False)
class _Between:
    """Two frames, one right after the other, and the flow where it is looked for."""

    before: Grey
    after: Grey
    box: Box
    """Where the flow is looked for, in pixels of the small grey pictures."""
    source: Field
    size: Size
    """Of the small grey pictures."""

    @cached_property
    def wrong(self) -> NDArray[np.uint8]:
        """Levels of grey by which the flow does not make the one of the other."""
        return unlike_inside(self.before, self.after, self.source, self.box)

    @property
    def taken_s(self) -> float:
        """Negative where time goes backward."""
        return self.after.pts_s - self.before.pts_s


def moved(
    blobs: list[Blob], before: Grey, after: Grey, dis: cv2.DISOpticalFlow, passing: Mask | None = None
) -> list[Blob]:
    """Blobs as of one frame, as of a later one.

    Args:
        passing: what others cover in the first frame; only what is beside it tells how a blob moves.

    Returns:
        As many, and once two for one whose `pace` is known, when the picture does not tell where it went: one that
        stays, and one that goes on.
    """
    size = Size(*after.pixels.shape)
    covered = None
    if passing is not None:
        covered = np.asarray(cv2.resize(passing, size[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
    there = [_beside(_on_grey(blob, size), blob, before, covered) for blob in blobs]
    boxes = [spot.box for spot in there if spot is not None]
    if not boxes:
        return blobs
    box = grown(boxes[0].around(boxes), AROUND_PX, size)
    between = _Between(before, after, box, flow_inside(before, after, box, dis), size)
    done: list[Blob] = []
    for blob, spot in zip(blobs, there):
        # What is nowhere any more has not moved: it has gone behind something, or was not seen to go.
        done += [blob] if spot is None else _followed(blob, spot, between)
    return done


def paced(blob: Blob, earlier: Sequence[Blob], before: Grey, dis: cv2.DISOpticalFlow) -> Blob:
    """A blob as it was seen, with the pace at which it came there.

    Args:
        earlier: what was seen one frame before; its masks tell of small and fast people what the flow misses.
        before: that frame.
    """
    seen = blob.seen
    size = Size(*seen.pixels.shape)
    spot, taken_s = _on_grey(blob, size), seen.pts_s - before.pts_s
    if spot is None or not taken_s or before.pixels.shape != seen.pixels.shape:
        return blob
    box = grown(spot.box, AROUND_PX, size)
    source = flow_inside(before, seen, box, dis)
    back = _Between(seen, before, box, source, size)
    wide, high = blob.map_size.width / size.width, blob.map_size.height / size.height
    ways = [(-across, -down) for across, down in [_step_at(spot, source)]]
    ways += [(across / wide, down / high) for across, down in _mask_ways(blob, earlier)]
    across, down = min(ways, key=lambda way: _level_after(spot, way, back))
    return replace(blob, pace=(-across * wide / taken_s, -down * high / taken_s))


def _mask_ways(blob: Blob, earlier: Sequence[Blob]) -> Iterator[Step]:
    """How far it is from a blob to those that it may have been, in cells: to their middles."""
    area, middle = cv2.countNonZero(blob.spot.mask), _middle(blob)
    for other in earlier:
        if other.map_size == blob.map_size and area < 2 * cv2.countNonZero(other.spot.mask) < 4 * area:
            there = _middle(other)
            yield there[0] - middle[0], there[1] - middle[1]


def _middle(blob: Blob) -> Step:
    rows, columns = np.nonzero(blob.spot.mask)
    return blob.spot.box.left + float(columns.mean()), blob.spot.box.top + float(rows.mean())


def _followed(blob: Blob, spot: Spot, between: _Between) -> list[Blob]:
    by_flow = _step_at(spot, between.source)
    hint = _hint(blob, between)
    if hint is None:
        return [blob] if _mean_level(between.wrong, spot) > MAX_DIFFERENCE else [_gone(blob, by_flow, between)]
    if blob.is_out:
        # What is seen at the edge is something else.
        return [_gone(blob, hint, between)]
    # The first of those that are equally good: who is out of sight went on as they did.
    steps = [hint, by_flow, _step_at(_aside(spot, hint, between.size), between.source)]
    if _is_at_edge(spot, hint, between.size):
        steps = [_bounded(step, hint) for step in steps]
    levels = [_level_after(spot, step, between) for step in steps]
    best = min(range(len(steps)), key=levels.__getitem__)
    if levels[best] <= MAX_DIFFERENCE:
        return [_gone(blob, steps[best], between)]
    on = replace(_gone(blob, hint, between), pace=blob.pace, twofold=True)
    return [on] if blob.twofold else [replace(blob, pace=None, twofold=True), on]


def _hint(blob: Blob, between: _Between) -> Step | None:
    """The step that it takes if it goes on as it did; None where that is not known, or no step."""
    if blob.pace is None:
        return None
    across = blob.pace[0] * between.taken_s * between.size.width / blob.map_size.width
    down = blob.pace[1] * between.taken_s * between.size.height / blob.map_size.height
    return (across, down) if max(abs(across), abs(down)) >= MIN_STEP_PX else None


def _gone(blob: Blob, step: Step, between: _Between) -> Blob:
    across = step[0] * blob.map_size.width / between.size.width
    down = step[1] * blob.map_size.height / between.size.height
    pace = blob.pace
    if between.taken_s and (pace is not None or not blob.twofold):
        pace = across / between.taken_s, down / between.taken_s
    return replace(blob, across=blob.across + across, down=blob.down + down, pace=pace)


def _bounded(step: Step, hint: Step) -> Step:
    across, down = (
        min(max(way, usual - slack), usual + slack)
        for way, usual, slack in ((way, usual, CHANGE_PX + CHANGE_SHARE * abs(usual)) for way, usual in zip(step, hint))
    )
    return across, down


def _is_at_edge(spot: Spot, step: Step, size: Size) -> bool:
    """Whether a part of it is beyond the edge after a step, or may be before."""
    left, top, right, bottom = _aside_box(spot.box, step)
    return left <= 0 or top <= 0 or right >= size.width or bottom >= size.height


def _aside_box(box: Box, step: Step) -> Box:
    across, down = round(step[0]), round(step[1])
    return Box(box.left + across, box.top + down, box.right + across, box.bottom + down)


def _aside(spot: Spot, step: Step, size: Size) -> Spot:
    """The spot after a step, as much of it as is in the picture; the spot itself where nothing is."""
    left, top, right, bottom = _aside_box(spot.box, step)
    inside = Box(max(0, left), max(0, top), min(size.width, right), min(size.height, bottom))
    if inside.left >= inside.right or inside.top >= inside.bottom:
        return spot
    part = spot.mask[inside.top - top : inside.bottom - top, inside.left - left : inside.right - left]
    return Spot(inside, part) if cv2.countNonZero(part) else spot


def _level_after(spot: Spot, step: Step, between: _Between) -> float:
    """Levels of grey by which it looks otherwise after a step, in the mean of what is still in the picture."""
    left, top, right, bottom = spot.box
    across, down = step
    whence = np.array([[1, 0, left + across], [0, 1, top + down]], np.float32)
    shape, how = (right - left, bottom - top), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    now = np.asarray(cv2.warpAffine(between.after.pixels, whence, shape, flags=how), np.uint8)
    height, width = between.size
    seen = np.s_[
        max(0, round(-top - down)) : max(0, round(height - top - down)),
        max(0, round(-left - across)) : max(0, round(width - left - across)),
    ]
    mask = spot.mask[seen]
    if not (mask.size and cv2.countNonZero(mask)):
        return 0.0
    return cv2.mean(cv2.absdiff(spot.of(between.before.pixels)[seen], now[seen]), mask=mask)[0]


def _beside(spot: Spot | None, blob: Blob, before: Grey, covered: Mask | None) -> Spot | None:
    """What of a blob is not covered by others; None where all of it is."""
    if spot is None or covered is None or blob.seen is before:
        return spot
    rest = cv2.bitwise_and(spot.mask, cv2.bitwise_not(spot.of(covered)))
    return Spot(spot.box, np.asarray(rest, np.uint8)) if cv2.countNonZero(rest) else None


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


def _step_at(spot: Spot, source: Field) -> Step:
    """How most of what is there moves. The flow tells where a place was: what is there moves the other way."""
    left, top, right, bottom = spot.box
    # Both values of a pixel as one are picked out in half of the time.
    pairs = np.ascontiguousarray(source[top:bottom, left:right]).view(np.complex64)[..., 0]
    ways = pairs[spot.mask > 0]
    return -_median(ways.real), -_median(ways.imag)


def _median(values: NDArray[np.float32]) -> float:
    """A third of numpy's own time for the few that a blob has."""
    low, high = (len(values) - 1) // 2, len(values) // 2
    ordered = values.copy()
    ordered.partition((low, high) if low < high else low)
    return float((ordered[low] + ordered[high]) / 2)


def _mean_level(levels: NDArray[np.uint8], spot: Spot) -> float:
    return cv2.mean(spot.of(levels), mask=spot.mask)[0]
