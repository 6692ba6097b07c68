"""Effects: what people show is blurred, coarsened, painted over, cut out, or given another background.

Effects that hide something fail closed. Without a parsing, all of the picture is treated as selected by those that
cover, and nothing of it as a person by those that cut out. What is selected is covered whole, and a little around it.
"""

from collections.abc import Callable
from itertools import chain

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.drawing.canvas import Colour, reach, window
from pipeline.drawing.selection import Mask, On, Region, connected, regions, selected
from pipeline.geometry import Box, Size
from pipeline.types import Parsing, Picture

CELLS = 6
"""Cells along the shorter side of what is hidden, by which it is blurred or pixelated: nobody is known in 6 by 6."""
MIN_CELL_PX = 4
WHOLE_CELLS = 12
"""The same of a whole picture, of which no person is known."""
AROUND_CELLS = 2
"""Cells of the map around what is selected that are covered, too: as far as a mask may be off."""
GUIDE_CELLS = 4
"""Cells of the map to each side over which the edge of what is cut out follows the edges of the picture."""
GUIDE_LEVELS = 8.0
"""Differences in brightness, in levels of 255, that count as an edge."""
EDGE_FROM, EDGE_GAIN = 0.42, 3.0
"""What is selected by less than this share is not, and it grows so many times as fast from there: a border that is
wider shows the old background on a plain new one."""
BACKGROUND_SHARE = 1 / 40
"""How far a background is blurred, of the shorter side of the picture."""

_Treat = Callable[[Picture, int], Picture]
"""From pixels, and the size of a cell in pixels."""


def blur(bgr: Picture, parsing: Parsing | None, on: On, lingering: Mask | None = None) -> Picture:
    """The picture with what is selected blurred, the more the larger it is.

    Args:
        bgr: uint8 (H, W, 3); not written to.
        parsing: its maps are scaled to the picture; None covers all of the picture.
        on: what is covered.
        lingering: what else is covered, of the size of the parsing's maps.

    Returns:
        uint8 (H, W, 3), new.

    Raises:
        UnknownName: `on` names a class or group that the label set lacks.
    """
    return _covered(bgr, parsing, on, lingering, _blurred)


def pixelate(bgr: Picture, parsing: Parsing | None, on: On, lingering: Mask | None = None) -> Picture:
    """As `blur`, in squares of one colour."""
    return _covered(bgr, parsing, on, lingering, _pixelated)


def fill(bgr: Picture, parsing: Parsing | None, on: On, colour: Colour, lingering: Mask | None = None) -> Picture:
    """As `blur`, painted over with a colour, BGR."""
    return _covered(bgr, parsing, on, lingering, lambda part, cell: np.full_like(part, colour))


def cut(bgr: Picture, parsing: Parsing | None, on: On, lingering: Mask | None = None) -> NDArray[np.uint8]:
    """What is selected, on nothing; without a parsing nothing at all.

    Args:
        lingering: what else is kept, of the size of the parsing's maps.

    Returns:
        uint8 (H, W, 4), BGRA with straight alpha. Where it is transparent its colours are 0: nothing is left there.
    """
    share = _alpha(bgr, parsing, on, lingering)
    kept = np.asarray(cv2.copyTo(bgr, share), np.uint8)
    return np.asarray(cv2.merge([*cv2.split(kept), share]), np.uint8)


def replace_background(
    bgr: Picture, parsing: Parsing | None, on: On, backdrop: Picture | Colour, lingering: Mask | None = None
) -> Picture:
    """What is selected, on another picture or a colour; without a parsing the other alone.

    Args:
        backdrop: BGR; a picture of another size is scaled to this one's, and cut where its shape differs.
        lingering: as of `cut`.
    """
    behind = np.full_like(bgr, backdrop) if isinstance(backdrop, tuple) else _filling(backdrop, Size(*bgr.shape[:2]))
    return _mixed(behind, bgr, _alpha(bgr, parsing, on, lingering))


def blur_background(bgr: Picture, parsing: Parsing | None, on: On, lingering: Mask | None = None) -> Picture:
    """As `cut`, on the blurred picture; without a parsing all of it is blurred."""
    cell = max(MIN_CELL_PX, round(min(bgr.shape[:2]) * BACKGROUND_SHARE))
    return _mixed(_blurred(bgr, cell), bgr, _alpha(bgr, parsing, on, lingering))


