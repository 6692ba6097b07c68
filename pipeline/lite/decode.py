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
from pipeline.people.pooling import pool_evidence
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
FAINT = 1.0
"""Cells that background leads by less than this, in logits, may be somebody's: who is hard to make out is faint all
over."""
PLAIN, PLAINEST = 3.0, 6.0
"""Mean leads over background, with that: up to the first a person has those cells, and past the second no such: of
whoever is plain to see the outline would come out too wide."""
SURE_LEAD, SURER = 3.3, 0.5
"""A person has some cells that lead background by so much with that: the first if it is of `SURE_CELLS`, and more by
the second for e times as many. A thing that looks a little like a person does so everywhere, and somebody who is hard
to make out is plain somewhere."""
SURE_CELLS, SURE_SHARE = 300, 0.1
"""The share is that of a person's cells that must be so sure."""
ONE_WITNESS = np.float32(2 / 3)
"""A cell and those that look like it err alike in types of garments: their logits together count for less, beside what
a person has of each type and was shown in."""

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
        picture: the network's input: labels follow its borders, and cells that look alike in it decide together; None
            leaves all as the grid has it.
    """
    lead = lead_of(scores) + FAINT
    ids, kept = _persons(_centres(people[0]), people[1:], lead)
    back = _taken_back(ids, lead, len(kept))[ids]
    if picture is None:
        scores = scores.copy()
    else:
        scores = pool_evidence(scores, np.where(lead > 0, ids, 0).astype(np.uint8), picture)
    scores[0] += back - FAINT
    labels = fit.labels(settle_sides(scores, ids, _SIDES), picture, lead - back)
    instances = fit.enlarge_ids(ids)
    # What belongs to nobody is a ball, a chair or a coat on a hook: clothes are of persons.
    theirs = np.logical_and(labels, instances)
    labels *= theirs
    instances *= theirs
    garments = Garments(_GARMENTS, ONE_WITNESS * scores[list(_GARMENTS)])
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
    centres: _Centres, offsets: NDArray[np.float32], lead: NDArray[np.float32]
) -> tuple[LabelMap, NDArray[np.floating]]:
    """The person of each foreground cell, uint8 (h, w), 0 for nobody; and each person's score, highest first.

    Args:
        centres: of those who may be persons.
        offsets: float32 (2, h, w), as the network gives them.
        lead: float32 (h, w), as `lead_of` gives it, and `FAINT`.
    """
    inside = lead > 0
    ids = np.zeros(inside.shape, np.uint8)
    if not centres.rows.size:
        return ids, centres.scores
    height, width = inside.shape
    aimed_row = (np.arange(height)[:, None] + OFFSET_CELLS * offsets[0])[inside]
    aimed_column = (np.arange(width) + OFFSET_CELLS * offsets[1])[inside]
    down, across = aimed_row - centres.rows[:, None], aimed_column - centres.columns[:, None]
    owners, likely = _agreed(np.sqrt(down * down + across * across), centres.scores, lead[inside])
    found = np.flatnonzero(likely)
    order = found[np.argsort(-likely[found], kind="stable")]
    numbers = np.zeros(len(likely) + 1, np.uint8)  # the last is nobody's
    numbers[order] = np.arange(1, len(order) + 1)
    ids[inside] = numbers[owners]
    # A cell wider: enlarged labels reach a little past the cells that they come from.
    around = np.asarray(cv2.dilate(ids, np.ones((3, 3), np.uint8)), np.uint8)
    return np.where(inside, ids, around), likely[order]


def _taken_back(ids: LabelMap, lead: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """How much of `FAINT` is taken back from nobody, and from each person: float32 (count + 1,).

    Args:
        ids: the person of each cell, as `_persons` gives it.
        lead: float32 (h, w), with `FAINT`.
        count: how many persons there are.
    """
    inside = lead > 0
    theirs = ids[inside]
    cells = np.bincount(theirs, minlength=count + 1)
    mean = np.bincount(theirs, weights=lead[inside], minlength=count + 1) / np.maximum(cells, 1)
    plain = np.clip((mean - PLAIN) / (PLAINEST - PLAIN), 0, 1)
    plain[0] = 0
    return np.asarray(FAINT * plain, np.float32)


def _agreed(
    past: NDArray[np.floating], scores: NDArray[np.floating], lead: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.floating]]:
    """The centre of each cell, -1 for none, and how likely each centre is: of those that are taken away 0.

    Args:
        past: how far each cell (across) points past each centre (down), in cells.
        scores: of the centres.
        lead: of each cell over background, and `FAINT`.
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
        needed = SURE_LEAD + SURER * np.log(np.maximum(cells, 1) / SURE_CELLS)
        sure = np.bincount(theirs, weights=lead > np.append(0, needed)[theirs], minlength=len(scores) + 1)[1:]
        likely = scores * np.exp(-((spread / SPREAD) ** 2)) * ((sure >= SURE_SHARE * cells) & (cells >= MIN_CELLS))
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
