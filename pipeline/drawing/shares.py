"""How far each pixel of a picture is covered or kept: masks at the picture's size, with soft edges.

Only the box of the picture that is concerned is looked at.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.drawing.enlarging import aligned, around, cells_of, enlarged, grown, reach
from pipeline.drawing.layers import Layer
from pipeline.drawing.mixing import scratch
from pipeline.drawing.selection import Mask, Region
from pipeline.geometry import Box, Size

AROUND_CELLS = 2
"""Cells of the map around what is selected that are covered, too: as far as a mask may be off."""
GUIDE_CELLS = 4
"""Cells of the map to each side over which the edge of what is cut out follows the edges of the picture."""
GUIDE_LEVELS = 8.0
"""Differences in brightness, in levels of 255, that count as an edge."""
EDGE_FROM, EDGE_GAIN = 0.42, 3.0
"""What is selected by less than this share is not, and it grows so many times as fast from there: a border that is
wider shows the old background on a plain new one."""


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """How far each pixel of a box is covered or kept."""

    area: Box
    """Of the picture; its edges are even, but for those of the picture."""
    full: NDArray[np.uint8]
    """uint8 of the area's height and width; 255 is wholly."""
    half: NDArray[np.uint8]
    """The same of layers that are half as large."""

    def of(self, layer: Layer) -> NDArray[np.uint8]:
        """The share of each pixel of a layer there."""
        return self.half if layer.step == 2 else self.full


def covering(region: Region, map_size: Size, size: Size) -> Share:
    """The share of a region and what is around it: 255 wherever the region is, of half layers where any of it is."""
    box = grown(region.box, AROUND_CELLS + 1, map_size)
    mask = np.zeros((box.bottom - box.top, box.right - box.left), np.uint8)
    left, top = region.box.left - box.left, region.box.top - box.top
    mask[top : top + region.mask.shape[0], left : left + region.mask.shape[1]] = region.mask
    mask = widened(mask, AROUND_CELLS)
    # Softened by less than it was widened, so that all of the region keeps 255 when it is enlarged, too.
    mask = np.asarray(cv2.blur(mask, (AROUND_CELLS + 1, AROUND_CELLS + 1), borderType=cv2.BORDER_REPLICATE), np.uint8)
    area = _even(reach(box, map_size, size), size)
    whole = aligned(cells_of(area, map_size, size), map_size, size)
    spread = cv2.copyMakeBorder(mask, *around(box, whole), cv2.BORDER_CONSTANT, value=0)
    full = enlarged(np.asarray(spread, np.uint8), whole, map_size, size, area)
    widest = cv2.dilate(full, np.ones((2, 2), np.uint8), anchor=(0, 0))
    return Share(area, full, np.ascontiguousarray(widest[::2, ::2]))


def keeping(brightness: NDArray[np.uint8], mask: Mask) -> Share | None:
    """The share of a selection whose edges follow those of the picture; None of nothing.

    A guided filter whose line is fitted at the map's size and applied at the picture's: He and Sun, "Fast Guided
    Filter", arXiv 1505.00996.

    Args:
        brightness: of the picture: uint8 (H, W), or (H, W, 3), BGR.
        mask: of the map.
    """
    if not cv2.countNonZero(mask):
        return None
    size, map_size = Size(*brightness.shape[:2]), Size(*mask.shape)
    left, top, width, height = cv2.boundingRect(mask)
    box = grown(Box(left, top, left + width, top + height), GUIDE_CELLS, map_size)
    box = aligned(box, map_size, size)
    area = box.scaled(map_size, size)
    guide = brightness[area.top : area.bottom, area.left : area.right]
    guide = guide if guide.ndim == 2 else np.asarray(cv2.cvtColor(guide, cv2.COLOR_BGR2GRAY), np.uint8)
    part = mask[box.top : box.bottom, box.left : box.right]
    slope, start = _fitted(_reduced(guide, part.shape), np.asarray(part, np.float32))
    # A wide border would be a veil of the old background: it goes from .42 to three quarters of what is selected.
    slope, start = slope * np.float32(EDGE_GAIN), (start - np.float32(255 * EDGE_FROM)) * np.float32(EDGE_GAIN)
    shape = guide.shape[1], guide.shape[0]
    line, rest = (scratch(name, guide.shape, np.float32) for name in ("line", "rest of line"))
    cv2.resize(slope, shape, dst=line)
    cv2.multiply(guide, line, dst=line, dtype=cv2.CV_32F)
    full = np.asarray(cv2.add(line, cv2.resize(start, shape, dst=rest), dtype=cv2.CV_8U), np.uint8)
    half = cv2.resize(full, (-(-shape[0] // 2), -(-shape[1] // 2)), interpolation=cv2.INTER_AREA)
    return Share(area, full, np.asarray(half, np.uint8))


def widened(mask: Mask, cells: int) -> Mask:
    """What is selected, and so many cells to each side of it."""
    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        return mask
    box = grown(Box(left, top, left + width, top + height), cells, Size(*mask.shape))
    wide = np.zeros_like(mask)
    here = np.s_[box.top : box.bottom, box.left : box.right]
    side = 2 * cells + 1
    # The border of what is cut out for it is nothing, not its neighbours.
    wide[here] = cv2.dilate(mask[here], np.ones((side, side), np.uint8))
    return wide


def _even(area: Box, size: Size) -> Box:
    """An area grown to even edges, as far as the picture goes."""
    return Box(
        area.left & ~1,
        area.top & ~1,
        min(size.width, area.right + (area.right & 1)),
        min(size.height, area.bottom + (area.bottom & 1)),
    )


def _reduced(guide: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.float32]:
    # Halving is many times as quick as another ratio, and linear weights are then those of an average.
    while guide.shape[0] >= 2 * shape[0] and guide.shape[1] >= 2 * shape[1]:
        half = guide.shape[1] // 2, guide.shape[0] // 2
        guide = np.asarray(cv2.resize(guide, half, interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.asarray(cv2.resize(guide, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def _fitted(guide: NDArray[np.float32], share: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The line around each cell that gives the share from the brightness best: its slope and its start."""
    bright, inside = _mean(guide), _mean(share)
    spread = _mean(guide * guide) - bright * bright + np.float32(GUIDE_LEVELS**2)
    slope = np.asarray((_mean(guide * share) - bright * inside) / spread, np.float32)
    return _mean(slope), _mean(np.asarray(inside - slope * bright, np.float32))


def _mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    side = 2 * GUIDE_CELLS + 1
    return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32)
