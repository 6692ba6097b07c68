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
SOMEBODY = 254
"""A person, of whatever class: all that a silhouette tells."""
PARTLY_KNOWN = (247, 248, 249, 250, 251, 252, SOMEBODY)
"""An arm, leg or shoe of one side or the other, an upper, lower or any garment, or anything of a person: that somebody
is there counts, and what it is does not."""
HARDLY_SEEN = 0.1
"""A picture in which less than this share of its people's pixels is predicted to be somebody is hardly seen."""
MAX_FALSE_ALARM, MANY_FALSE_ALARMS = 0.02, 0.01
"""Shares of a picture without people that is predicted to be somebody: where one picture is capped, so that a single
one does not decide; and from where on it counts as wrong."""

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
        self._person_free: list[tuple[int, int]] = []
        """Of each of those pictures, the known pixels and those that are predicted to be somebody."""
        self.person_pictures = 0
        """Pictures in whose truth somebody is."""
        self._hardly_seen = 0

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
        partly_known = np.bincount(scaled[partly], minlength=classes)
        self._partly_known += partly_known
        self._count_picture(counts, partly_known)

    def _count_picture(self, counts: NDArray[np.int64], partly_known: NDArray[np.int64]) -> None:
        there = int(counts[1:].sum() + partly_known.sum())
        if there:
            self.person_pictures += 1
            self._hardly_seen += counts[1:, 1:].sum() + partly_known[1:].sum() < HARDLY_SEEN * there
        elif counts.any():
            self._person_free.append((int(counts[0].sum()), int(counts[0, 1:].sum())))

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
    def hardly_seen(self) -> float:
        """Share of `person_pictures` in which less than `HARDLY_SEEN` of the people is predicted to be somebody."""
        return float(self._hardly_seen / max(1, self.person_pictures))

    @property
    def person_free_pictures(self) -> int:
        """Pictures of whose pixels some are known, and none is of a person."""
        return len(self._person_free)

    @property
    def person_free_foreground(self) -> float:
        """Share of the known pixels of `person_free_pictures` that are predicted to be somebody."""
        known, foreground = (sum(each) for each in zip(*self._person_free)) if self._person_free else (0, 0)
        return foreground / max(1, known)

    @property
    def person_free_capped(self) -> float:
        """The mean over `person_free_pictures` of that share, each picture's capped at `MAX_FALSE_ALARM`."""
        capped = [min(MAX_FALSE_ALARM, foreground / known) for known, foreground in self._person_free]
        return float(np.mean(capped)) if capped else 0.0

    @property
    def person_free_wrong(self) -> float:
        """Share of `person_free_pictures` in which that share is above `MANY_FALSE_ALARMS`."""
        wrong = [foreground > MANY_FALSE_ALARMS * known for known, foreground in self._person_free]
        return float(np.mean(wrong)) if wrong else 0.0


def silhouettes(instances: LabelMap) -> LabelMap:
    """The truth that a map of persons' numbers tells: `SOMEBODY`, nobody, or `IGNORED` where that is unknown."""
    somebody = np.where(instances == IGNORED, np.uint8(IGNORED), np.uint8(SOMEBODY))
    return np.where(instances > 0, somebody, np.uint8(0))


def _ious(counts: NDArray[np.int64], names: tuple[str, ...]) -> dict[str, float]:
    """Of each class in the truth, which is the rows."""
    hits = counts.diagonal()
    union = counts.sum(axis=0) + counts.sum(axis=1) - hits
    present = np.flatnonzero(counts.sum(axis=1))
    return {names[index]: float(hits[index] / union[index]) for index in present}
