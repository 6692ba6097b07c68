"""What colours say: the class, the person, or one of six kinds of parts that are stable where garments are not."""

import colorsys
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.drawing.look import Look
from pipeline.labels import PART_GROUPS, LabelClass, LabelSet
from pipeline.types import LabelMap, Parsing

PERSON_COLOURS = 24
"""People whose numbers differ by a multiple of this have one colour."""
NOBODY = LabelClass("nobody", "b0b0b0")
"""What people show that belongs to nobody."""

_MERGED = {
    "Hair": ("722e93", {*PART_GROUPS["hair"], "Hat"}),
    "Face": ("ffe9dc", {"Face", "Sunglasses"}),
    "Skin": ("f7ba97", {*PART_GROUPS["skin"]} - {"Face"}),
    "Upper": ("e69f00", {*PART_GROUPS["upper"]}),
    "Lower": ("206eb9", {*PART_GROUPS["lower"]}),
    "Shoes": ("8e0152", {*PART_GROUPS["shoes"]}),
    "Other": ("d0c9c1", set[str]()),
}
"""The colour of each kind, and the classes that are of it; those of none are of the last."""
MERGED = LabelSet("merged", (LabelClass("Background", "000000"), *(LabelClass(n, c) for n, (c, _) in _MERGED.items())))


def _hue(index: int) -> str:
    # By the golden angle: neighbours differ most, however many there are; every other one is darker.
    parts = colorsys.hsv_to_rgb(index * 0.381966 % 1.0, 0.75, (1.0, 0.7)[index % 2])
    return bytes(round(255 * part) for part in parts).hex()


PEOPLE = LabelSet(
    "people",
    (LabelClass("Background", "000000"), *(LabelClass(f"p{n}", _hue(n)) for n in range(PERSON_COLOURS)), NOBODY),
)


@dataclass(frozen=True, slots=True, eq=False)
class Scheme:
    """What is coloured, and as what."""

    label_set: LabelSet
    """Of what is coloured."""
    shown: NDArray[np.bool_]
    """Whether each of its classes is: bool (n,); never the first."""
    table: NDArray[np.uint8]
    """uint8 (256,): of each id of the parsing's label set, that of this one; 0 where it is not drawn."""

    def coloured(self, parsing: Parsing) -> LabelMap:
        """Ids of the scheme's label set: uint8 (h, w)."""
        labels = np.asarray(cv2.LUT(parsing.labels, self.table), np.uint8)
        if self.label_set is not PEOPLE:
            return labels
        people = np.full(256, len(PEOPLE) - 1, np.uint8)
        for index, person in enumerate(parsing.people, start=1):
            people[index] = 1 + person.track_id % PERSON_COLOURS
        return np.asarray(cv2.bitwise_and(cv2.LUT(parsing.instances, people), _solid(labels)), np.uint8)


@lru_cache(maxsize=32)
def scheme(look: Look, label_set: LabelSet) -> Scheme:
    """How a look colours the classes of a label set. Raises UnknownName."""
    shown, table = look.shown(label_set), np.zeros(256, np.uint8)
    ids = np.flatnonzero(shown)
    if look.colours == "class":
        table[ids] = ids
        return Scheme(label_set, shown, table)
    if look.colours == "person":
        table[ids] = 255
        return Scheme(PEOPLE, np.arange(len(PEOPLE)) > 0, table)
    table[ids] = [_kind_of(label_set.names[index]) for index in ids]
    return Scheme(MERGED, np.isin(np.arange(len(MERGED)), table[ids]) & (np.arange(len(MERGED)) > 0), table)


def _kind_of(name: str) -> int:
    kinds = list(_MERGED.values())
    return next((index for index, (_, names) in enumerate(kinds, start=1) if name in names), len(kinds))


def _solid(labels: LabelMap) -> LabelMap:
    return np.asarray(cv2.threshold(labels, 0, 255, cv2.THRESH_BINARY)[1], np.uint8)
