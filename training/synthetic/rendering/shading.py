"""The colour of each pixel: a material's pattern and relief, ambient light, a key light with a soft shadow, a fill.

Everything is in linear light. Compiled by numba for one core.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from training.synthetic.geometry.mesh import Points, Triangles
from training.synthetic.rendering.materials import Column, Pattern
from training.synthetic.rendering.noise import folds, lattice, noise, strands
from training.synthetic.rendering.rasterizer import Hits

# Enumerations are no constants to the compiler.
_PATTERN, _COLOUR, _SECOND, _FREQUENCY, _BUMP, _BUMP_FREQUENCY = 0, 1, 4, 7, 8, 9
_SPECULAR, _GLOSS, _WRAP, _SEED, _PICTURE, _OWN = 10, 11, 12, 13, 16, 17
_PRINT, _PRINT_Y, _DUTY, _THIRD = 18, 19, 20, 21
_ACROSS, _ALONG, _PLAID, _DOTS, _BLOBS, _FLOWERS, _GRADIENT, _MOTTLED, _HAIR, _TILES, _PLANKS = range(1, 12)
assert (Column.COLOUR, Column.SEED, Column.OWN_COLOURS, Column.THIRD) == (_COLOUR, _SEED, _OWN, _THIRD)
assert (Pattern.STRIPES_ACROSS, Pattern.HAIR, Pattern.PLANKS) == (_ACROSS, _HAIR, _PLANKS)
_SHADOW_SAMPLES = 8
_DISK = np.array(
    [
        [r, r * np.cos(2.4 * k), r * np.sin(2.4 * k)]
        for k in range(_SHADOW_SAMPLES)
        for r in [np.sqrt((k + 0.5) / _SHADOW_SAMPLES)]
    ]
)
"""Radius, x and y of points spread over a disk of radius 1 (Vogel)."""
_SLANT = 0.35
"""Patterns along the body go round it: x and so much of z."""
PICTURE_SIDE = 256


@dataclass(frozen=True, slots=True)
class Light:
    """What lights a scene, and from where it is seen. Directions point to the light; colours are linear."""

    eye: NDArray[np.float64]
    """Where the camera is, (3,), dm."""
    key: NDArray[np.float64]
    key_colour: NDArray[np.float64]
    fill: NDArray[np.float64]
    fill_colour: NDArray[np.float64]
    shadow: NDArray[np.float64]
    """(3, 4): from the world to a cell of the shadow map and the height above it."""
    shadow_map: NDArray[np.float32]
    """(s, s): `height_map` as the key light sees the scene."""
    bias_dm: float
    softness: float
    """Radius of the shadow's border, in cells."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """All that is drawn, in the world; n vertices, t triangles."""

    points: Points
    triangles: Triangles
    normals: Points
    texture: Points
    colours: Points
    ambient: Points
    """Ambient light at each vertex, linear, (n, 3)."""
    materials: NDArray[np.int32]
    """(t,): the number of each triangle's material."""


def shade(hits: Hits, mesh: Mesh, table: NDArray[np.float64], pictures: NDArray[np.float32], light: Light) -> Points:
    """The linear picture, float32 (H, W, 3) in red, green, blue; 0 where nothing is.

    Args:
        table: the rows of the materials.
        pictures: (k, 256, 256, 3), linear, that materials name.
    """
    out = np.zeros((*hits.triangle.shape, 3), np.float32)
    lights = np.stack([light.eye, light.key, light.key_colour, light.fill, light.fill_colour])
    vertices = (mesh.points, mesh.normals, mesh.texture, mesh.colours, mesh.ambient)
    shadow = (light.shadow, light.shadow_map, light.bias_dm, light.softness)
    _shade(
        hits.triangle,
        hits.first,
        hits.second,
        mesh.triangles,
        mesh.materials,
        np.stack(vertices),
        table,
        pictures,
        lights,
        *shadow,
        out,
    )
    return out


@njit(cache=True, inline="always")
def _share(value: float) -> float:  # pragma: no cover - compiled
    return value - np.floor(value)


