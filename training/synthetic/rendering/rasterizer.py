"""A rasterizer: which triangle each pixel shows. Compiled by numba for one core; no window and no GPU.

Visibility is decided by a depth buffer ("A characterization of ten hidden-surface algorithms", Sutherland, Sproull,
Schumacker, 1974); barycentric coordinates are corrected for perspective.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from training.synthetic.geometry.mesh import Triangles
from training.synthetic.rendering.noise import strands

NOTHING = -1
FARTHEST = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class Hits:
    """What each pixel shows: all of (H, W)."""

    triangle: NDArray[np.int32]
    """Its number, or -1 where nothing is."""
    first: NDArray[np.float32]
    """How near the pixel is to the triangle's first corner, 1 on it; perspective is corrected."""
    second: NDArray[np.float32]
    """The same for the second corner."""


def rasterize(
    points: NDArray[np.float32],
    triangles: Triangles,
    size: tuple[int, int],
    cut: NDArray[np.float32],
    fray: NDArray[np.float32],
    texture: NDArray[np.float32],
) -> Hits:
    """Draws triangles into a picture of a size (height, width).

    Args:
        points: (n, 3): x and y in pixels, and 1 / distance; what is not in front of the camera has 0.
        triangles: (t, 3).
        cut: (n,): fragments where it is interpolated to less than 0 are left out.
        fray: (t,): how far noise along the texture lowers a triangle's cut, so that strands are left.
        texture: (n, 3): where that noise is looked up.
    """
    depth = np.zeros(size, np.float32)
    hits = Hits(np.full(size, NOTHING, np.int32), np.zeros(size, np.float32), np.zeros(size, np.float32))
    _rasterize(points, triangles, cut, fray, texture, depth, hits.triangle, hits.first, hits.second)
    return hits


def height_map(
    points: NDArray[np.float32], triangles: Triangles, side: int, cut: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The highest point over each cell, float32 (side, side), seen without perspective; -1e9 where nothing is.

    Args:
        points: (n, 3): x and y in cells, and the height.
    """
    found = np.full((side, side), FARTHEST, np.float32)
    _heights(points, triangles, cut, found)
    return found


def transform(points: NDArray[np.floating[Any]], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """The points (n, 3) by an affine matrix (3, 4), float32; a library's matrix product takes twenty times as long."""
    out = np.empty(points.shape, np.float32)
    _transform(points, matrix, out)
    return out


@njit(cache=True, fastmath=True)
def _transform(points: Any, matrix: Any, out: Any) -> None:  # pragma: no cover - compiled
    for n in range(points.shape[0]):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        for k in range(3):
            out[n, k] = matrix[k, 0] * x + matrix[k, 1] * y + matrix[k, 2] * z + matrix[k, 3]


@njit(cache=True, inline="always")
def _span(a: float, b: float, c: float, limit: int) -> tuple[int, int]:  # pragma: no cover - compiled
    """The first and the last pixel whose middle lies between three coordinates."""
    return max(0, int(np.ceil(min(a, b, c) - 0.5))), min(limit - 1, int(np.floor(max(a, b, c) - 0.5)))


@njit(cache=True, fastmath=True)
def _rasterize(
    points: Any,
    triangles: Any,
    cut: Any,
    fray: Any,
    texture: Any,
    depth: Any,
    hit: Any,
    first: Any,
    second: Any,
) -> None:  # pragma: no cover - compiled
    height, width = depth.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        za, zb, zc = points[a, 2], points[b, 2], points[c, 2]
        if za <= 0 or zb <= 0 or zc <= 0:
            continue
        ca, cb, cc = cut[a], cut[b], cut[c]
        if ca < 0 and cb < 0 and cc < 0:
            continue
        xa, ya, xb, yb, xc, yc = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        area = (xb - xa) * (yc - ya) - (xc - xa) * (yb - ya)
        if abs(area) < 1e-9:
            continue
        whole = fray[t] == 0 and ca >= 0 and cb >= 0 and cc >= 0
        left, right = _span(xa, xb, xc, width)
        top, bottom = _span(ya, yb, yc, height)
        for y in range(top, bottom + 1):
            py = y + 0.5
            for x in range(left, right + 1):
                px = x + 0.5
                u = ((xb - px) * (yc - py) - (xc - px) * (yb - py)) / area
                v = ((xc - px) * (ya - py) - (xa - px) * (yc - py)) / area
                if u < 0 or v < 0 or u + v > 1:
                    continue
                z = u * za + v * zb + (1 - u - v) * zc
                if z <= depth[y, x]:
                    continue
                u, v = u * za / z, v * zb / z
                if not whole:
                    w = 1 - u - v
                    left_over = u * ca + v * cb + w * cc
                    if fray[t] > 0:
                        sx = u * texture[a, 0] + v * texture[b, 0] + w * texture[c, 0]
                        sy = u * texture[a, 1] + v * texture[b, 1] + w * texture[c, 1]
                        sz = u * texture[a, 2] + v * texture[b, 2] + w * texture[c, 2]
                        left_over -= fray[t] * (1 - strands(sx, sy, sz))
                    if left_over < 0:
                        continue
                depth[y, x], hit[y, x], first[y, x], second[y, x] = z, t, u, v


@njit(cache=True, fastmath=True)
def _heights(points: Any, triangles: Any, cut: Any, found: Any) -> None:  # pragma: no cover - compiled
    side = found.shape[0]
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if cut[a] < 0 and cut[b] < 0 and cut[c] < 0:
            continue
        xa, ya, xb, yb, xc, yc = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        area = (xb - xa) * (yc - ya) - (xc - xa) * (yb - ya)
        if abs(area) < 1e-9:
            continue
        left, right = _span(xa, xb, xc, side)
        top, bottom = _span(ya, yb, yc, side)
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                u = ((xb - x - 0.5) * (yc - y - 0.5) - (xc - x - 0.5) * (yb - y - 0.5)) / area
                v = ((xc - x - 0.5) * (ya - y - 0.5) - (xa - x - 0.5) * (yc - y - 0.5)) / area
                if u < 0 or v < 0 or u + v > 1:
                    continue
                z = u * points[a, 2] + v * points[b, 2] + (1 - u - v) * points[c, 2]
                found[y, x] = max(found[y, x], z)
