"""The persons of M2FP, and the assignment of parts to them.

A query of the class "Human" is a mask of a whole person; the masks of parts say nothing of whose they are. There are
two ways to tell:

1. cell by cell: a cell is of the person whose Human mask is surest there. A hand on another's shoulder is then the
   other's, for Human masks blur where people touch.
2. mask by mask: the mask of a part goes as a whole to the person who has most of it. The hand follows its arm, but
   where one query has the same part of two persons, or of a child and the adult behind, all of it goes to one.

Here both speak: a cell goes to the person with the highest sum of how sure the Human mask is of the cell and how
much of the part's mask the person has by the first way. So a part stays whole where Human masks hesitate, and is
divided where they are sure.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.m2fp.queries import Queries
from pipeline.people.instances import MAX_PEOPLE
from pipeline.types import LabelMap

INSIDE = 0.5
"""A cell at least so likely of a mask is in it."""
MIN_SAME_IOU = 0.5
"""Two persons' masks that share so much of their union are of one person."""
MAX_LOST_SHARE = 0.5
"""A person of whom surer ones have more than this is a piece of theirs."""
NOBODY = 0.2
"""Minimum probability of a Human mask for a cell to be a person's: below a half, since parts reach past its rim."""
NEVER = -1.0
"""What is in a person's mask is somebody's, however much of its part's mask is outside of all: where one query has a
part of everybody and some persons were not found, that is most of it."""
MIN_CLAIM = 0.1
"""A query less likely of a class has no say in whose the class's cells are."""


class Persons(NamedTuple):
    """Whole persons, by descending score."""

    scores: NDArray[np.float32]
    """(n,): how likely of a person, times how likely the mask is on average inside."""
    evidence: NDArray[np.float32]
    """(n + 1, h, w): how sure it is that a cell is nobody's, and then each person's."""


def find_persons(queries: Queries, human: int, score_least: float) -> Persons:
    """The persons that the network saw, each once.

    Args:
        queries: the network's answer.
        human: the class of a whole person.
        score_least: a person of a lower score is none.
    """
    candidates = np.flatnonzero(queries.likely[:, human] >= score_least)
    inside = queries.inside[candidates]
    within = inside > INSIDE
    cells = np.count_nonzero(within, axis=(1, 2))
    scores = queries.likely[candidates, human] * (inside * within).sum(axis=(1, 2)) / np.maximum(cells, 1)
    ranked = [index for index in np.argsort(-scores, kind="stable") if scores[index] >= score_least]
    nobody = np.full(inside.shape[1:], NOBODY, np.float32)
    evidence = [nobody]
    best = np.zeros(inside.shape[1:], np.float32)
    kept: list[int] = []
    for index in ranked:
        if len(kept) == MAX_PEOPLE:
            break
        mask, sure = within[index], scores[index] * inside[index]
        seen_before = any(_iou(mask, within[other]) > MIN_SAME_IOU for other in kept)
        if seen_before or np.count_nonzero(mask & (best > sure)) > MAX_LOST_SHARE * cells[index]:
            continue
        kept.append(index)
        evidence.append(sure)
        nobody[mask] = NEVER
        np.maximum(best, sure, out=best)
    return Persons(scores[kept], np.stack(evidence))


def owners(labels: LabelMap, queries: Queries, persons: Persons) -> LabelMap:
    """The person of each cell: uint8 (h, w), 0 for nobody, k for person k - 1.

    Args:
        labels: uint8 (h, w), the class of each cell.
        queries: the network's answer.
        persons: those in the picture.
    """
    surest = persons.evidence.argmax(axis=0).astype(np.uint8)
    ids = np.zeros(labels.shape, np.uint8)
    inside = queries.inside.reshape(len(queries.inside), -1)
    everywhere = persons.evidence.reshape(len(persons.evidence), -1)
    for label in np.flatnonzero(np.bincount(labels.ravel())[1:]) + 1:
        cells = np.flatnonzero(labels == label)
        evidence = everywhere.take(cells, axis=1)
        claimants = np.flatnonzero(queries.likely[:, label] >= MIN_CLAIM)
        if claimants.size:
            claims = inside[claimants[:, None], cells] * queries.likely[claimants, label, None]
            evidence += _shares(claims.argmax(axis=0), surest.take(cells), len(evidence))
        ids.put(cells, evidence.argmax(axis=0))
    # Enlarged labels reach a little past the cells that they come from.
    rim = np.where(surest > 0, surest, cv2.dilate(ids, np.ones((3, 3), np.uint8)))
    return np.where(labels > 0, ids, rim)


def _shares(masks: NDArray[np.intp], persons: LabelMap, count: int) -> NDArray[np.float32]:
    """The share that each person has of the mask that a cell is in: float32 (count, cells).

    Args:
        masks: which mask each cell is in.
        persons: whose each cell is by its Human mask.
        count: of persons, nobody among them.
    """
    table = np.bincount(masks * count + persons, minlength=(masks.max() + 1) * count).reshape(-1, count)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    return np.asarray(shares[masks].T, np.float32)


def _iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    shared, either = int(np.count_nonzero(one & other)), int(np.count_nonzero(one | other))
    return shared / max(1, either)
