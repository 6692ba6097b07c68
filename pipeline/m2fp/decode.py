"""Decoding of M2FP: its outputs as labels and persons.

The network answers with queries, each a mask and how likely it is of each class. Labels are the fold of Mask2Former
(arXiv 2112.01527): a class's score at a cell is the sum over all queries of how likely the query is of the class times
how likely the cell is in its mask. The class of whole persons takes no part, or it would outvote their own parts.
`pipeline.m2fp.instances` tells whose each cell is.

All of it happens on the network's own grid: neither time nor memory grows with the frame. What ModelScope's pipeline
returns, at the frame's size, comes from `pipeline.m2fp.masks`.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.m2fp.config import M2fpConfig
from pipeline.m2fp.instances import find_persons, owners
from pipeline.m2fp.queries import Queries
from pipeline.model import Decoded
from pipeline.network.letterbox import Letterbox
from pipeline.people.instances import persons_of
from pipeline.types import LabelMap

MIN_BACKGROUND = 0.1
"""The score of background where no query says so: else what no query claims would go to whichever class all of them
deny least."""


def decode(logits: NDArray[np.float32], masks: NDArray[np.float32], fit: Letterbox, config: M2fpConfig) -> Decoded:
    """Labels, persons and their maps, in the frame's shape.

    A label stays where there is no person: the network learned parts of people only, so it is of somebody whom no
    query for whole persons found, far away or half hidden. Without a class for whole persons all that has a label is
    one person.

    Args:
        logits: float32 (Q, C + 1), class logits, the last of "no object".
        masks: float32 (Q, h, w), mask logits over the whole input, the grey included.
        fit: how the frame went into the network.
        config: of the network.
    """
    queries = Queries.of(logits, masks)
    scores = queries.scores(config.parts)
    np.maximum(scores[0], MIN_BACKGROUND, out=scores[0])
    labels = fit.labels(scores)
    classes = scores.argmax(axis=0).astype(np.uint8)
    if not config.has_human:
        one = _sureness(scores, classes)
        return Decoded(labels, *persons_of((labels > 0).view(np.uint8), one, fit))
    persons = find_persons(queries, config.parts, config.score_least)
    instances = fit.enlarge_ids(owners(classes, queries, persons))
    instances[labels == 0] = 0
    return Decoded(labels, *persons_of(instances, persons.scores, fit))


def _sureness(scores: NDArray[np.float32], classes: LabelMap) -> NDArray[np.float32]:
    """The mean probability of the one person's parts: float32 (1,)."""
    # Queries that say the same add up to more than 1.
    best = np.minimum(scores.max(axis=0), 1)
    return np.array([best[classes > 0].mean()], np.float32) if classes.any() else np.zeros(1, np.float32)
