"""Where somebody is: what two networks that look in different ways say both.

The selfie network sees people well and things as people, too, and small people only in a window of their own; the
bundled one is careful. What neither says surely stays open.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import LabelMap
from training.pack import IGNORED, SOMEBODY
from training.teachers.movenet import Found

Likely = NDArray[np.float32]
"""Probability of somebody, (H, W)."""

SURE_PERSON = 0.3
"""Score of a person who is certainly there, to MoveNet."""
_UNSEEN = 0.15
"""Share of a sure person's box: who covers less of it to the others is open."""
_SPECK_PIXELS, _SPECK_SHARE = 40, 0.0008
_EDGE = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class Opinions:
    """How likely somebody is at each pixel."""

    whole: Likely
    """To the selfie network that sees the whole picture."""
    tiles: Likely
    """To the same in four overlapping windows."""
    windows: Likely
    """To the same in the window around each person that was found."""
    ours: Likely
    """To the bundled network."""


def presence(opinions: Opinions, found: list[Found]) -> LabelMap:
    """Where somebody is: uint8 (H, W), SOMEBODY, 0 for nobody, IGNORED where that is open."""
    whole, tiles, windows, ours = opinions.whole, opinions.tiles, opinions.windows, opinions.ours
    agreed = (whole > 0.5) | (ours > 0.5) | ((tiles > 0.6) & (ours > 0.25)) | ((windows > 0.85) & (ours > 0.3))
    somebody = ((windows > 0.6) & agreed) | ((whole > 0.75) & ((tiles > 0.6) | (ours > 0.5)))
    highest = np.maximum(np.maximum(whole, windows), np.where((tiles > 0.5) & (ours < 0.1), tiles / 2, tiles))
    nobody = (highest < 0.3) & (ours < 0.3)
    for each in found:
        at = np.s_[max(0, int(each.top)) : int(each.bottom) + 1, max(0, int(each.left)) : int(each.right) + 1]
        if each.score >= SURE_PERSON and somebody[at].size and somebody[at].mean() < _UNSEEN:
            nobody[at] = False
    seen = np.full(whole.shape, IGNORED, np.uint8)
    seen[nobody] = 0
    seen[somebody] = SOMEBODY
    return _without_specks(seen)


def presence_by_masks(opinions: Opinions, masks: LabelMap) -> LabelMap:
    """The same where people drew the outlines of persons: open at edges where the network does not agree.

    Args:
        opinions: of the same picture.
        masks: uint8 (H, W), persons' numbers, IGNORED where it is unknown.
    """
    somebody, unknown = (masks > 0) & (masks != IGNORED), masks == IGNORED
    edge = cv2.morphologyEx(somebody.view(np.uint8), cv2.MORPH_GRADIENT, _EDGE) > 0
    likely = np.maximum(opinions.windows, opinions.whole)
    seen = np.where(somebody, np.uint8(SOMEBODY), np.uint8(0))
    seen[unknown | (edge & somebody & (opinions.windows < 0.3)) | (edge & ~somebody & (likely > 0.5))] = IGNORED
    return seen


def _without_specks(seen: LabelMap) -> LabelMap:
    """The same, with somebody of only a few pixels open."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats((seen == SOMEBODY).view(np.uint8))
    small = stats[:, cv2.CC_STAT_AREA] < max(_SPECK_PIXELS, _SPECK_SHARE * seen.size)
    small[0] = False
    seen[small[pieces]] = IGNORED
    return seen
