"""Label sets: what each class id is called, how it is drawn, and which is its left or right twin.

CIHP has 20 classes ("Instance-level Human Parsing via Part Grouping Network", arXiv 1808.00157); M2FP's
multi-person model adds Human, one mask for a whole person (arXiv 2301.00394). LIP ("Look into Person",
arXiv 1703.05446) has 20 with two other names.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UnknownName

TOPS = ("UpperClothes", "Coat", "Dress", "Jumpsuits")
BOTTOMS = ("Pants", "Skirt", "Dress", "Jumpsuits")
"""Garments of which a person wears one above the waist, and one below; one that covers both halves is in both."""

_ARMS = ("Left-arm", "Right-arm")
_LEGS = ("Left-leg", "Right-leg")
PART_GROUPS = {
    "head": ("Hat", "Hair", "Sunglasses", "Face"),
    "hair": ("Hair",),
    "skin": ("Face", "Torso-skin", *_ARMS, *_LEGS),
    "arms": _ARMS,
    "legs": _LEGS,
    "upper": (*TOPS, "Scarf", "Gloves", "Glove"),
    "lower": ("Pants", "Skirt", "Socks"),
    "shoes": ("Left-shoe", "Right-shoe"),
}
"""Groups of classes by the part of the body, over all label sets: Jumpsuits and Glove are LIP's. Groups overlap."""


@dataclass(frozen=True)
class LabelClass:
    """One class."""

    name: str
    rgb: str
    """Its colour, as in "e69f00"."""
    twin: str = ""
    """The class that it becomes in a mirror, where that is another one."""


@dataclass(frozen=True)
class LabelSet:
    """The classes that a parser tells apart; a class's id is its place in `classes`."""

    name: str
    classes: tuple[LabelClass, ...]

    def __len__(self) -> int:
        return len(self.classes)

    def __hash__(self) -> int:
        # By what is kept: a label set has many parts, and what is remembered of it is looked up several times a frame.
        return hash(self.fingerprint)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.classes)

    @cached_property
    def palette(self) -> NDArray[np.uint8]:
        """Colour of each id: uint8 (n, 3), BGR."""
        rgb = np.array([list(bytes.fromhex(each.rgb)) for each in self.classes], np.uint8)
        return np.ascontiguousarray(rgb[:, ::-1])

    @cached_property
    def mirrored(self) -> NDArray[np.uint8]:
        """The mirror image of each id: uint8 (n,); left and right change places."""
        return np.array([self.id_of(each.twin or each.name) for each in self.classes], np.uint8)

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits that change when a name, an order or a colour does."""
        text = "\n".join(f"{each.name} {each.rgb} {each.twin}" for each in self.classes)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def name_of(self, class_name: str) -> str:
        """A class's own way to write its name. Raises UnknownName."""
        return self.names[self.id_of(class_name)]

    def ids_of(self, part: str) -> tuple[int, ...]:
        """The ids of a class, or of a group of `PART_GROUPS`, whatever the case of its letters. Raises UnknownName."""
        wanted = part.casefold()
        if wanted in PART_GROUPS:
            return tuple(index for index, name in enumerate(self.names) if name in PART_GROUPS[wanted])
        found = tuple(index for index, name in enumerate(self.names) if name.casefold() == wanted)
        if not found:
            raise UnknownName(f"class or group in label set {self.name}", part, (*self.names, *PART_GROUPS))
        return found

    def id_of(self, class_name: str) -> int:
        """The id of a class, whatever the case of its letters. Raises UnknownName."""
        wanted = class_name.casefold()
        for index, name in enumerate(self.names):
            if name.casefold() == wanted:
                return index
        raise UnknownName(f"class in label set {self.name}", class_name, self.names)


# Left is drawn in a light colour and right in a dark one of another hue, so that the two can be told apart
# without seeing red from green; tests/test_labels.py measures the distances as seen by protanopes and
# deuteranopes. Neighbours on a body (hair and face, coat and trousers, leg and shoe) were kept apart too.
_PARTS = (
    LabelClass("Background", "000000"),
    LabelClass("Hat", "b71d2c"),
    LabelClass("Hair", "722e93"),
    LabelClass("Gloves", "e298bd"),
    LabelClass("Sunglasses", "151457"),
    LabelClass("UpperClothes", "e69f00"),
    LabelClass("Dress", "dd22f5"),
    LabelClass("Coat", "118866"),
    LabelClass("Socks", "dbf5be"),
    LabelClass("Pants", "206eb9"),
    LabelClass("Torso-skin", "f7ba97"),
    LabelClass("Scarf", "ffff66"),
    LabelClass("Skirt", "8193d1"),
    LabelClass("Face", "ffe9dc"),
    LabelClass("Left-arm", "9fecff", twin="Right-arm"),
    LabelClass("Right-arm", "1e758d", twin="Left-arm"),
    LabelClass("Left-leg", "b9df7f", twin="Right-leg"),
    LabelClass("Right-leg", "216018", twin="Left-leg"),
    LabelClass("Left-shoe", "f4939c", twin="Right-shoe"),
    LabelClass("Right-shoe", "8e0152", twin="Left-shoe"),
)
_LIP_NAMES = {"Gloves": "Glove", "Torso-skin": "Jumpsuits"}

CIHP = LabelSet("cihp", _PARTS)
CIHP_HUMAN = LabelSet("cihp-human", (*_PARTS, LabelClass("Human", "d0c9c1")))
LIP = LabelSet("lip", tuple(LabelClass(_LIP_NAMES.get(each.name, each.name), each.rgb, each.twin) for each in _PARTS))

LABEL_SETS = {each.name: each for each in (CIHP, CIHP_HUMAN, LIP)}


def label_set(name: str) -> LabelSet:
    """The label set of that name. Raises UnknownName."""
    if name not in LABEL_SETS:
        raise UnknownName("label set", name, LABEL_SETS)
    return LABEL_SETS[name]
