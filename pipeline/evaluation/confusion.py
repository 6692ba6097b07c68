"""Counts of truth against prediction, pixel by pixel, and the figures that follow from them.

All are of all pictures together: pixels are added up before anything is divided.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadPicture
from pipeline.labels import PART_GROUPS, LabelSet
from pipeline.types import LabelMap

IGNORED = 255
"""Pixels of this label count for nothing."""
BAG = 253
"""Carried by somebody and part of no class: it counts as background."""
PARTLY_KNOWN = (247, 248, 249, 250, 251, 252)
"""An arm, leg or shoe of one side or the other, an upper, lower or any garment: that somebody is there counts, and what
it is does not."""

MERGED = {
    "background": ("Background",),
    "hair": (*PART_GROUPS["hair"], "Hat"),
    "skin": (*PART_GROUPS["skin"], "Sunglasses"),
    "upper": PART_GROUPS["upper"],
    "lower": PART_GROUPS["lower"],
    "shoes": PART_GROUPS["shoes"],
}
"""Six classes that any parser of people can be measured by, and which of CIHP's and LIP's each is made of."""


class Confusion:
    """Counts of truth against prediction over many pictures."""

    def __init__(self, label_set: LabelSet) -> None:
        self._label_set = label_set
        self.counts = np.zeros((len(label_set), len(label_set)), np.int64)
        """Pixels; rows are the truth."""
        self._partly_known = np.zeros(len(label_set), np.int64)
        """What was predicted where the truth is one of `PARTLY_KNOWN`."""
        self.person_free_pictures = 0
        """Of whose pixels some are known, and none is of a person."""
        self._person_free = np.zeros(len(label_set), np.int64)
        """What was predicted there."""

    def add(self, truth: LabelMap, labels: LabelMap) -> None:
        """Counts one picture.

        Args:
            truth: uint8 (H, W), ids or one of the codes above.
            labels: uint8 (h, w); scaled to the truth's size.
        """
        classes = len(self._label_set)
        truth = np.where(truth == BAG, np.uint8(0), truth)
        partly = np.isin(truth, PARTLY_KNOWN)
        known = (truth != IGNORED) & ~partly
        highest = int(truth[known].max(initial=0))
        if highest >= classes:
            raise BadPicture(
                f"label {highest} is neither below {classes}, the classes of {self._label_set.name}, nor 255"
            )
        scaled = cv2.resize(labels, truth.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        pairs = truth[known].astype(np.int64) * classes + scaled[known]
        counts = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
        self.counts += counts
        self._partly_known += np.bincount(scaled[partly], minlength=classes)
        if counts.any() and not counts[1:].any() and not partly.any():
            self.person_free_pictures += 1
            self._person_free += counts[0]

    @property
    def ious(self) -> dict[str, float]:
        """Of each class in the truth."""
        return _ious(self.counts, self._label_set.names)

    @property
    def merged_ious(self) -> dict[str, float]:
        """Of each of `MERGED` that is in the truth. A pixel whose true class is in none of them does not count."""
        names = self._label_set.names
        gather = np.array([[name in parts for name in names] for parts in MERGED.values()], np.int64)
        gather = np.vstack([gather, 1 - gather.sum(axis=0)])
        merged = gather @ self.counts @ gather.T
        merged[-1] = 0
        return _ious(merged, tuple(MERGED))

    @property
    def pixel_accuracy(self) -> float:
        return float(self.counts.trace() / max(1, self.counts.sum()))

    @property
    def person_iou(self) -> float:
        """Intersection over union of everybody against background, in [0, 1]; 0 where nobody is nor is said to be."""
        either = self.counts.sum() - self.counts[0, 0] + self._partly_known.sum()
        return float((self.counts[1:, 1:].sum() + self._partly_known[1:].sum()) / max(1, either))

    @property
    def swapped(self) -> dict[str, float]:
        """Of the pixels that are one of a pair (arms, legs, shoes) and are predicted as one of it, the share that is
        predicted as the other side; pairs without such pixels are left out."""
        shares: dict[str, float] = {}
        for left, right in enumerate(self._label_set.mirrored):
            sides = self.counts[np.ix_([left, right], [left, right])]
            if left < right and sides.any():
                part = self._label_set.names[left].removeprefix("Left-")
                shares[f"{part}s"] = float((sides[0, 1] + sides[1, 0]) / sides.sum())
        return shares

    @property
    def person_free_foreground(self) -> float:
        """Share of the known pixels of `person_free_pictures` that are predicted to be somebody."""
        return float(self._person_free[1:].sum() / max(1, self._person_free.sum()))


def _ious(counts: NDArray[np.int64], names: tuple[str, ...]) -> dict[str, float]:
    """Of each class in the truth, which is the rows."""
    hits = counts.diagonal()
    union = counts.sum(axis=0) + counts.sum(axis=1) - hits
    present = np.flatnonzero(counts.sum(axis=1))
    return {names[index]: float(hits[index] / union[index]) for index in present}
