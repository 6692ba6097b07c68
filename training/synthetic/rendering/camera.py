"""Cameras, from a webcam before a face to a street seen from a roof, and their projection."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.synthetic.geometry.mesh import Points, unit, vector

_NEAREST_DM = 0.3
_LOWEST_DM = 0.5


@dataclass(frozen=True, slots=True)
class Camera:
    eye: NDArray[np.float64]
    """(3,), dm."""
    axes: NDArray[np.float64]
    """(3, 3): rows to the right, up, and back towards the viewer."""
    focal: float
    """Focal length as a share of the picture's height."""
    yaw: float
    """From which side it looks, in radians around y; 0 is from ahead."""

    def project(self, points: Points, size: tuple[int, int]) -> Points:
        """Pixels (x, y) of points in a picture of a size (height, width), and 1 / distance; 0 behind the camera."""
        height, width = size
        seen = (points - self.eye) @ self.axes.T
        ahead = -seen[:, 2]
        inverse = np.where(ahead > _NEAREST_DM, 1 / np.maximum(ahead, _NEAREST_DM), 0)
        focal = self.focal * height
        x, y = width / 2 + focal * seen[:, 0] * inverse, height / 2 - focal * seen[:, 1] * inverse
        return np.ascontiguousarray(np.stack([x, y, inverse], axis=1).astype(np.float32))


@dataclass(frozen=True, slots=True)
class View:
    """What a group wishes of its camera; None is any."""

    pitch: float | None = None
    """Radians above the horizon."""
    yaw: float | None = None
    close: bool = False
    """Heads and shoulders."""


def look(eye: NDArray[np.float64], target: NDArray[np.float64], fov: float, yaw: float, roll: float = 0.0) -> Camera:
    """A camera at a place that looks at another; fov: the vertical angle of view, in radians."""
    back = unit(eye - target)
    right = unit(np.cross([0, 1, 0], back))
    up = np.cross(back, right)
    axes = np.stack([right * np.cos(roll) + up * np.sin(roll), up * np.cos(roll) - right * np.sin(roll), back])
    return Camera(eye, axes, 0.5 / float(np.tan(fov / 2)), yaw)


def sample_camera(rng: Generator, people: Points, heads: Points, view: View, aspect: float) -> Camera:
    """A camera that sees people, all of them or a part.

    Args:
        people: vertices of all of them.
        heads: (k, 3), where each head begins.
        aspect: width / height of the picture.
    """
    fov = rng.uniform(0.45, 1.25)
    target, radius = _aim(rng, people, heads, view, aspect)
    pitch, yaw = view.pitch, view.yaw
    if pitch is None:
        pitch = rng.normal(0.05, 0.12) if rng.random() < 0.85 else rng.uniform(0.3, 0.9)
    if yaw is None:
        yaw = rng.normal(0, 0.35) if rng.random() < 0.85 else rng.uniform(-np.pi, np.pi)
    distance = max(radius / np.tan(fov / 2), radius + 1.6)
    from_ = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    eye = target + from_ * distance
    eye[1] = max(eye[1], _LOWEST_DM)
    return look(eye, target, fov, float(yaw), rng.normal(0, 0.04))


def _aim(rng: Generator, people: Points, heads: Points, view: View, aspect: float) -> tuple[NDArray[np.float64], float]:
    """Where to look, and the radius of what is to be seen, dm."""
    low, high = people.min(axis=0).astype(np.float64), people.max(axis=0).astype(np.float64)
    middle = (low + high) / 2
    if view.close or rng.random() < 0.14:
        target = heads.mean(axis=0) if rng.random() < 0.5 else heads[int(rng.integers(len(heads)))]
        spread = float(np.ptp(heads[:, 0]))
        return target + vector(0, rng.uniform(-2.5, 0.3), 0), rng.uniform(1.6, 4.5) + 0.4 * spread
    if rng.random() < 0.22:  # cut off below
        target = middle * [1, 0, 1] + [0, rng.uniform(0.55, 0.8) * high[1], 0]
        return target, max(3.0, 0.38 * float(np.linalg.norm(high - low))) * rng.uniform(0.7, 1.1)
    whole = 0.5 * max(float(high[1] - low[1]), float(high[0] - low[0]) / aspect)
    return middle + rng.normal(0, 0.5, 3), whole * float(np.exp(rng.normal(0.14, 0.27)))