@njit(cache=True, fastmath=True)
def _pattern(m: Any, x: float, y: float, z: float) -> tuple[float, float]:  # pragma: no cover - compiled
    """How much of the second and of a third colour a place has."""
    kind, f, duty = int(m[_PATTERN]), m[_FREQUENCY], m[_DUTY]
    sx, sy, sz = m[_SEED], m[_SEED + 1], m[_SEED + 2]
    around, up = (x + _SLANT * z) * f + sx, y * f + sy
    if kind == _ACROSS:
        return (1.0 if _share(up) < duty else 0.0), 0.0
    if kind == _ALONG:
        return (1.0 if _share(around) < duty else 0.0), 0.0
    if kind == _PLAID:
        lines = _share(up + 0.7) < 0.06 or _share(around + 0.7) < 0.06
        mix = (0.5 if _share(up) < duty else 0.0) + (0.5 if _share(around) < duty else 0.0)
        return mix, (0.7 if lines else 0.0)
    if kind == _DOTS:
        inside = (_share(around) - 0.5) ** 2 + (_share(up) - 0.5) ** 2 < duty * duty * 0.3
        return (1.0 if inside else 0.0), 0.0
    if kind == _BLOBS:
        return (1.0 if noise(x * f + sx, up, z * f + sz) > 0.5 + 0.15 * (duty - 0.5) else 0.0), 0.0
    if kind == _FLOWERS:
        value = noise(x * f + sx, up, z * f + sz)
        return (1.0 if value > 0.58 else 0.0), (1.0 if value > 0.66 else 0.0)
    if kind == _GRADIENT:
        value = 0.5 + (y - m[_PRINT_Y]) * 0.5 + 0.3 * (noise(x * 2 + sx, y * 2, z * 2) - 0.5)
        return min(1.0, max(0.0, value)), 0.0
    if kind == _MOTTLED:
        return 0.6 * noise(x * f + sx, up, z * f + sz) + 0.4 * noise(5 * x * f + sx, 5 * up, 5 * z * f + sz), 0.0
    if kind == _HAIR:
        return strands(x * f + sx, y * f, z * f), 0.0
    if kind == _TILES:
        joint = _share(x * f) < 0.04 or _share(y * f) < 0.04
        tone = 0.35 * lattice(int(np.floor(x * f)), int(np.floor(y * f)), 3)
        return (1.0 if joint else tone), 0.0
    if kind == _PLANKS:
        row = np.floor(x * f)
        end = y * f * 0.12 + lattice(int(row), 1, 2)
        joint = _share(x * f) < 0.03 or _share(end) < 0.004
        tone = 0.5 * lattice(int(row), int(np.floor(end)), 5) + 0.3 * noise(x * f * 9, y * f * 0.5, sz)
        return (1.0 if joint else tone), 0.0
    return 0.0, 0.0


@njit(cache=True, fastmath=True)
def _colour(m: Any, u: Any, own: Any, pictures: Any, out: Any) -> None:  # pragma: no cover - compiled
    """The material's colour at a place of the texture, with its grain."""
    mix, third = _pattern(m, u[0], u[1], u[2])
    sx, sy = m[_SEED], m[_SEED + 1]
    for k in range(3):
        other = m[_THIRD] * (0.5 + 0.5 * m[_SECOND + (k + 1) % 3])
        out[k] = (m[_COLOUR + k] * (1 - mix) + m[_SECOND + k] * mix) * (1 - third) + third * other
    grain = 0.94 + 0.12 * noise(u[0] * 22 + sx, u[1] * 22, u[2] * 22)
    if m[_OWN] > 0:
        for k in range(3):
            out[k] = own[k]
        grain = 0.96 + 0.08 * noise(u[0] * 5 + sx, u[1] * 5, u[2] * 5)
    number = int(m[_PICTURE])
    if number >= 0:
        whole = 2 * PICTURE_SIDE  # the picture and its mirror image
        i = int((u[0] + _SLANT * u[2]) * m[_FREQUENCY] * 128 + sx * 1000) % whole
        j = int(-u[1] * m[_FREQUENCY] * 128 + sy * 1000) % whole
        i = whole - 1 - i if i >= PICTURE_SIDE else i
        j = whole - 1 - j if j >= PICTURE_SIDE else j
        for k in range(3):
            out[k] = pictures[number, j, i, k]
    size = m[_PRINT]
    if size > 0 and u[2] > 0:
        i, j = u[0] / size, (u[1] - m[_PRINT_Y]) / size
        if abs(i) < 1 and abs(j) < 0.8 and noise(i * 3 + sx * 3, j * 3 + sy * 3, 0.5) > 0.42:
            for k in range(3):
                out[k] = m[_SECOND + (k + 1) % 3]
    for k in range(3):
        out[k] *= grain


@njit(cache=True, fastmath=True)
def _crumple(m: Any, u: Any, n: Any) -> None:  # pragma: no cover - compiled
    """Tilts a normal by the relief of the cloth and makes it a unit again."""
    depth = m[_BUMP]
    if depth > 0:
        f, step = m[_BUMP_FREQUENCY], 0.15
        x, y, z = u[0] * f + m[_SEED], u[1] * f + m[_SEED + 1], u[2] * f + m[_SEED + 2]
        here = folds(x, y, z)
        gx = (folds(x + step, y, z) - here) / step
        gy = (folds(x, y + step, z) - here) / step
        gz = (folds(x, y, z + step) - here) / step
        along = gx * n[0] + gy * n[1] + gz * n[2]
        n[0] -= depth * (gx - along * n[0])
        n[1] -= depth * (gy - along * n[1])
        n[2] -= depth * (gz - along * n[2])
    length = np.sqrt(n[0] ** 2 + n[1] ** 2 + n[2] ** 2) + 1e-9
    for k in range(3):
        n[k] /= length


