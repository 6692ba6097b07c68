"""Triangle meshes: their normals, boxes and planes, and surfaces that bones move."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.synthetic.geometry.skinning import Binding

Points = NDArray[np.floating[Any]]
"""(n, 3), dm: x to the left of whoever looks along z, y up; float32 where many are kept."""
Values = NDArray[np.floating[Any]]
"""(n,): a number for each vertex."""
Triangles = NDArray[np.int32]
"""(t, 3): vertices, counter-clockwise as seen from outside."""


@dataclass(frozen=True, slots=True)
class Surface:
    """A piece of a person in the rest pose: skin, a garment, hair, or what is strapped on."""

    vertices: Points
    triangles: Triangles
    binding: Binding
    texture: Points
    """(n, 3): where patterns are looked up; of a garment its place on the base mesh, so that patterns move with it."""
    material: int
    labels: NDArray[np.uint8]
    """(t,): classes and a pack's codes."""
    cut: NDArray[np.float32]
    """(n,): where it is below 0, between vertices too, there is no surface."""
    colours: Points
    """(n, 3), linear: used where the material has no colour of its own."""
    fray: float = 0.0
    """How deep strands are cut out of it, in the unit of `cut`; 0 is solid."""


def triangles_of(quads: NDArray[np.int32]) -> Triangles:
    """Two triangles of each quad, int32 (t, 3); a quad that repeats a vertex gives one."""
    first, second = quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]
    second = second[(second[:, 1] != second[:, 2]) & (second[:, 0] != second[:, 2])]
    return np.ascontiguousarray(np.concatenate([first, second]).astype(np.int32))


def normals_of(vertices: Points, triangles: Triangles) -> Points:
    """Unit normals of the vertices, float32 (n, 3): the mean of the triangles around, by their area."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    faces = np.cross(b - a, c - a)
    total = np.stack(
        [sum(np.bincount(triangles[:, k], faces[:, axis], len(vertices)) for k in range(3)) for axis in range(3)],
        axis=1,
    )
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(total / np.maximum(length, 1e-12), np.float32)


def unit(direction: ArrayLike) -> NDArray[np.float64]:
    """The direction of a vector; the zero vector stays zero."""
    found = np.asarray(direction, np.float64)
    return np.asarray(found / (math.sqrt(float(found @ found)) + 1e-12))


def cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cross product of two vectors (3,): `numpy.cross` takes twenty times as long for them."""
    ax, ay, az = a.tolist()
    bx, by, bz = b.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def vector(x: float, y: float, z: float) -> NDArray[np.float64]:
    return np.array([x, y, z], np.float64)


@dataclass(frozen=True, slots=True)
class Shape:
    """A mesh that no bone moves."""

    vertices: Points
    texture: Points
    triangles: Triangles


def box(low: ArrayLike, high: ArrayLike, divisions: int = 6) -> Shape:
    """An axis-aligned box, each side a grid, so that light can change across it; texture coordinates in dm."""
    near, far = np.minimum(low, high).astype(np.float64), np.maximum(low, high).astype(np.float64)
    sides = [_side(near, far, axis, end, divisions) for axis in range(3) for end in (0, 1)]
    return joined(sides)


def joined(shapes: list[Shape]) -> Shape:
    """One mesh of several."""
    starts = np.cumsum([0, *(len(each.vertices) for each in shapes[:-1])])
    return Shape(
        np.concatenate([each.vertices for each in shapes]),
        np.concatenate([each.texture for each in shapes]),
        np.concatenate([each.triangles + start for each, start in zip(shapes, starts)]).astype(np.int32),
    )


def _side(near: NDArray[np.float64], far: NDArray[np.float64], axis: int, end: int, divisions: int) -> Shape:
    first, second = (each for each in range(3) if each != axis)
    along = np.linspace(0, 1, divisions)
    u, v = (grid.ravel() for grid in np.meshgrid(along, along, indexing="ij"))
    points = np.zeros((divisions * divisions, 3))
    points[:, axis] = (near, far)[end][axis]
    points[:, first] = near[first] + u * (far[first] - near[first])
    points[:, second] = near[second] + v * (far[second] - near[second])
    texture = np.zeros_like(points)
    texture[:, 0] = points[:, first] if axis != 0 else points[:, 2]
    texture[:, 1] = points[:, second] if axis != 1 else points[:, 2]
    quads = _grid_quads(divisions, divisions)
    # The cross product of the first and the second direction points along x and z, but against y.
    outwards = quads if (end == 1) == (axis != 1) else quads[:, ::-1]
    return Shape(points.astype(np.float32), texture.astype(np.float32), triangles_of(outwards))


def _grid_quads(rows: int, columns: int) -> NDArray[np.int32]:
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    corners = (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:])
    return np.stack(corners, axis=-1).reshape(-1, 4)


def plane(centre: ArrayLike, across: ArrayLike, along: ArrayLike, divisions: int = 28) -> Shape:
    """A plane from -across to across and -along to along, finer in its middle, where people stand."""
    grid = np.linspace(-1, 1, divisions)
    grid = np.sign(grid) * np.abs(grid) ** 1.6
    u, v = (each.ravel()[:, None] for each in np.meshgrid(grid, grid, indexing="ij"))
    points = np.asarray(centre, np.float64) + u * np.asarray(across) + v * np.asarray(along)
    texture = np.concatenate([u * np.linalg.norm(across), v * np.linalg.norm(along), 0 * u], axis=1)
    return Shape(points.astype(np.float32), texture.astype(np.float32), triangles_of(_grid_quads(divisions, divisions)))


def sheet(rows: NDArray[np.float64], closed: tuple[bool, bool] = (False, False)) -> Shape:
    """A surface through a grid of points (r, c, 3); closed: whether the last row meets the first, and the columns."""
    count, width = rows.shape[:2]
    index = np.arange(count * width, dtype=np.int32).reshape(count, width)
    index = np.concatenate([index, index[:1]]) if closed[0] else index
    index = np.concatenate([index, index[:, :1]], axis=1) if closed[1] else index
    corners = (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:])
    points = rows.reshape(-1, 3).astype(np.float32)
    return Shape(points, points.copy(), triangles_of(np.stack(corners, axis=-1).reshape(-1, 4)))


def ellipsoid(centre: ArrayLike, radii: ArrayLike, rings: int = 9) -> Shape:
    """An ellipsoid; radii in dm along x, y, z."""
    polar = np.linspace(0, np.pi, rings)[:, None]
    around = np.linspace(0, 2 * np.pi, 2 * rings, endpoint=False)[None]
    unit_ball = np.stack(
        [np.sin(polar) * np.sin(around), np.cos(polar) + 0 * around, np.sin(polar) * np.cos(around)], axis=-1
    )
    return sheet(np.asarray(centre) + unit_ball * np.asarray(radii), closed=(False, True))


def cylinder(bottom: ArrayLike, top: ArrayLike, radius_dm: float, around: int = 14) -> Shape:
    """An upright cylinder with a lid and a bottom."""
    low, high = np.asarray(bottom, np.float64), np.asarray(top, np.float64)
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    ring = radius_dm * np.stack([np.sin(angle), np.zeros(around), np.cos(angle)], axis=1)
    rows = np.stack([low + 0 * ring, low + ring, high + ring, high + 0 * ring])
    return sheet(rows[::-1], closed=(False, True))
