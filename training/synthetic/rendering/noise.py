"""Value noise of three dimensions, compiled: smooth random numbers that are the same at the same place."""

import numpy as np
from numba import njit


@njit(cache=True, fastmath=True, inline="always")
def lattice(x: int, y: int, z: int) -> float:  # pragma: no cover - compiled
    """A number from 0 to 1 for a point of the grid."""
    n = (x * 73856093) ^ (y * 19349663) ^ (z * 83492791)
    n = (n ^ (n >> 13)) * 1274126177
    n = n ^ (n >> 16)
    return (n & 0xFFFF) / 65535.0


@njit(cache=True, fastmath=True)
def noise(x: float, y: float, z: float) -> float:  # pragma: no cover - compiled
    """From 0 to 1, changing once in a unit of length."""
    left, low, back = np.floor(x), np.floor(y), np.floor(z)
    i, j, k = int(left), int(low), int(back)
    u, v, w = x - left, y - low, z - back
    u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
    a = lattice(i, j, k) * (1 - u) + lattice(i + 1, j, k) * u
    b = lattice(i, j + 1, k) * (1 - u) + lattice(i + 1, j + 1, k) * u
    c = lattice(i, j, k + 1) * (1 - u) + lattice(i + 1, j, k + 1) * u
    d = lattice(i, j + 1, k + 1) * (1 - u) + lattice(i + 1, j + 1, k + 1) * u
    return (a * (1 - v) + b * v) * (1 - w) + (c * (1 - v) + d * v) * w


@njit(cache=True, fastmath=True)
def strands(x: float, y: float, z: float) -> float:  # pragma: no cover - compiled
    """Noise drawn out along y, from 0 to 1: thick strands and thin ones."""
    return 0.55 * noise(9 * x, 0.8 * y, 9 * z) + 0.45 * noise(26 * x, 1.5 * y, 26 * z)


@njit(cache=True, fastmath=True)
def folds(x: float, y: float, z: float) -> float:  # pragma: no cover - compiled
    """The relief of crumpled cloth."""
    coarse = abs(noise(x, y * 0.55, z) - 0.5) * 1.4
    return coarse + 0.5 * abs(noise(x * 2.3 + 7, y * 1.7, z * 2.3) - 0.5) + 0.18 * noise(x * 6, y * 6, z * 6)
