"""Parsings made up: their maps are noise of a seed, so that each is known again."""

import numpy as np

from pipeline import CIHP, Box, LabelSet, Parsing, Person, Size

SIZE = Size(12, 20)


def a_parsing(index: int, label_set: LabelSet = CIHP) -> Parsing:
    ids = np.random.default_rng(index).integers(0, 2, SIZE, np.uint8)
    person = Person(3, 0.5, Box(0, 0, 640, 480))
    return Parsing(ids, ids, (person,), label_set, index, index / 25, 1000.0 + index, Size(480, 640), 0.01, index)
