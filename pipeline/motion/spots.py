"""Spots: where a map has something, and only there."""

from bisect import bisect_left
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
        top, bottom = bisect_left(rows, self.box.top), bisect_left(rows, self.box.bottom)
        left, right = bisect_left(columns, self.box.left), bisect_left(columns, self.box.right)
        down, across = np.array(rows[top:bottom], np.intp), np.array(columns[left:right], np.intp)
        mask = self.mask[down - self.box.top][:, across - self.box.left]
        return Spot(Box(left, top, right, bottom), mask) if mask.any() else None


@lru_cache(maxsize=8)
def _nearest(cells: int, pixels: int) -> tuple[int, ...]:
    """Of each of so many pixels the nearest cell, as `cv2.INTER_NEAREST` takes it."""
    return tuple(int(pixel * (cells / pixels)) for pixel in range(pixels))
