"""What each person wears, and how often a parser changes its mind about it.

A person wears as upper garment whichever of `TOPS` has most of their pixels, and as lower whichever of `BOTTOMS`, if
the group has `MIN_SHARE` of the person; else nothing is said. A flip is a type that differs from the last one that
the same person (by `track_id`) was said to wear. Upper and lower count each: a shirt and skirt that become a dress
are two flips.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.labels import BOTTOMS, TOPS, LabelSet
from pipeline.types import Parsing

MIN_SHARE = 0.05
"""Of a person's pixels; fewer are a speck."""


class GarmentFlips:
    """Counts over the parsings of one stream, in the order of time."""

    def __init__(self, label_set: LabelSet) -> None:
        self._groups = [
            np.array([label_set.id_of(name) for name in group if name in label_set.names]) for group in (TOPS, BOTTOMS)
        ]
        self._worn: dict[tuple[int, int], int] = {}
        """Number of a person and of a group -> the class last seen."""

    def add(self, parsing: Parsing) -> int:
        """How many garments are others than they were."""
        classes = len(parsing.label_set)
        pairs = parsing.instances.astype(np.int64).ravel() * classes + parsing.labels.ravel()
        pixels = np.bincount(pairs, minlength=(len(parsing.people) + 1) * classes).reshape(-1, classes)
        flips = 0
        for person, of_person in zip(parsing.people, pixels[1:]):
            for number, group in enumerate(self._groups):
                worn = _dominant(of_person, group)
                if worn is not None:
                    flips += self._worn.get((person.track_id, number), worn) != worn
                    self._worn[person.track_id, number] = worn
        return flips

    def forget(self) -> None:
        """What comes next has nothing to do with what was."""
        self._worn.clear()


def _dominant(pixels: NDArray[np.int64], group: NDArray[np.int64]) -> int | None:
    """The class of a group that most pixels of a person have, if the group has enough of them."""
    of_group = pixels[group]
    if of_group.sum() <= MIN_SHARE * pixels.sum():
        return None
    return int(group[of_group.argmax()])