@njit(cache=True, fastmath=True)
def _lit(
    p: Any, matrix: Any, heights: Any, bias: float, softness: float, turn: float
) -> float:  # pragma: no cover - compiled
    """How much of the key light reaches a point, 0 to 1: so many of samples on a disk are not below the shadow map."""
    side = heights.shape[0]
    at = np.empty(3)
    for k in range(3):
        at[k] = matrix[k, 0] * p[0] + matrix[k, 1] * p[1] + matrix[k, 2] * p[2] + matrix[k, 3]
    seen, cosine, sine = 0.0, softness * np.cos(turn), softness * np.sin(turn)
    for sample in range(_SHADOW_SAMPLES):
        radius, dx, dy = softness * _DISK[sample, 0], _DISK[sample, 1], _DISK[sample, 2]
        x, y = int(at[0] + dx * cosine - dy * sine), int(at[1] + dx * sine + dy * cosine)
        outside = x < 0 or y < 0 or x >= side or y >= side
        if outside or heights[y, x] <= at[2] + bias * (1 + radius * 0.35):
            seen += 1.0
    return seen / _SHADOW_SAMPLES


@njit(cache=True, fastmath=True)
def _reflect(
    m: Any, n: Any, view: Any, colour: Any, ambient: Any, lights: Any, lit: float, out: Any
) -> None:  # pragma: no cover - compiled
    """Light from a surface to the eye: ambient, wrapped diffuse, Blinn's highlight and a rim (Schlick)."""
    to_key = n[0] * lights[1, 0] + n[1] * lights[1, 1] + n[2] * lights[1, 2]
    to_fill = max(0.0, n[0] * lights[3, 0] + n[1] * lights[3, 1] + n[2] * lights[3, 2])
    diffuse = max(0.0, (to_key + m[_WRAP]) / (1 + m[_WRAP])) * lit
    half = np.empty(3)
    for k in range(3):
        half[k] = lights[1, k] + view[k]
    length = np.sqrt(half[0] ** 2 + half[1] ** 2 + half[2] ** 2) + 1e-9
    to_half = max(0.0, (n[0] * half[0] + n[1] * half[1] + n[2] * half[2]) / length)
    facing = max(0.0, n[0] * view[0] + n[1] * view[1] + n[2] * view[2])
    highlight = 1.5 * m[_SPECULAR] * to_half ** m[_GLOSS] * max(0.0, min(1.0, to_key * 4)) * lit
    rim = 1.2 * m[_SPECULAR] * (1 - facing) ** 4
    for k in range(3):
        light = ambient[k] + lights[2, k] * diffuse + lights[4, k] * to_fill * 0.5
        # Blood under the skin: a little more red comes back.
        warm = 1.06 if m[_OWN] > 0 and k == 0 else 1.0
        out[k] = colour[k] * light * warm + highlight * lights[2, k] + rim * ambient[k]


@njit(cache=True, fastmath=True)
def _shade(
    hit: Any,
    first: Any,
    second: Any,
    triangles: Any,
    materials: Any,
    vertices: Any,
    table: Any,
    pictures: Any,
    lights: Any,
    matrix: Any,
    heights: Any,
    bias: float,
    softness: float,
    out: Any,
) -> None:  # pragma: no cover - compiled
    here, view, colour = np.empty((5, 3)), np.empty(3), np.empty(3)
    for y in range(hit.shape[0]):
        for x in range(hit.shape[1]):
            t = hit[y, x]
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            u, v = first[y, x], second[y, x]
            w = 1 - u - v
            for what in range(5):
                for k in range(3):
                    here[what, k] = u * vertices[what, a, k] + v * vertices[what, b, k] + w * vertices[what, c, k]
            m, p, n = table[materials[t]], here[0], here[1]
            for k in range(3):
                view[k] = lights[0, k] - p[k]
            length = np.sqrt(view[0] ** 2 + view[1] ** 2 + view[2] ** 2)
            for k in range(3):
                view[k] /= length
            if n[0] * view[0] + n[1] * view[1] + n[2] * view[2] < -0.05:
                for k in range(3):
                    n[k] = -n[k]
            _crumple(m, here[2], n)
            _colour(m, here[2], here[3], pictures, colour)
            lit = _lit(p, matrix, heights, bias, softness, lattice(x, y, 1) * 6.283)
            _reflect(m, n, view, colour, here[4], lights, lit, out[y, x])
