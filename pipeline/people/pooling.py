"""Evidence pooled over what looks alike: cells of one person that are close in colour and in place decide together.

A network takes each cell by itself, so that a jacket comes out mottled with dress and shirt, and a hand in halves of
two arms. What the cells of somebody say is gathered at some places spread over them, each cell heard there as far as it
looks like the place and is near it, and every cell hears the places in the same way: one more say beside its own. This
is a step of a fully connected conditional random field (Krähenbühl and Koltun, arXiv 1210.5644), its filter by way of
few places (the Nyström method) and among a person's cells alone. A border that is seen in the picture stays, for what
is on its other side looks different.
"""

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.network.blas import ONE_THREAD
from pipeline.types import LabelMap, Picture

PLACES = 64
"""About so many cells of a person are places where evidence is gathered."""
ALIKE = (20.0, 8.0, 8.0)
"""A colour that differs by this much, of 255, in brightness or in a colour difference (Y, Cr, Cb) is heard less by a
factor of 1 / sqrt(e)."""
NEAR = 0.35
"""So is a cell that is this far away, in roots of the person's cells: the same near the camera and far from it."""
LEAST = 1e-3
"""What is gathered for a class counts as no less likely than this: cells that are alone with it and sure may be
right."""
MIN_CELLS = 12
"""A person of fewer cells is left as they are."""
UNLIKE = np.float32(-40)
"""The logarithm of what is heard at least: processors take a hundred times as long for numbers that are nearly 0."""
NOBODY_LIKE_IT = 1e-9
"""A cell that all places together are heard in by less is like none of them: nothing is said to it."""


def pool_evidence(scores: NDArray[np.float32], owners: LabelMap, picture: Picture) -> NDArray[np.float32]:
    """The scores after the cells of each person that look alike have heard each other: a float32 array of its own.

    The highest score of each cell but background's stays as high as it was: whether somebody is there is not decided.

    Args:
        scores: float32 (classes, h, w), logits; the first class is background.
        owners: uint8 (h, w), the number of the person that each cell belongs to, 0 for nobody.
        picture: the network's input, uint8 (H, W, 3), BGR.
    """
    pooled = scores.copy()
    whose = owners.ravel()
    at = np.flatnonzero(whose)
    if not at.size:
        return pooled
    at = at[np.argsort(whose[at], kind="stable")]  # one person's cells after the other's
    flat = pooled.reshape(len(pooled), -1)[1:]
    heard = flat.take(at, axis=1)
    highest = heard.max(axis=0)
    likely = np.asarray(cv2.exp(heard - highest), np.float32)
    likely /= likely.sum(axis=0)
    places = np.stack(np.divmod(at, owners.shape[1]), axis=1)
    colours = _colours(picture, owners)[places[:, 0], places[:, 1]]
    ends = np.cumsum(np.bincount(whose))
    for start, end in pairwise(ends - ends[0]):
        if end - start >= MIN_CELLS:
            somebody = slice(start, end)
            likely[:, somebody] = _said(likely[:, somebody], colours[somebody], places[somebody])
    heard += cv2.log(np.maximum(likely, LEAST))
    heard += highest - heard.max(axis=0)
    flat[:, at] = heard
    return pooled


def _colours(picture: Picture, owners: LabelMap) -> NDArray[np.uint8]:
    """The colour of each cell of somebody: uint8 (h, w, 3), Y, Cr and Cb; anything for cells that are not near any.

    CIELAB does as well, and takes a tenth of a second the first time.
    """
    colours = np.empty((*owners.shape, 3), np.uint8)
    left, top, width, height = cv2.boundingRect(owners)
    down, across = (pixels // cells for pixels, cells in zip(picture.shape, owners.shape))
    there = picture[top * down : (top + height) * down, left * across : (left + width) * across]
    cells = cv2.resize(there, (width, height), interpolation=cv2.INTER_AREA)
    colours[top : top + height, left : left + width] = cv2.cvtColor(cells, cv2.COLOR_BGR2YCrCb)
    return colours


def _said(likely: NDArray[np.float32], colours: NDArray[np.uint8], places: NDArray[np.intp]) -> NDArray[np.float32]:
    """What a person's cells hear: float32 (classes, n), how likely each class is by those that look like each.

    Args:
        likely: float32 (classes, n), how likely each class is by the cells themselves.
        colours: uint8 (n, 3), Y, Cr and Cb.
        places: (n, 2), row and column.
    """
    count = len(places)
    looks = np.empty((count, 5), np.float32)
    np.divide(colours, np.array(ALIKE, np.float32), out=looks[:, :3])
    np.multiply(places, 1 / (NEAR * np.sqrt(count)), out=looks[:, 3:], casting="same_kind")
    there = looks[_spread(places)]
    together = max(1, ONE_THREAD // (max(len(likely), looks.shape[1] + 2) * len(there)))
    alike = _alike(looks, there, together)
    gathered = (_in_parts(likely, together) @ alike).sum(axis=0)
    gathered /= gathered.sum(axis=0)
    said = (gathered @ alike.swapaxes(1, 2)).swapaxes(0, 1).reshape(len(likely), -1)[:, :count]
    return np.asarray(said / (said.sum(axis=0) + NOBODY_LIKE_IT), np.float32)


def _spread(places: NDArray[np.intp]) -> NDArray[np.intp]:
    """The indices of some of a person's cells, evenly spread: the first one in each square of a lattice.

    Each second row of squares is shifted.

    Args:
        places: (n, 2), row and column of each.
    """
    step = max(1, round(float(np.sqrt(len(places) / PLACES))))
    rows, columns = places.T
    down = rows // step
    across = (columns + down % 2 * (step // 2)) // step
    wide = int(across.max()) + 1
    first = np.full((int(down.max()) + 1) * wide, -1, np.intp)
    first[(down * wide + across)[::-1]] = np.arange(len(places))[::-1]  # of several the last one stays
    return first[first >= 0]


def _alike(looks: NDArray[np.float32], there: NDArray[np.float32], together: int) -> NDArray[np.float32]:
    """How much each cell is heard at each place: float32 (parts, together, places).

    Args:
        looks, there: float32 (n, 5) and (places, 5), colour and place in units of what is alike and near.
        together: see `_in_parts`.
    """
    # Half of the squared distance, below 0, as one product: -|a - b|^2 / 2 = ab - |a|^2 / 2 - |b|^2 / 2.
    ours, theirs = (-0.5 * (each * each).sum(axis=1, keepdims=True) for each in (looks, there))
    cells = _in_parts(np.concatenate([looks, ours, np.ones_like(ours)], axis=1).T, together).swapaxes(1, 2)
    apart = cells @ np.concatenate([there, np.ones_like(theirs), theirs], axis=1).T
    np.maximum(apart, UNLIKE, out=apart)
    return np.asarray(cv2.exp(apart, dst=apart), np.float32)


def _in_parts(values: NDArray[np.float32], together: int) -> NDArray[np.float32]:
    """Columns (k, n) as parts (parts, k, together), each for a product; the last one is filled up with zeros."""
    width, count = values.shape
    parts = np.zeros((width, -(-count // together), together), np.float32)
    parts.reshape(width, -1)[:, :count] = values
    return parts.swapaxes(0, 1)
