"""The answer of the face detector, read: YuNet, as published by its authors (Wu et al., 2023)."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Size

STRIDES = (8, 16, 32)
"""Input pixels to a side of a cell, of each of the three grids."""
ROW = 15
"""Numbers for a face: left, top, width, height; five points, (across, down) each; score."""
MAX_OVERLAP = 0.3
"""Of two faces whose boxes have a larger intersection over union, the one with the lower score is dropped."""
MAX_BEFORE_OVERLAPS = 5000
"""Faces that are compared with each other, the best: OpenCV's detector takes as many."""

Rows = NDArray[np.float32]
"""Faces, the best first: float32 (n, `ROW`), in pixels of the network's input."""


def decode(outputs: Sequence[NDArray[np.float32]], size: Size, min_score: float) -> Rows:
    """The faces in an answer.

    Args:
        outputs: class, object, box and points of each cell, three grids of each: (cells, 1), (cells, 1), (cells, 4)
            and (cells, 10).
        size: of the network's input.
        min_score: the minimum score, in [0, 1].
    """
    grids = [
        _of_grid(outputs[index::3], size.width // stride, stride, min_score) for index, stride in enumerate(STRIDES)
    ]
    return _apart(np.concatenate(grids), min_score)


def _of_grid(outputs: Sequence[NDArray[np.float32]], columns: int, stride: int, min_score: float) -> Rows:
    of_class, of_object, boxes, points = outputs
    score = np.sqrt(np.clip(of_class[:, 0], 0, 1) * np.clip(of_object[:, 0], 0, 1))
    cells = np.flatnonzero(score >= min_score)
    place = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
    middle, sides = boxes[cells, :2] + place, np.exp(boxes[cells, 2:])
    rows = np.empty((len(cells), ROW), np.float32)
    rows[:, 0:2] = (middle - sides / 2) * stride
    rows[:, 2:4] = sides * stride
    rows[:, 4:14] = (points[cells] + np.tile(place, 5)) * stride
    rows[:, 14] = score[cells]
    return rows


def _apart(rows: Rows, min_score: float) -> Rows:
    if not len(rows):
        return rows
    kept = cv2.dnn.NMSBoxes(
        rows[:, :4].tolist(), rows[:, 14].tolist(), min_score, MAX_OVERLAP, top_k=MAX_BEFORE_OVERLAPS
    )
    return rows[np.asarray(kept, np.intp)]
