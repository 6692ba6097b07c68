"""Upsampling of a network's scores: the best class of each pixel, from planes at a fraction of the input's size."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import LabelMap


def lead_of(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The lead of the best class over background, in logits: float32 (h, w); above 0 is a person."""
    return np.asarray(logits[1:].max(axis=0) - logits[0], np.float32)


def box_of(cells: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """Rows and columns around the true cells, one cell wider at each side."""
    left, top, width, height = cv2.boundingRect(cells.view(np.uint8))
    if not width:
        return None
    return slice(max(0, top - 1), top + height + 1), slice(max(0, left - 1), left + width + 1)


def best_enlarged(
    scores: NDArray[np.float32], ids: NDArray[np.uint8], scale: int, wanted: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """The id of the highest plane at each pixel after bilinear enlargement: uint8.

    Args:
        scores: float32 (planes, h, w).
        ids: uint8 (planes,), what each is called; all of them different.
        scale: pixels to a side of a cell.
        wanted: uint8 (h * scale, w * scale), 255 where it matters and 0 elsewhere; None is everywhere.
    """
    count, height, width = scores.shape
    best = cv2.copyMakeBorder(ids[highest(scores)], 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    # Enlarging is bilinear, so a plane that is highest at four neighbouring cells is so between them, too.
    labels = tiled(np.asarray(best, np.uint8), scale)
    open_ = cv2.morphologyEx(best, cv2.MORPH_GRADIENT, _FOUR)
    if wanted is not None:
        cells = cv2.resize(wanted, (width, height), interpolation=cv2.INTER_AREA)
        open_ = cv2.min(open_, cv2.dilate(cv2.copyMakeBorder(cells, 1, 1, 1, 1, cv2.BORDER_REPLICATE), _FOUR))
    down, across = np.nonzero(open_[1:, 1:] > 0)
    above, below = np.maximum(down - 1, 0) * width, np.minimum(down, height - 1) * width
    left, right = np.maximum(across - 1, 0), np.minimum(across, width - 1)
    corners = np.concatenate([above + left, above + right, below + left, below + right])
    between = _weights(scale) @ scores.reshape(count, -1).take(corners, axis=1).reshape(count, 4, -1)
    # From the middle of the first of the four to that of the last.
    first = scale // 2
    inner = labels[first : first + (height + 1) * scale, first : first + (width + 1) * scale]
    spots = inner.reshape(height + 1, scale, width + 1, scale).swapaxes(1, 2)  # a view
    spots[down, across] = ids[highest(between)].T.reshape(-1, scale, scale)
    return np.asarray(labels[scale:-scale, scale:-scale], np.uint8)


_FOUR = np.ones((2, 2), np.uint8)


def tiled(ids: LabelMap, scale: int) -> LabelMap:
    """Each cell as so many pixels down and across. Several times as fast as `resize`."""
    across = np.asarray(cv2.merge([ids] * scale), np.uint8).reshape(len(ids), -1)
    return across.repeat(scale, axis=0)


def highest(planes: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The index of the highest plane at each place, the first of equals. Several times as fast as `argmax`."""
    first_most = np.arange(len(planes), 0, -1, dtype=np.uint8)[:, None, None]
    are_highest = (planes == planes.max(axis=0)).view(np.uint8)
    return np.asarray(len(planes) - (are_highest * first_most).max(axis=0), np.uint8)


@lru_cache(maxsize=8)
def _weights(scale: int) -> NDArray[np.float32]:
    """The bilinear weights of four neighbouring cells at each pixel between them: float32 (scale * scale, 4)."""
    far = ((np.arange(scale) + scale // 2 + 0.5) / scale - 0.5).astype(np.float32)
    two = np.stack([1 - far, far])
    return np.ascontiguousarray(np.einsum("ay,bx->yxab", two, two).reshape(scale * scale, 4))
