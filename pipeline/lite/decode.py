"""What the bundled network says, read as labels and persons.

The network answers on a grid of a quarter of its input's size with `scores` (20 classes) and `people`: how
likely a person's centre is in a cell, and from each cell the way to the centre of the person that it belongs
to. Persons come apart by their centres, in the manner of Panoptic-DeepLab (arXiv 1911.10194): peaks of the
first are persons, and each foreground cell goes to the peak that its own offset points nearest to.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.fit import Fit, foreground
from pipeline.model import Decoded
from pipeline.people import persons_of
from pipeline.types import LabelMap

OFFSET_CELLS = 8.0
"""One unit of the offsets that the network gives is this many cells."""
PEAK_WINDOW = 7
"""Two centres closer than half of this many cells are one."""
PEAK_LEAST = 0.25
"""A centre less likely than this is none."""
REACH_CELLS = 24.0
"""A cell that points further than this past the nearest centre belongs to nobody."""
CELLS_LEAST = 12
"""A person of fewer cells is a speck."""
PEOPLE_MOST = 255
"""As many as an instance map of bytes can tell apart."""


class _Centres(NamedTuple):
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    scores: NDArray[np.floating]


def decode(scores: NDArray[np.float32], people: NDArray[np.float32], fit: Fit) -> Decoded:
    """Labels, persons and their maps, in the frame's shape.

    Args:
        scores: float32 (20, h, w), class logits.
        people: float32 (3, h, w): logit of a centre, and offset (dy, dx).
        fit: how the frame went into the network.
    """
    labels = fit.labels(scores)
    inside = foreground(scores)
    centres = _centres(people[0])
    ids = _nearest_centre(centres, people[1:], inside)
    ids, kept = _without_specks(ids, inside, centres.scores)
    instances = fit.enlarge_ids(ids)
    instances[labels == 0] = 0
    # What belongs to nobody is a ball, a chair or a coat on a hook: clothes are of persons.
    labels[instances == 0] = 0
    return Decoded(labels, *persons_of(instances, kept, fit))


def _centres(logits: NDArray[np.float32]) -> _Centres:
    likely = np.float32(1.0) / (np.float32(1.0) + np.exp(-logits))
    highest_near = cv2.dilate(likely, np.ones((PEAK_WINDOW, PEAK_WINDOW), np.uint8))
    rows, columns = np.nonzero((likely >= highest_near) & (likely > PEAK_LEAST))
    best = np.argsort(-likely[rows, columns], kind="stable")[:PEOPLE_MOST]
    rows, columns = rows[best], columns[best]
    return _Centres(rows, columns, likely[rows, columns])


def _nearest_centre(centres: _Centres, offsets: NDArray[np.float32], inside: NDArray[np.bool_]) -> LabelMap:
    """Which centre each foreground cell belongs to: uint8 (h, w), 0 for none, k for centre k - 1."""
    ids = np.zeros(inside.shape, np.uint8)
    if not centres.rows.size:
        return ids
    # A cell wider: enlarged labels reach a little past the cells that they come from.
    rows, columns = np.nonzero(cv2.dilate(inside.view(np.uint8), np.ones((3, 3), np.uint8)))
    aimed_row = rows + OFFSET_CELLS * offsets[0][rows, columns]
    aimed_column = columns + OFFSET_CELLS * offsets[1][rows, columns]
    nearest = np.zeros(rows.shape, np.uint8)
    least = np.full(rows.shape, np.inf, np.float32)
    for index, (row, column) in enumerate(zip(centres.rows, centres.columns), start=1):
        distance = (aimed_row - row) ** 2 + (aimed_column - column) ** 2
        closer = distance < least
        nearest[closer] = index
        np.minimum(distance, least, out=least)
    nearest[least > REACH_CELLS**2] = 0
    ids[rows, columns] = nearest
    return ids


def _without_specks(
    ids: LabelMap, inside: NDArray[np.bool_], scores: NDArray[np.floating]
) -> tuple[LabelMap, NDArray[np.floating]]:
    cells = np.bincount(ids[inside], minlength=len(scores) + 1)[1:]
    stay = cells >= CELLS_LEAST
    renumbered = np.zeros(len(scores) + 1, np.uint8)
    renumbered[1:][stay] = np.arange(1, np.count_nonzero(stay) + 1)
    return renumbered[ids], scores[stay]
