"""How much of each person is seen, by how tall they are in the picture."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.evaluation.person_ap import UNKNOWN
from pipeline.types import LabelMap

HEIGHTS = (0.0, 0.15, 0.3, 0.6)
"""Where each group of heights begins, as shares of the picture's height."""
MIN_PIXELS = 150
"""People of fewer pixels are specks that nobody can judge by."""
MIN_SEEN = 0.2
"""A person of whose pixels a smaller share is predicted to be somebody is hardly seen."""


@dataclass(frozen=True, slots=True)
class SeenFigures:
    """How much was seen of the people of one group of heights."""

    min_height: float
    """Share of the picture's height from which the group begins; it ends where the next begins."""
    people: int
    seen: float
    """Mean over the people of the share of their pixels that is predicted to be somebody."""
    hardly_seen: float
    """Share of the people of whom less than `MIN_SEEN` is."""


class SeenPeople:
    """Counts over many pictures."""

    def __init__(self) -> None:
        self._shares: tuple[list[float], ...] = tuple([] for _ in HEIGHTS)

    def add(self, truth: LabelMap, labels: LabelMap) -> None:
        """Counts one picture.

        Args:
            truth: uint8 (H, W), a number for each person, 0 for nobody, 255 for unknown.
            labels: uint8 (h, w), classes as predicted; scaled to the truth's size.
        """
        somebody = cv2.resize(labels, truth.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT) > 0
        for number in np.unique(truth[(truth > 0) & (truth != UNKNOWN)]):
            person = truth == number
            if np.count_nonzero(person) < MIN_PIXELS:
                continue
            rows = np.flatnonzero(person.any(axis=1))
            height = (rows[-1] - rows[0] + 1) / truth.shape[0]
            group = int(np.searchsorted(HEIGHTS, height, side="right")) - 1
            self._shares[group].append(float(somebody[person].mean()))

    @property
    def figures(self) -> tuple[SeenFigures, ...]:
        """Of each group with people in it."""
        return tuple(
            SeenFigures(least, len(shares), float(np.mean(shares)), float(np.mean(np.array(shares) < MIN_SEEN)))
            for least, shares in zip(HEIGHTS, self._shares)
            if shares
        )
