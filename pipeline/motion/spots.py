"""Spots: where a map has something, and only there."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box, Size


@dataclass(frozen=True, eq=False)
class Spot:
    """A part of a map in which something is selected; all work is done in its box. Nobody writes to it."""

    box: Box
    """Of the map, and inside it."""
    mask: NDArray[np.uint8]
    """255 where it is: uint8 of the box's height and width."""
    is_connected: bool = False
    """Whether it is known to be in one piece."""

    @cached_property
    def area(self) -> int:
        """Its number of cells."""
        return cv2.countNonZero(self.mask)

    @cached_property
    def pieces(self) -> tuple[int, NDArray[np.integer], NDArray[np.int32]]:
        """Its connected parts, as `components` gives them."""
        return components(self.mask)

    @cached_property
    def _elsewhere(self) -> dict[tuple[Size, Size], "Spot | None"]:
        return {}

    def of(self, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The same part of a map."""
        return values[self.box.top : self.box.bottom, self.box.left : self.box.right]

    def at(self, size: Size, map_size: Size) -> "Spot | None":
        """The same on a picture of another size: of each of its pixels the nearest cell. None where it has no pixel."""
        if (size, map_size) not in self._elsewhere:
            self._elsewhere[size, map_size] = self._at(size, map_size)
        return self._elsewhere[size, map_size]

    def _at(self, size: Size, map_size: Size) -> "Spot | None":
        (rows, firsts), (columns, leftmost) = (_nearest(*sides) for sides in zip(map_size, size))
        left, top, right, bottom = self.box
        top, bottom = firsts[top], firsts[bottom]
        left, right = leftmost[left], leftmost[right]
        mask = self.mask.take(rows[top:bottom] - self.box.top, axis=0)
        mask = mask.take(columns[left:right] - self.box.left, axis=1)
        return Spot(Box(left, top, right, bottom), mask) if mask.size and cv2.countNonZero(mask) else None


def components(mask: NDArray[np.uint8]) -> tuple[int, NDArray[np.integer], NDArray[np.int32]]:
    """The connected parts of a mask: their number with that of the rest, each pixel's, and OpenCV's statistics."""
    # 16 bits take half of the time of 32, and of four pixels one at most begins a component.
    kind = cv2.CV_16U if mask.size < 4 * 65535 else cv2.CV_32S
    count, parts, found, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=kind)
    return count, np.asarray(parts), np.asarray(found, np.int32)


@lru_cache(maxsize=8)
def _nearest(cells: int, pixels: int) -> tuple[NDArray[np.intp], list[int]]:
    """Of each of so many pixels the nearest cell, as `cv2.INTER_NEAREST` takes it, and of each cell, and the end, the
    first pixel that has it or one after it; not to be written to."""
    nearest = np.array([int(pixel * (cells / pixels)) for pixel in range(pixels)], np.intp)
    nearest.setflags(write=False)
    return nearest, nearest.searchsorted(range(cells + 1)).tolist()
