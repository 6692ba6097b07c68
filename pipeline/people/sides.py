"""The sides of legs and shoes: left or right decided once for each limb of a person.

A network takes each cell by itself, so that half of a boot comes out as the other foot's, and both shoes as left
ones. Where a person's two legs, or two shoes, are seen apart, one is the left one and one the right one, and all their
cells together say which.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.labels import LabelSet
from pipeline.network.upsampling import highest
from pipeline.types import LabelMap

Pairs = tuple[tuple[int, int], ...]
"""The ids of a left class and of the right one, for each pair."""
_APART = ("Left-leg", "Left-shoe")
"""Not arms: a bag or a fold often cuts one arm in two."""
MIN_SHARE = 0.2
"""A piece of less than this share of a person's pair is no limb of its own."""
MIN_MARGIN = 1.0
"""Two limbs that both look like the left one, or the right one, stay so unless one is surer by this much, in logits."""


def pairs_of(label_set: LabelSet) -> Pairs:
    """The pairs of classes whose sides `settle_sides` can decide."""
    lefts = [label_set.id_of(name) for name in _APART]
    return tuple((left, int(label_set.mirrored[left])) for left in lefts)


def settle_sides(scores: NDArray[np.float32], owners: LabelMap, pairs: Pairs) -> NDArray[np.float32]:
    """The scores with every limb on one side: float32 of the same shape, the same array if nothing changes.

    Where a cell changes its side, the pair's two scores change places.

    Args:
        scores: float32 (classes, h, w), logits.
        owners: uint8 (h, w), the number of the person that each cell belongs to, 0 for nobody.
        pairs: see `pairs_of`.
    """
    there = _around(owners)
    here, owners = scores[:, *there], owners[there]
    if not owners.size:
        return scores
    best = highest(here)
    settled = scores
    for left, right in pairs:
        limbs = ((best == left) | (best == right)) & (owners > 0)
        wrong = np.zeros(limbs.shape, np.bool_)
        for number in np.flatnonzero(np.bincount(owners[limbs])):
            theirs = limbs & (owners == number)
            part = _around(theirs.view(np.uint8))
            wrong[part] |= _on_wrong_side(here[right][part] - here[left][part], theirs[part])
        if wrong.any():
            settled = settled.copy() if settled is scores else settled
            changed = settled[:, *there]
            changed[left, wrong], changed[right, wrong] = here[right, wrong], here[left, wrong]
    return settled


def _around(cells: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Rows and columns of all cells but 0."""
    left, top, width, height = cv2.boundingRect(cells)
    return slice(top, top + height), slice(left, left + width)


def _on_wrong_side(to_right: NDArray[np.float32], limbs: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The cells of one person's pair of limbs that are of the other side than their limb."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(limbs).view(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    large = np.flatnonzero(areas >= MIN_SHARE * areas.sum()) + 1
    if len(large) != 2:  # one limb, or both as one piece
        return np.zeros(limbs.shape, np.bool_)
    evidence = np.bincount(pieces.ravel(), weights=to_right.ravel(), minlength=count)[large] / areas[large - 1]
    if evidence[0] * evidence[1] > 0 and abs(evidence[0] - evidence[1]) < MIN_MARGIN:
        return np.zeros(limbs.shape, np.bool_)
    right, left = large if evidence[0] > evidence[1] else large[::-1]
    return np.asarray(((pieces == right) & (to_right < 0)) | ((pieces == left) & (to_right > 0)), np.bool_)
