"""Spots: where a map has something, and only there."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box, Size


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """A part of a map in which something is selected; all work is done in its box."""

    box: Box
    """Of the map, and inside it."""
    mask: NDArray[np.uint8]
    """255 where it is: uint8 of the box's height and width."""

    def of(self, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The same part of a map."""
        return values[self.box.top : self.box.bottom, self.box.left : self.box.right]

    def at(self, size: Size, map_size: Size) -> "Spot | None":
        """The same on a picture of another size: of each of its pixels the nearest cell. None where it has no pixel."""
        rows, columns = _nearest(map_size.height, size.height), _nearest(map_size.width, size.width)
        top, bottom = rows.searchsorted((self.box.top, self.box.bottom)).tolist()
        left, right = columns.searchsorted((self.box.left, self.box.right)).tolist()
        mask = self.mask.take(rows[top:bottom] - self.box.top, axis=0)
        mask = mask.take(columns[left:right] - self.box.left, axis=1)
        return Spot(Box(left, top, right, bottom), mask) if mask.any() else None


@lru_cache(maxsize=8)
def _nearest(cells: int, pixels: int) -> NDArray[np.intp]:
    """Of each of so many pixels the nearest cell, as `cv2.INTER_NEAREST` takes it; not to be written to."""
    nearest = np.array([int(pixel * (cells / pixels)) for pixel in range(pixels)], np.intp)
    nearest.setflags(write=False)
    return nearest
