"""The same body with another number: how often a parser loses who is who.

The mask of each person is carried with the picture to the next frame, and as far as `ABSENT_MOST_S` while the person is
not found; those found there are matched with the carried masks, best overlap first. A match of two different numbers is
a switch. So two persons who exchange numbers are two switches, and somebody who is lost and comes back as another
where they were is one; who comes back elsewhere, or later, is not counted.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_SAME = 0.5
"""Masks that share at least so much of what both cover are one body's."""
ABSENT_MOST_S = 1.0
"""How long the place of somebody who is not found is remembered."""

Mask = NDArray[np.bool_]


class _Body(NamedTuple):
    mask: Mask
    seen_s: float


class NumberSwitches:
    """Counts over the frames of one stream, in the order of time."""

    def __init__(self) -> None:
        self._bodies: dict[int, _Body] = {}

    def carry(self, carried: Callable[[Mask], Mask]) -> None:
        """To the next frame.

        Args:
            carried: a mask of the last frame, where it is in the next one.
        """
        self._bodies = {number: _Body(carried(body.mask), body.seen_s) for number, body in self._bodies.items()}

    def add(self, found: Mapping[int, Mask], pts_s: float) -> int:
        """How many bodies have another number than they had.

        Args:
            found: number of each person -> mask, of one frame, all of one shape.
            pts_s: the frame's time.
        """
        self._bodies = {number: body for number, body in self._bodies.items() if pts_s - body.seen_s <= ABSENT_MOST_S}
        pairs = self._pairs(found)
        for before in pairs.values():
            del self._bodies[before]
        self._bodies |= {number: _Body(mask, pts_s) for number, mask in found.items()}
        return sum(now != before for now, before in pairs.items())

    def forget(self) -> None:
        """What comes next has nothing to do with what was."""
        self._bodies.clear()

    def _pairs(self, found: Mapping[int, Mask]) -> dict[int, int]:
        """Number now -> number before, of each body that is known again."""
        overlaps = [
            (overlap, now, before)
            for now, mask in found.items()
            for before, body in self._bodies.items()
            if (overlap := _iou(mask, body.mask)) >= MIN_SAME
        ]
        pairs: dict[int, int] = {}
        # Of equal overlaps the one that keeps its number.
        for _, now, before in sorted(overlaps, key=lambda each: (-each[0], each[1] != each[2])):
            if now not in pairs and before not in pairs.values():
                pairs[now] = before
        return pairs


def _iou(one: Mask, other: Mask) -> float:
    both = np.count_nonzero(one & other)
    either = np.count_nonzero(one) + np.count_nonzero(other) - both
    return both / either if either else 0.0
