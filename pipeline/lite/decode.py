"""Decoding of the bundled network: its outputs as labels and persons.

The network answers on a grid of a quarter of its input's size with `scores` (20 classes) and `people`: how
likely a person's centre is in a cell, and from each cell the way to the centre of the person that it belongs
to. Persons come apart by their centres, in the manner of Panoptic-DeepLab (arXiv 1911.10194): peaks of the
first are persons, and each foreground cell goes to the peak that its own offset points nearest to. A peak whose
cells do not agree on it is no person but a second peak in somebody, or a thing: its cells go to the others.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.labels import CIHP
from pipeline.model import Decoded
from pipeline.network.letterbox import Letterbox
from pipeline.network.upsampling import lead_of
from pipeline.people.garments import GARMENTS, Garments
from pipeline.people.instances import MAX_PEOPLE, persons_of
from pipeline.people.sides import pairs_of, settle_sides
from pipeline.types import LabelMap, Picture

OFFSET_CELLS = 8.0
"""One unit of the offsets that the network gives is this many cells."""
PEAK_WINDOW = 7
"""Two centres closer than half of this many cells are one."""
MIN_PEAK = 0.4
"""A centre less likely than this is none, alone or in the light of what its cells say."""
SPREAD = 0.6
"""Cells of a person that point past the centre by this share of the person's size, on average, make it e times less
likely. Those of persons found point past by 0.05 in the median, those of the others by 0.25."""
REACH = 0.6
"""A cell that points further past the nearest centre than this many sizes of the person belongs to nobody. A person's
size is the root of its cells: so the same rules hold far away and close by."""
MIN_CELLS = 12
"""A person of fewer cells is a speck."""

_SIDES = pairs_of(CIHP)
_GARMENTS = tuple(CIHP.id_of(name) for name in GARMENTS)


class _Centres(NamedTuple):
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    scores: NDArray[np.floating]


def decode(
    scores: NDArray[np.float32], people: NDArray[np.float32], fit: Letterbox, picture: Picture | None = None
) -> Decoded:
    """Labels, persons and their maps, in the frame's shape.

    Args:
        scores: float32 (20, h, w), class logits.
        people: float32 (3, h, w): logit of a centre, and offset (dy, dx).
        fit: how the frame went into the network.
        picture: the network's input, whose borders the labels follow; None leaves them as the grid has them.
    """
    lead = lead_of(scores)
    ids, kept = _persons(_centres(people[0]), people[1:], lead > 0)
    labels = fit.labels(settle_sides(scores, ids, _SIDES), picture, lead)
    instances = fit.enlarge_ids(ids)
    # What belongs to nobody is a ball, a chair or a coat on a hook: clothes are of persons.
    theirs = np.logical_and(labels, instances)
    labels *= theirs
    instances *= theirs
    garments = Garments(_GARMENTS, scores[list(_GARMENTS)])
    return Decoded(labels, *persons_of(instances, kept, fit), garments)


def _centres(logits: NDArray[np.float32]) -> _Centres:
    likely = np.float32(1.0) / (np.float32(1.0) + np.exp(-logits))
    # Smoothed, for beside somebody's centre a lone cell may be as sure, and they would be two for a frame. How likely
    # a centre is comes from the map as it is: those of small people are one cell wide.
    smooth = np.asarray(cv2.GaussianBlur(likely, (3, 3), 0), np.float32)
    highest_near = cv2.dilate(smooth, np.ones((PEAK_WINDOW, PEAK_WINDOW), np.uint8))
    likely = np.asarray(cv2.dilate(likely, np.ones((3, 3), np.uint8)), np.float32)
    rows, columns = np.nonzero((smooth >= highest_near) & (likely > MIN_PEAK))
    best = np.argsort(-likely[rows, columns], kind="stable")[:MAX_PEOPLE]
    rows, columns = rows[best], columns[best]
    return _Centres(rows, columns, likely[rows, columns])


def _persons(
    centres: _Centres, offsets: NDArray[np.float32], inside: NDArray[np.bool_]
) -> tuple[LabelMap, NDArray[np.floating]]:
    """The person of each foreground cell, uint8 (h, w), 0 for nobody; and each person's score, highest first."""
    ids = np.zeros(inside.shape, np.uint8)
    if not centres.rows.size:
        return ids, centres.scores
    height, width = inside.shape
    aimed_row = (np.arange(height)[:, None] + OFFSET_CELLS * offsets[0])[inside]
    aimed_column = (np.arange(width) + OFFSET_CELLS * offsets[1])[inside]
    down, across = aimed_row - centres.rows[:, None], aimed_column - centres.columns[:, None]
    owners, likely = _agreed(np.sqrt(down * down + across * across), centres.scores)
    found = np.flatnonzero(likely)
    order = found[np.argsort(-likely[found], kind="stable")]
    numbers = np.zeros(len(likely) + 1, np.uint8)  # the last is nobody's
    numbers[order] = np.arange(1, len(order) + 1)
    ids[inside] = numbers[owners]
    # A cell wider: enlarged labels reach a little past the cells that they come from.
    around = np.asarray(cv2.dilate(ids, np.ones((3, 3), np.uint8)), np.uint8)
    return np.where(inside, ids, around), likely[order]


def _agreed(past: NDArray[np.floating], scores: NDArray[np.floating]) -> tuple[NDArray[np.intp], NDArray[np.floating]]:
    """The centre of each cell, -1 for none, and how likely each centre is: of those that are taken away 0.

    Args:
        past: how far each cell (across) points past each centre (down), in cells.
        scores: of the centres.
    """
    past = past.copy()
    owners, least = past.argmin(axis=0), past.min(axis=0)
    there = np.ones(len(scores), np.bool_)
    while there.any():
        theirs = owners + 1
        cells = np.bincount(theirs, minlength=len(scores) + 1)[1:]
        size = np.sqrt(np.maximum(cells, 1))
        far = (owners >= 0) & (least > REACH * size[owners])
        if far.any():
            owners[far] = -1
            continue
        spread = np.bincount(theirs, weights=least, minlength=len(scores) + 1)[1:] / size**3
        likely = scores * np.exp(-((spread / SPREAD) ** 2)) * (cells >= MIN_CELLS)
        worst = int(np.where(there, likely, np.inf).argmin())
        if likely[worst] > MIN_PEAK:
            return owners, likely * there
        there[worst] = False
        past[worst] = np.inf
        free = np.flatnonzero(owners == worst)
        next_best = past[:, free].argmin(axis=0)
        least[free] = past[next_best, free]
        # A second peak's cells point close to the first; those of a thing, or of somebody beside, do not.
        owners[free] = np.where(least[free] <= SPREAD * size[next_best], next_best, -1)
    return owners, np.zeros(len(scores))
