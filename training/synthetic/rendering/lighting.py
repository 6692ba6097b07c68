"""Light: where it comes from, what it leaves in shade, and how dark corners are (ambient occlusion)."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pipeline.types import Picture
from training.synthetic.geometry.mesh import Points, Triangles, unit
from training.synthetic.rendering.materials import GAMMA, Colour
from training.synthetic.rendering.rasterizer import height_map, transform
from training.synthetic.rendering.shading import Light

_AMBIENT_DIRECTIONS, _AMBIENT_SIDE, _AMBIENT_BIAS_DM = 12, 176, 0.22
_SHADOW_SIDE, _SHADOW_BIAS_DM = 900, 0.12
_GOLDEN_ANGLE = 2.39996


@dataclass(frozen=True, slots=True)
class Mood:
    """The light of a scene before anything stands in it."""

    key: NDArray[np.float64]
    key_colour: Colour
    fill: NDArray[np.float64]
    fill_colour: Colour
    sky: Colour
    ground: Colour
    ambient: float

    def around(self, direction: NDArray[np.float64]) -> Colour:
        """The light that comes from a direction."""
        share = direction[1] * 0.5 + 0.5
        sun = 1 + 0.5 * max(0.0, float(direction @ unit(self.key * [1, 0.3, 1])))
        return np.asarray((self.sky * share + self.ground * (1 - share)) * sun * self.ambient)


def sample_mood(rng: Generator, camera_yaw: float, backdrop: Picture) -> Mood:
    """Light from any side, dim or strong, warm or cold, in the colours of what is behind."""
    height, azimuth = rng.uniform(0.15, 1.45), camera_yaw + rng.normal(0, 1.3)
    key = np.array([np.sin(azimuth) * np.cos(height), np.sin(height), np.cos(azimuth) * np.cos(height)])
    opposite = camera_yaw + rng.uniform(-2, 2)
    fill = unit([np.sin(opposite), rng.uniform(-0.2, 0.8), np.cos(opposite)])
    warmth = rng.normal(0, 0.12)
    strength = rng.uniform(0.1, 0.5) if rng.random() < 0.4 else rng.uniform(0.5, 1.6)
    thumb = cv2.resize(backdrop, (8, 8), interpolation=cv2.INTER_AREA)[..., ::-1].astype(np.float64) / 255
    above, below = (_tone(part) for part in (thumb[:3] ** GAMMA, thumb[-3:] ** GAMMA))
    return Mood(
        key=key,
        key_colour=strength * tint(rng, warmth * 0.5, 0.12),
        fill=fill,
        fill_colour=rng.uniform(0, 0.3) * tint(rng, warmth * 0.5, 0.15),
        sky=above,
        ground=below * rng.uniform(0.2, 0.6),
        ambient=rng.uniform(0.35, 1.0),
    )


def tint(rng: Generator, warmth: float, spread: float) -> Colour:
    """A factor on colours around a warmth; 0 is neutral."""
    return np.clip(1 + np.array([1, 0.1, -1]) * rng.normal(warmth, spread), 0.4, 1.7)


def _tone(part: NDArray[np.float64]) -> Colour:
    mean = part.mean(axis=(0, 1))
    return np.asarray(0.5 * mean / max(0.05, float(mean.mean())) + 0.5)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The ball that holds whatever casts shadows."""

    middle: NDArray[np.float64]
    radius_dm: float


def light_of(
    mood: Mood,
    rng: Generator,
    eye: NDArray[np.float64],
    bounds: Bounds,
    points: Points,
    casting: Triangles,
    cut: Points,
) -> Light:
    """The light of a scene with the shadows of these triangles."""
    matrix = _from_above(mood.key, _SHADOW_SIDE, bounds)
    shadow_map = height_map(transform(points, matrix), casting, _SHADOW_SIDE, cut)
    return Light(
        eye=eye,
        key=mood.key,
        key_colour=mood.key_colour,
        fill=mood.fill,
        fill_colour=mood.fill_colour,
        shadow=matrix,
        shadow_map=shadow_map,
        bias_dm=_SHADOW_BIAS_DM,
        softness=rng.uniform(1, 14),
    )


def ambient_light(
    mood: Mood, rng: Generator, bounds: Bounds, points: Points, normals: Points, casting: Triangles, cut: Points
) -> Points:
    """The light from the sky and the ground at each vertex, (n, 3), less what other triangles keep away."""
    found = np.full(points.shape, 0.1 * mood.ambient * (0.6 * mood.sky + 0.4 * mood.ground), np.float32)
    start = rng.uniform(0, 2 * np.pi)
    for number in range(_AMBIENT_DIRECTIONS):
        up = 1 - (number + 0.5) / _AMBIENT_DIRECTIONS * 1.7
        radius, angle = np.sqrt(max(0.0, 1 - up * up)), start + number * _GOLDEN_ANGLE
        direction = np.array([radius * np.cos(angle), up, radius * np.sin(angle)])
        seen = transform(points, _from_above(direction, _AMBIENT_SIDE, bounds))
        heights = height_map(seen, casting, _AMBIENT_SIDE, cut)
        strength = np.maximum(0, normals @ direction.astype(np.float32))
        strength[_below(seen, heights)] = 0
        light = mood.around(direction) * 3.2 / _AMBIENT_DIRECTIONS
        found += strength[:, None] * light.astype(np.float32)
    return found


def _below(seen: Points, heights: Points) -> NDArray[np.bool_]:
    column, row = seen[:, 0].astype(np.int64), seen[:, 1].astype(np.int64)
    inside = (column >= 0) & (row >= 0) & (column < _AMBIENT_SIDE) & (row < _AMBIENT_SIDE)
    above = heights[np.where(inside, row, 0), np.where(inside, column, 0)]
    return inside & (above > seen[:, 2] + _AMBIENT_BIAS_DM)


def _from_above(direction: NDArray[np.float64], side: int, bounds: Bounds) -> NDArray[np.float64]:
    """From the world to cells of a map as seen from a direction, and the height along it: (3, 4)."""
    upright = np.array([0.0, 1, 0]) if abs(direction[1]) < 0.9 else np.array([1.0, 0, 0])
    across = unit(np.cross(upright, direction))
    scale = side / (2 * bounds.radius_dm)
    turned = np.stack([across * scale, np.cross(direction, across) * scale, direction])
    shift = np.array([side / 2, side / 2, 0]) - turned @ bounds.middle
    return np.concatenate([turned, shift[:, None]], axis=1)
