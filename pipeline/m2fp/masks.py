"""The masks that ModelScope's pipeline returns for the same answer of the network, one at a time.

With a class for whole persons the pipeline returns single masks of parts and persons: of the hundred likeliest pairs
of query and class those that are not background and whose score, the class's probability times the mask's mean
probability inside, is 0.1 or more; parts first, then persons. Their order among themselves is left open there, and is
by the class's probability here. Without such a class it returns one mask for each class that wins anywhere,
background included, in the order of classes; as its score the mean, over one pixel more than there are, of a sigmoid
of what is a sum of probabilities already.

ModelScope enlarges all masks to the input and to the frame before it looks at any; here there is never more than one
in the frame's size, or a few in the network's.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Size
from pipeline.m2fp.config import M2fpConfig
from pipeline.m2fp.queries import sigmoid, softmax
from pipeline.model import ClassMask
from pipeline.network.letterbox import Letterbox

MAX_PAIRS = 100
"""Maximum number of pairs of query and class that are considered."""
MIN_SCORE = 0.1
"""A mask of a lower score is not returned."""

_ROWS = 32
"""Rows of a large picture that fit in the processor's cache while they are made."""
_QUERIES = 8
"""Masks that are enlarged to the network's input at a time."""


def masks(
    logits: NDArray[np.float32], mask_logits: NDArray[np.float32], fit: Letterbox, config: M2fpConfig
) -> Iterator[ClassMask]:
    """The masks that ModelScope's pipeline returns, each made when it is asked for.

    Args:
        logits: float32 (Q, C + 1), class logits, the last of "no object".
        mask_logits: float32 (Q, h, w), over the whole input.
        fit: how the frame went into the network.
        config: of the network.
    """
    return (_of_queries if config.has_human else _of_classes)(logits, mask_logits, fit, config)


def _of_queries(
    logits: NDArray[np.float32], mask_logits: NDArray[np.float32], fit: Letterbox, config: M2fpConfig
) -> Iterator[ClassMask]:
    likely = softmax(logits)[:, :-1]
    best = np.argsort(-likely.ravel(), kind="stable")[:MAX_PAIRS]
    queries, classes = np.divmod(best, likely.shape[1])
    for place in np.argsort(classes >= config.parts, kind="stable"):
        query, class_id = queries[place], classes[place]
        # The mean inside is at most 1: what is less likely needs no enlarging to be left out.
        if class_id == 0 or likely[query, class_id] < MIN_SCORE:
            continue
        plane = scaled(_in_content(mask_logits[query], fit), fit.frame_size)
        mask = plane > 0
        score = likely[query, class_id] * sigmoid(plane[mask]).sum() / max(1, np.count_nonzero(mask))
        if score >= MIN_SCORE:
            yield ClassMask(config.classes[class_id], float(score), mask)


def _of_classes(
    logits: NDArray[np.float32], mask_logits: NDArray[np.float32], fit: Letterbox, config: M2fpConfig
) -> Iterator[ClassMask]:
    scores = _folded(softmax(logits)[:, :-1], mask_logits, fit)
    best = scaled(scores[0], fit.frame_size)
    labels = np.zeros(best.shape, np.uint8)
    for class_id in range(1, len(scores)):
        plane = scaled(scores[class_id], fit.frame_size)
        labels[plane > best] = class_id
        np.maximum(plane, best, out=best)
    for class_id in np.unique(labels):
        mask = labels == class_id
        inside = sigmoid(scaled(scores[class_id], fit.frame_size)[mask])
        score = inside.sum(dtype=np.float64) / (inside.size + 1)
        yield ClassMask(config.classes[class_id], float(score), mask)


def _folded(likely: NDArray[np.float32], mask_logits: NDArray[np.float32], fit: Letterbox) -> NDArray[np.float32]:
    """Class scores at the input's size, where the frame is: float32 (C, h, w)."""
    scores = np.zeros((likely.shape[1], *fit.content_size), np.float32)
    for start in range(0, len(likely), _QUERIES):
        some = slice(start, start + _QUERIES)
        inside = sigmoid(np.stack([_in_content(plane, fit) for plane in mask_logits[some]]))
        scores += np.tensordot(likely[some], inside, axes=(0, 0))
    return scores


def _in_content(plane: NDArray[np.float32], fit: Letterbox) -> NDArray[np.float32]:
    """The part of a plane over the whole input that the frame covers, at the input's size."""
    return scaled(plane, fit.input_size)[fit.content]


def scaled(plane: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
    """A plane in another size, bilinear between the centres of pixels; what becomes smaller is not averaged.

    What torch calls interpolate with align_corners=False. OpenCV's INTER_LINEAR is the same but for the last bits of
    the places between which it blends, which puts a few pixels of a million on the other side of a mask's edge.

    Args:
        plane: float32 (h, w).
        size: of the result, larger or smaller.
    """
    left, right, toward_right = _neighbours(plane.shape[1], size.width)
    above, below, toward_below = _neighbours(plane.shape[0], size.height)
    wide = plane[:, left] * (1 - toward_right) + plane[:, right] * toward_right
    result = np.empty(size, np.float32)
    for top in range(0, size.height, _ROWS):
        rows = slice(top, top + _ROWS)
        weight = toward_below[rows, None]
        result[rows] = wide[above[rows]] * (1 - weight) + wide[below[rows]] * weight
    return result


def _neighbours(have: int, want: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For each new pixel the old ones at both sides of its centre, and how far it is from the first to the second."""
    # Worked example: 2 pixels to 4. Centres are at -0.25 (held to 0), 0.25, 0.75, 1.25. Rounded as torch does: the
    # ratio to float32, then the place.
    ratio = np.float64(np.float32(have) / np.float32(want))
    place = np.maximum(ratio * (np.arange(want) + 0.5) - 0.5, 0).astype(np.float32)
    first = place.astype(np.intp)
    return first, np.minimum(first + 1, have - 1), place - first.astype(np.float32)