def _covered(bgr: Picture, parsing: Parsing | None, on: On, lingering: Mask | None, treat: _Treat) -> Picture:
    if parsing is None:
        return treat(bgr, max(MIN_CELL_PX, min(bgr.shape[:2]) // WHOLE_CELLS))
    size, done = Size(*bgr.shape[:2]), bgr.copy()
    for region in chain(regions(parsing, on), () if lingering is None else connected(lingering)):
        area, share = _cover(region, parsing.map_size, size)
        part = done[area.top : area.bottom, area.left : area.right]
        part[:] = _mixed(part, treat(part, _cell(region, parsing.map_size, size)), share)
    return done


def _cell(region: Region, map_size: Size, size: Size) -> int:
    left, top, right, bottom = region.box.scaled(map_size, size)
    return max(MIN_CELL_PX, min(right - left, bottom - top) // CELLS)


def _cover(region: Region, map_size: Size, size: Size) -> tuple[Box, NDArray[np.uint8]]:
    """A box of the picture, and how far each of its pixels is covered: 255 wherever the region is."""
    grown = 2 * AROUND_CELLS
    box = _grown(region.box, grown, map_size)
    mask = np.zeros((box.bottom - box.top, box.right - box.left), np.uint8)
    left, top = region.box.left - box.left, region.box.top - box.top
    mask[top : top + region.mask.shape[0], left : left + region.mask.shape[1]] = region.mask
    around = 2 * AROUND_CELLS + 1
    mask = np.asarray(cv2.dilate(mask, np.ones((around, around), np.uint8)), np.uint8)
    # Softened by less than it was widened, so that all of the region keeps 255 when it is enlarged, too.
    mask = np.asarray(cv2.blur(mask, (AROUND_CELLS + 1, AROUND_CELLS + 1), borderType=cv2.BORDER_REPLICATE), np.uint8)
    area = reach(box, map_size, size)
    return area, window(mask, box, map_size, size, area)


def _blurred(bgr: Picture, cell: int) -> Picture:
    small = _coarse(bgr, cell)
    soft = cv2.blur(small, (3, 3), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(soft, bgr.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def _pixelated(bgr: Picture, cell: int) -> Picture:
    return np.asarray(cv2.resize(_coarse(bgr, cell), bgr.shape[1::-1], interpolation=cv2.INTER_NEAREST), np.uint8)


def _coarse(bgr: Picture, cell: int) -> Picture:
    size = max(1, round(bgr.shape[1] / cell)), max(1, round(bgr.shape[0] / cell))
    # Halving is many times as quick as another ratio, and linear weights are then those of an average.
    while bgr.shape[1] > 4 * size[0] and bgr.shape[0] > 4 * size[1]:
        half = bgr.shape[1] // 2, bgr.shape[0] // 2
        bgr = np.asarray(cv2.resize(bgr, half, interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)


def _mixed(behind: Picture, front: Picture, share: NDArray[np.uint8]) -> Picture:
    """Of the front its share of 255, of what is behind the rest."""
    whole = cv2.threshold(share, 254, 255, cv2.THRESH_BINARY)[1]
    mixed = np.asarray(cv2.copyTo(front, whole, behind.copy()), np.uint8)
    # Only the edges are mixed pixel by pixel: it takes a third of the time.
    rows, columns = np.nonzero(share != whole)
    part = share[rows, columns, None].astype(np.float32) / np.float32(255)
    edge = front[rows, columns] * part + behind[rows, columns] * (1 - part)
    mixed[rows, columns] = np.rint(edge).astype(np.uint8)
    return mixed


def _filling(picture: Picture, size: Size) -> Picture:
    """The middle of a picture, enlarged or reduced until it fills another size."""
    scale = max(size.height / picture.shape[0], size.width / picture.shape[1])
    height, width = (max(1, round(side / scale)) for side in size)
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    part = picture[top : top + height, left : left + width]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, size[::-1], interpolation=how), np.uint8)


def _alpha(bgr: Picture, parsing: Parsing | None, on: On, lingering: Mask | None) -> NDArray[np.uint8]:
    """How far each pixel is selected: uint8 (H, W), 255 is wholly; its edges follow those of the picture.

    A guided filter whose line is fitted at the map's size and applied at the picture's: He and Sun, "Fast Guided
    Filter", arXiv 1505.00996.
    """
    size = Size(*bgr.shape[:2])
    whole = np.zeros(size, np.uint8)
    mask = None if parsing is None else selected(parsing, on)
    if mask is not None and lingering is not None:
        mask = np.asarray(cv2.bitwise_or(mask, lingering), np.uint8)
    if mask is None or not cv2.countNonZero(mask):
        return whole
    map_size = Size(*mask.shape)
    left, top, width, height = cv2.boundingRect(mask)
    box = _grown(Box(left, top, left + width, top + height), GUIDE_CELLS, map_size)
    area = reach(box, map_size, size)
    guide = cv2.cvtColor(bgr[area.top : area.bottom, area.left : area.right], cv2.COLOR_BGR2GRAY)
    part = mask[box.top : box.bottom, box.left : box.right]
    small = cv2.resize(guide, part.shape[::-1], interpolation=cv2.INTER_AREA)
    slope, start = _fitted(np.asarray(small, np.float32), np.asarray(part, np.float32))
    # A wide border would be a veil of the old background: it goes from .42 to three quarters of what is selected.
    slope, start = slope * np.float32(EDGE_GAIN), (start - np.float32(255 * EDGE_FROM)) * np.float32(EDGE_GAIN)
    shape = guide.shape[1], guide.shape[0]
    share = cv2.add(cv2.multiply(guide, cv2.resize(slope, shape), dtype=cv2.CV_32F), cv2.resize(start, shape))
    whole[area.top : area.bottom, area.left : area.right] = np.clip(share, 0, 255)
    return whole


def _fitted(guide: NDArray[np.float32], share: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The line around each cell that gives the share from the brightness best: its slope and its start."""
    bright, inside = _mean(guide), _mean(share)
    spread = _mean(guide * guide) - bright * bright + np.float32(GUIDE_LEVELS**2)
    slope = np.asarray((_mean(guide * share) - bright * inside) / spread, np.float32)
    return _mean(slope), _mean(np.asarray(inside - slope * bright, np.float32))


def _mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    side = 2 * GUIDE_CELLS + 1
    return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32)


def _grown(box: Box, cells: int, map_size: Size) -> Box:
    """A box with so many cells more to each side, as far as the map goes."""
    return Box(
        max(0, box.left - cells),
        max(0, box.top - cells),
        min(map_size.width, box.right + cells),
        min(map_size.height, box.bottom + cells),
    )
