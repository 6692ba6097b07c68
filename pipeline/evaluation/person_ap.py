"""Persons found and missed: precision, recall and average precision at a mask overlap of a half.

Matching is COCO's (https://cocodataset.org/#detection-eval): in each picture the persons found, surest first, each
take the person in the truth that they overlap most of those not yet taken, if by `MIN_IOU`. Average precision is
the area under the whole interpolated precision-recall curve, as in Pascal VOC since 2010, and not COCO's mean over
101 points of it.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import LabelMap, Parsing

MIN_IOU = 0.5
"""Masks that share at least so much of what both cover are one person's."""
UNKNOWN = 255
"""Pixels of a true instance map of which nobody knows whose they are."""


@dataclass(frozen=True, slots=True)
class PersonFigures:
    """How well persons were found."""

    people: int
    """In the truth."""
    found: int
    """By the parser, without those that lie for more than half where nobody knows."""
    precision: float
    """Share of those found that are there; 0 where none was found."""
    recall: float
    """Share of those there that were found; 0 where nobody is there."""
    ap: float
    """Average precision, in [0, 1]."""


class PersonMatches:
    """Matches found persons with true ones over many pictures."""

    def __init__(self) -> None:
        self.pictures = 0
        self._people = 0
        self._scores: list[float] = []
        self._right: list[bool] = []

    def add(self, truth: LabelMap, parsing: Parsing) -> None:
        """Counts one picture.

        Args:
            truth: uint8 (H, W), a number for each person, 0 for nobody, 255 for unknown. Unknown pixels are left out
                of every overlap, and whoever lies there for more than half and matches nobody does not count.
            parsing: its instance map is scaled to the truth's size.
        """
        ids = cv2.resize(parsing.instances, truth.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        pairs = truth.astype(np.int64).ravel() * 256 + ids.ravel()
        shared = np.bincount(pairs, minlength=256 * 256).reshape(256, 256)[:, : len(parsing.people) + 1]
        unknown, known = shared[UNKNOWN, 1:], shared[:UNKNOWN]
        there = np.flatnonzero(known[1:].any(axis=1)) + 1
        covered = known[:, 1:].sum(axis=0)
        # Rows are those who are there, columns those who were found.
        both = known[there, 1:]
        overlaps = both / (known[there].sum(axis=1, keepdims=True) + covered - both)
        self.pictures += 1
        self._people += len(there)
        for index in sorted(range(len(parsing.people)), key=lambda index: -parsing.people[index].score):
            right = _take(overlaps, index)
            if right or unknown[index] <= covered[index]:
                self._scores.append(parsing.people[index].score)
                self._right.append(right)

    @property
    def figures(self) -> PersonFigures:
        surest_first = np.argsort(-np.array(self._scores), kind="stable")
        right = np.array(self._right, np.bool_)[surest_first]
        hits = np.cumsum(right)
        precisions = hits / np.arange(1, len(right) + 1)
        # Interpolated: the best precision at this recall or any higher one.
        best = np.maximum.accumulate(precisions[::-1])[::-1]
        found = int(right.sum())
        return PersonFigures(
            people=self._people,
            found=len(right),
            precision=found / max(1, len(right)),
            recall=found / max(1, self._people),
            ap=float(best[right].sum() / max(1, self._people)),
        )


def _take(overlaps: NDArray[np.float64], found: int) -> bool:
    """Whether a found person matches somebody, who is then taken: no longer overlapped by anybody."""
    if not len(overlaps):
        return False
    best = int(overlaps[:, found].argmax())
    if overlaps[best, found] < MIN_IOU:
        return False
    overlaps[best] = 0
    return True
