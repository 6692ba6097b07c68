"""Which pixels are of which person, where that is certain."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import LabelMap
from training.labelling.agreement import SURE_PERSON
from training.pack import IGNORED
from training.teachers.movenet import HEAD_POINTS, SEEN, Found

_CLOSED = np.ones((5, 5), np.uint8)
_MIN_SHARE = 0.004
"""Of the picture: somebody of fewer pixels is not known to be one person."""


def persons_apart(somebody: NDArray[np.bool_], found: list[Found]) -> LabelMap:
    """Persons' numbers, uint8 (H, W): what hangs together and has one head is one person; else it is IGNORED."""
    persons = np.zeros(somebody.shape, np.uint8)
    closed = cv2.morphologyEx(somebody.view(np.uint8), cv2.MORPH_CLOSE, _CLOSED)
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(closed)
    heads: list[list[Found]] = [[] for _ in range(count)]
    for each in found:
        head = each.points[:HEAD_POINTS][int(each.points[:HEAD_POINTS, 2].argmax())]
        if head[2] > SEEN:
            row, column = np.clip(head[1::-1].round().astype(int), 0, np.array(somebody.shape) - 1)
            heads[pieces[row, column]].append(each)
    number = 0
    for piece in range(1, count):
        large = stats[piece, cv2.CC_STAT_AREA] > _MIN_SHARE * somebody.size
        one = large and len(heads[piece]) == 1 and heads[piece][0].score >= SURE_PERSON and number < IGNORED - 1
        number += one
        persons[(pieces == piece) & somebody] = number if one else IGNORED
    return persons
