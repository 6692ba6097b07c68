"""Maps enlarged to a picture's size, where they are needed."""

from functools import lru_cache
from math import gcd

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box, Size

EDGE_CELLS = 3
"""Cells of the map over which the edge of a mask is smoothed before it is enlarged."""

WARP_TIMES = 6
"""Warping a pixel takes as long as enlarging so many by `resize`, which begins at aligned cells only."""


def enlarge(small: NDArray[np.uint8], size: Size, area: Box) -> NDArray[np.uint8]:
    """A part of what enlarging a whole map to `size` would give, bilinear; to within one level.

    Args:
        small: uint8 (h, w) or (h, w, channels), covering the whole picture.
        size: of the picture.
        area: the part of the picture that is wanted.
    """
    if area == Box(0, 0, size.width, size.height):
        return np.asarray(cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    return window(small, Box(0, 0, small.shape[1], small.shape[0]), Size(*small.shape[:2]), size, area)


def window(part: NDArray[np.uint8], box: Box, map_size: Size, size: Size, area: Box) -> NDArray[np.uint8]:
    """As `enlarge`, where only a part of the map is at hand; beyond its edges it continues as there.

    Args:
        part: the map inside `box`: uint8 (h, w) or (h, w, channels).
    """
    whole, there = _block(area, map_size, size)
    if there.area > WARP_TIMES * area.area:
        return _warped(part, box, map_size, size, area)
    inside = part[
        max(0, whole.top - box.top) : whole.bottom - box.top, max(0, whole.left - box.left) : whole.right - box.left
    ]
    above, below, left, right = around(box, whole)
    if above > 0 or below > 0 or left > 0 or right > 0:
        edges = max(0, above), max(0, below), max(0, left), max(0, right)
        inside = np.asarray(cv2.copyMakeBorder(inside, *edges, cv2.BORDER_REPLICATE), np.uint8)
    return _resized(inside, there, area)


def enlarged(part: NDArray[np.uint8], box: Box, map_size: Size, size: Size, area: Box) -> NDArray[np.uint8]:
    """An area of the picture, of a part of a map in an aligned box."""
    return _resized(part, box.scaled(map_size, size), area)


def _resized(part: NDArray[np.uint8], there: Box, area: Box) -> NDArray[np.uint8]:
    """An area of the picture, of a part of a map that is aligned with a box of the picture."""
    shape = there.right - there.left, there.bottom - there.top
    pixels = cv2.resize(part, shape, interpolation=cv2.INTER_LINEAR)
    down, across = area.top - there.top, area.left - there.left
    return np.asarray(pixels[down : down + area.bottom - area.top, across : across + area.right - area.left])


@lru_cache(maxsize=256)
def _block(area: Box, map_size: Size, size: Size) -> tuple[Box, Box]:
    """The aligned box of a map from which an area of the picture is enlarged, and what it becomes.

    Each is asked for several times: for masks and colours, and for both layers of colour.
    """
    whole = aligned(cells_of(area, map_size, size), map_size, size)
    return whole, whole.scaled(map_size, size)


def _warped(part: NDArray[np.uint8], box: Box, map_size: Size, size: Size, area: Box) -> NDArray[np.uint8]:
    down, across = map_size.height / size.height, map_size.width / size.width
    # Pixel centres lie at half: picture pixel x is at (x + 0.5) * across - 0.5 of the map.
    matrix = np.array(
        [
            [across, 0, (area.left + 0.5) * across - 0.5 - box.left],
            [0, down, (area.top + 0.5) * down - 0.5 - box.top],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shape = (area.right - area.left, area.bottom - area.top)
    return np.asarray(cv2.warpAffine(part, matrix, shape, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def blurred(solid: NDArray[np.uint8], map_size: Size, size: Size) -> NDArray[np.uint8]:
    """A mask of 0 and 255 whose edge, enlarged to `size`, does not follow the cells of the map; 127.5 is the edge.

    Args:
        solid: of the map, or of a part of it.
    """
    if size.area <= map_size.area:
        return solid
    return np.asarray(cv2.GaussianBlur(solid, (EDGE_CELLS, EDGE_CELLS), 0, borderType=cv2.BORDER_REPLICATE), np.uint8)


def clear_edged(soft: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A mask that was blurred, as 0 and 255 again."""
    return np.asarray(cv2.threshold(soft, 127, 255, cv2.THRESH_BINARY)[1], np.uint8)


def reach(box: Box, map_size: Size, size: Size) -> Box:
    """The pixels of a picture that a box of a map reaches when enlarged."""
    down, across = size.height / map_size.height, size.width / map_size.width
    return Box(
        max(0, int((box.left - 1) * across)),
        max(0, int((box.top - 1) * down)),
        min(size.width, int(np.ceil((box.right + 1) * across))),
        min(size.height, int(np.ceil((box.bottom + 1) * down))),
    )


def grown(box: Box, cells: int, map_size: Size) -> Box:
    """A box with so many cells more to each side, as far as the map goes."""
    return Box(
        max(0, box.left - cells),
        max(0, box.top - cells),
        min(map_size.width, box.right + cells),
        min(map_size.height, box.bottom + cells),
    )


def aligned(box: Box, map_size: Size, size: Size) -> Box:
    """A box of a map, grown until its edges are those of pixels of even numbers, or of the picture.

    Such a part of a map enlarges to the pixels that it has in the whole map enlarged. Of 252 to 720 it begins at each
    seventh cell: 20 pixels. Of odd sizes it may be all of the map.
    """
    down, across = (2 * cells // gcd(2 * cells, pixels) for cells, pixels in zip(map_size, size))
    return Box(
        box.left // across * across,
        box.top // down * down,
        min(map_size.width, -(-box.right // across) * across),
        min(map_size.height, -(-box.bottom // down) * down),
    )


def cells_of(area: Box, map_size: Size, size: Size) -> Box:
    """The cells of a map from which an area of the picture is enlarged: each that it touches, and those beside them."""
    down, across = map_size.height / size.height, map_size.width / size.width
    touched = Box(
        int(area.left * across), int(area.top * down), -int(-area.right * across // 1), -int(-area.bottom * down // 1)
    )
    return grown(touched, 1, map_size)


def around(box: Box, whole: Box) -> tuple[int, int, int, int]:
    """What a box lacks of a larger one: above, below, left and right."""
    return box.top - whole.top, whole.bottom - box.bottom, box.left - whole.left, whole.right - box.right
