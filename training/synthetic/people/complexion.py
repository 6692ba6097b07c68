"""The colours of a bare body: skin, lips, brows, beards, eyes; and of its hair."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from training.synthetic.geometry.mesh import Points
from training.synthetic.people.body import SIDES, Body
from training.synthetic.people.shape import Build
from training.synthetic.rendering.materials import Colour, some_colour

_SKIN = np.array(
    [[0.70, 0.50, 0.41], [0.55, 0.36, 0.26], [0.36, 0.21, 0.13], [0.20, 0.11, 0.065], [0.085, 0.048, 0.03]]
)
"""Linear colours from the lightest to the darkest."""
_HAIR = np.array(
    [[0.012, 0.009, 0.008], [0.03, 0.017, 0.011], [0.09, 0.045, 0.02], [0.3, 0.18, 0.08], [0.14, 0.045, 0.02]]
)
_HAIR_OF_FAIR, _HAIR_OF_DARK = [0.42, 0.27, 0.16, 0.1, 0.05], [0.8, 0.15, 0.05, 0, 0]
_WHITE_OF_EYE, _IRIS = 0.62, (0.05, 0.03, 0.02)


@dataclass(frozen=True, slots=True)
class Complexion:
    skin: Colour
    hair: Colour
    colours: Points
    """Of each of the base mesh's vertices, eyes included, (n, 3), linear."""


def sample_complexion(body: Body, build: Build, rng: Generator) -> Complexion:
    """Colours that go with somebody's ancestry, age and sex."""
    share = build.ancestry
    mean = 0.78 * share["african"] + 0.38 * share["asian"] + 0.16 * share["caucasian"]
    darkness = float(np.clip(mean + rng.normal(0, 0.08), 0.02, 1))
    base = _skin_of(darkness) * rng.uniform(0.85, 1.1)
    hair = _hair_colour(build, darkness, rng)
    colours: Points = np.repeat(base[None], body.count, axis=0)
    colours = _with_lips(body, build, colours, rng)
    colours = _blend(colours, 0.3 * _cheeks(body), colours * [1.1, 0.78, 0.74])
    colours = _blend(colours, _brows(body) * rng.uniform(0.5, 0.95), hair)
    if not build.female and build.age > 0.42 and rng.random() < 0.5:
        colours = _blend(colours, _beard(body) * (0.9 * rng.uniform(0.15, 1)), hair * 1.2)
    _paint_eyes(body, colours)
    return Complexion(base, hair, colours.astype(np.float32))


def _skin_of(darkness: float) -> Colour:
    at = np.arange(len(_SKIN)) / (len(_SKIN) - 1)
    return np.array([np.interp(darkness, at, _SKIN[:, channel]) for channel in range(3)])


def _hair_colour(build: Build, darkness: float, rng: Generator) -> Colour:
    if rng.random() < 0.03:
        return some_colour(rng, 0.0)
    if rng.random() < np.interp(build.age, [0.5, 0.8, 1], [0, 0.45, 0.9]):
        return np.full(3, rng.uniform(0.2, 0.6))
    which = rng.choice(len(_HAIR), p=_HAIR_OF_FAIR if darkness < 0.35 else _HAIR_OF_DARK)
    return np.asarray(_HAIR[which] * rng.uniform(0.7, 1.5))


def _blend(colours: Points, share: Points, other: Points) -> Points:
    return np.asarray(colours * (1 - share[:, None]) + other * share[:, None])


def _with_lips(body: Body, build: Build, colours: Points, rng: Generator) -> Points:
    lips = np.clip(body.base.lips * 1.6 - 0.45, 0, 1)
    colours = _blend(colours, lips, colours * [1.02, 0.62, 0.62])
    if build.female and build.adult and rng.random() < 0.35:
        colours = _blend(colours, lips * 0.7, np.array([0.42, 0.05, 0.06]))
    return colours


def _cheeks(body: Body) -> Points:
    away = (np.abs(body.x) - 0.45) ** 2 + (body.y - (body.eye["l"][1] - 0.45)) ** 2
    return np.asarray(np.exp(-away / 0.05) * (body.z > 0.6) * (body.head > 0.5))


def _brows(body: Body) -> Points:
    found = np.zeros(body.count)
    for side in SIDES:
        eye = body.eye[side]
        line = eye[1] + 0.22 + 0.05 * (1 - np.abs(body.x - eye[0]) / 0.2)
        across = np.clip((0.23 - np.abs(body.x - eye[0] * 1.12)) / 0.08, 0, 1)
        found = np.maximum(found, np.exp(-(((body.y - line) / 0.05) ** 2)) * across)
    return found * (body.z > 0.7) * (body.head > 0.5)


def _beard(body: Body) -> Points:
    under = body.eye["l"][1] - body.y  # dm below the eyes
    chin = (under > 0.62) & (under < 1.75) & (body.z > 0.25) & (body.head > 0.5) & (body.base.lips < 0.2)
    beside_nose = (under < 0.72) & (np.abs(body.x) < 0.25)
    return np.asarray((chin & ~beside_nose), np.float64)


def _paint_eyes(body: Body, colours: Points) -> None:
    colours[np.unique(body.eyes)] = _WHITE_OF_EYE
    for side in SIDES:
        eye = body.eye[side]
        of_eye = np.isin(np.arange(body.count), body.eyes)
        iris = of_eye & (np.hypot(body.x - eye[0], body.y - eye[1]) < 0.085) & (body.z > eye[2])
        colours[iris] = _IRIS
