"""Bodies of all ages, sexes, weights and ancestries, as sums of the base mesh's shape targets."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.synthetic.geometry.mesh import Points, normals_of
from training.synthetic.people.body import Body

ADULT_AGE = 0.3
_SAMPLED = ("x-mouth-open", "x-mouth-elevation", "x-stomach-pregnant-incr", "x-maxcup", "x-mincup")
"""Targets that have chances of their own."""
_MODEL_HEIGHT_DM = 16.66
Blend = dict[str, float]
"""Shares of named ends; they add up to 1."""


@dataclass(frozen=True, slots=True)
class Build:
    """Somebody's body in the rest pose."""

    vertices: Points
    """(n, 3), dm."""
    normals: Points
    """Unit normals of the skin and of the helper meshes, (n, 3)."""
    scale: float
    """Of the height of the base mesh."""
    age: float
    """As MakeHuman counts: 0 a baby, .1875 twelve years, .5 twenty-five, 1 ninety."""
    female: bool
    ancestry: Blend

    @property
    def child(self) -> bool:
        return self.age < 0.26

    @property
    def adult(self) -> bool:
        return self.age > ADULT_AGE


def sample_build(body: Body, rng: Generator, age: float | None = None) -> Build:
    """Somebody; of this age if one is given, else of any, twelve and younger in a fifth."""
    age = _age(rng) if age is None else age
    maleness = float(rng.random() < 0.55)
    ancestry = dict(zip(("african", "asian", "caucasian"), map(float, rng.dirichlet([0.35] * 3))))
    weight = float(rng.beta(2.2, 1.9))
    amounts = _proportions(rng, age, maleness, ancestry, weight)
    for name, amount in _features(body, rng, age, maleness < 0.5, weight).items():
        amounts[name] = amounts.get(name, 0.0) + amount
    numbers = {name: number for number, name in enumerate(body.base.target_names)}
    used = [(numbers[name], amount) for name, amount in amounts.items() if name in numbers and amount > 1e-4]
    vertices = body.rest.copy()
    for number, amount in used:
        vertices += body.base.targets[number] * np.float32(amount * 0.001)
    height = float(np.ptp(vertices[body.is_skin, 1]))
    normals = normals_of(vertices, np.concatenate([body.skin, body.tights, body.skirt]))
    return Build(vertices, normals, height / _MODEL_HEIGHT_DM, age, maleness < 0.5, ancestry)


def _age(rng: Generator) -> float:
    kind = rng.random()
    ends = ((0.2, (0.08, 0.2)), (0.45, (0.25, 0.5)), (0.82, (0.5, 0.8)), (1.0, (0.8, 1.0)))
    low, high = next(span for until, span in ends if kind <= until)
    return float(rng.uniform(low, high))


def _ends(value: float, names: tuple[str, str, str], middle: float = 0.5) -> Blend:
    """Shares of the low end, the middle and the high end."""
    shares = (
        np.interp(value, [0, middle], [1, 0]),
        np.interp(value, [0, middle, 1], [0, 1, 0]),
        np.interp(value, [middle, 1], [0, 1]),
    )
    return {name: float(share) for name, share in zip(names, shares)}


def _proportions(rng: Generator, age: float, maleness: float, ancestry: Blend, weight: float) -> Blend:
    male = float(np.clip(maleness + rng.normal(0, 0.08), 0, 1))
    sexes = {"male": male, "female": 1 - male}
    ages = {
        "baby": float(np.interp(age, [0, 0.1875], [1, 0])),
        "child": float(np.interp(age, [0, 0.1875, 0.5], [0, 1, 0])),
        "young": float(np.interp(age, [0.1875, 0.5, 1], [0, 1, 0])),
        "old": float(np.interp(age, [0.5, 1], [0, 1])),
    }
    weights = _ends(weight, ("minweight", "averageweight", "maxweight"))
    muscles = _ends(float(np.clip(rng.normal(0.5, 0.18), 0, 1)), ("minmuscle", "averagemuscle", "maxmuscle"))
    tall = float(np.clip(rng.normal(0.5, 0.17), 0, 1))
    extreme = "maxheight" if tall > 0.5 else "minheight"
    amounts: Blend = {}
    for sex, sex_share in sexes.items():
        for name, age_share in ages.items():
            share = sex_share * age_share
            amounts |= {f"{people}-{sex}-{name}": share * part for people, part in ancestry.items()}
            for muscle, muscle_share in muscles.items():
                for heavy, heavy_share in weights.items():
                    amounts[f"universal-{sex}-{name}-{muscle}-{heavy}"] = share * muscle_share * heavy_share
            amounts[f"height-{sex}-{name}-averagemuscle-averageweight-{extreme}"] = share * abs(tall - 0.5) * 2
    return amounts


def _features(body: Body, rng: Generator, age: float, female: bool, weight: float) -> Blend:
    """Noses, chins, mouths, and what comes with age and sex."""
    amounts = {
        name: max(0.0, float(rng.normal(0, 0.3)))
        for name in body.base.target_names
        if name.startswith("x-") and name not in _SAMPLED and rng.random() < 0.4
    }
    if rng.random() < 0.3:
        amounts["x-mouth-open"] = float(rng.uniform(0, 0.6))
    if rng.random() < 0.5:
        amounts["x-mouth-elevation"] = float(rng.uniform(0, 1))
    if female and age > ADULT_AGE:
        amounts["x-maxcup" if rng.random() < 0.6 else "x-mincup"] = float(rng.uniform(0, 0.6))
    if weight > 0.6 and age > 0.4:
        amounts["x-stomach-pregnant-incr"] = float(rng.uniform(0, 0.5))
    return amounts


def head_box(body: Body, build: Build, level: float) -> NDArray[np.float32]:
    """The least and the greatest corner of the head around a height of the rest pose, dm, (2, 3)."""
    around = (body.head > 0.5) & (np.abs(body.y - level) < 0.2) & body.is_skin
    around = around if around.any() else (body.head > 0.5) & body.is_skin
    points = build.vertices[around]
    return np.stack([points.min(axis=0), points.max(axis=0)])
