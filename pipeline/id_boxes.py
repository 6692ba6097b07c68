"""The boxes around all ids of a map, found together.

Looking for each id by itself reads the whole map once for every one of them. Here eight ids at a time are a bit each of
a byte, and the bits of a row, and of a column, say which of the eight are there.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box
from pipeline.types import LabelMap

_AT_A_TIME = 8


def id_boxes(ids: LabelMap, count: int) -> list[Box | None]:
    """The rectangle around the pixels of each id from 1 to `count`; None for an id without any.

    Args:
        ids: uint8 (h, w).
        count: at most 255.
    """
    left, top, width, height = cv2.boundingRect(ids)
    if not width:
        return [None] * count
    there = ids[top : top + height, left : left + width]
    found: list[Box | None] = []
    for first in range(1, count + 1, _AT_A_TIME):
        some = min(_AT_A_TIME, count + 1 - first)
        bits = np.zeros(256, np.uint8)
        bits[first : first + some] = 1 << np.arange(some)
        marked = np.asarray(cv2.LUT(there, bits), np.uint8)
        across, down = (_ends(np.bitwise_or.reduce(marked, axis=axis), some) for axis in (0, 1))
        for (begin, end), (above, below) in zip(across, down):
            found.append(Box(left + begin, top + above, left + end, top + below) if end else None)
    return found


def _ends(marks: NDArray[np.uint8], count: int) -> list[tuple[int, int]]:
    """Where each bit is set first, and after where last: 0, 0 if it is nowhere."""
    are_set = np.unpackbits(marks[None], axis=0, count=count, bitorder="little").view(np.bool_)
    begins, ends = are_set.argmax(axis=1), len(marks) - are_set[:, ::-1].argmax(axis=1)
    return [(int(begin), int(end)) if row[begin] else (0, 0) for row, begin, end in zip(are_set, begins, ends)]
