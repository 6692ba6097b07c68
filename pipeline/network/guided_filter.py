"""Edges that follow the picture: what is known on a coarse grid, drawn along the picture's own borders.

A guided filter (He, Sun, Tang, ECCV 2010) in its fast form (arXiv 1505.00996): around each cell of the grid the values
are explained by the picture's brightness, as a line, and the lines, enlarged, are read at every pixel. Each line goes
through its own cell's value, and not through the mean of those around, or whoever is a few cells small would fade.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import Picture

CONTRAST = 20.0
"""Brightness that differs by less, of 255, is noise: such borders are drawn as the grid alone says."""
_AROUND = (3, 3)
"""Cells that a line is fitted to. 5x5 were tried and are too coarse for arms and shoes."""


def follow(values: NDArray[np.float32], picture: Picture) -> NDArray[np.float32]:
    """Values on a grid, enlarged along the picture's borders: float32 of the picture's size.

    Args:
        values: float32 (h, w).
        picture: uint8 (H, W, 3), BGR, each side a multiple of the grid's.
    """
    bright = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    cells = np.asarray(cv2.resize(bright, values.shape[::-1], interpolation=cv2.INTER_AREA), np.float32)
    mean_bright, mean_value = _mean(cells), _mean(values)
    variance = _mean(cells * cells) - mean_bright * mean_bright
    shared = _mean(cells * values) - mean_bright * mean_value
    slope = np.asarray(shared / (variance + CONTRAST**2), np.float32)
    size = bright.shape[::-1]
    followed = cv2.resize(slope, size)
    cv2.multiply(followed, bright, dst=followed, dtype=cv2.CV_32F)
    return np.asarray(cv2.add(followed, cv2.resize(values - slope * cells, size), dst=followed), np.float32)


def _mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.blur(values, _AROUND), np.float32)
