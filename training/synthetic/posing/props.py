"""Things in hands: phones, cups, shopping bags, and boxes, balls and books that two hands carry."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from training.synthetic.geometry.mesh import Shape, box, cylinder, ellipsoid, joined, sheet, unit, vector
from training.synthetic.posing.actor import Actor
from training.synthetic.posing.pose import Grip, Vector
from training.synthetic.rendering.materials import Material, Materials, Pattern, some_colour


@dataclass(frozen=True, slots=True)
class Prop:
    """A thing in the world that somebody holds."""

    shape: Shape
    material: int


def props_of(actor: Actor, materials: Materials) -> list[Prop]:
    """What somebody holds, as their gestures say; of two hands that carry a thing the arms are posed here, too."""
    found = []
    for what in actor.holding:
        kind, _, side = what.partition(" ")
        if kind == "box":
            found.append(_carried(actor, materials))
        elif kind == "phone":
            found.append(Prop(_phone(actor, side), _dark_glass(actor.rng, materials)))
        elif kind == "cup":
            found.append(Prop(_cup(actor, side), materials.plain(actor.rng, some_colour(actor.rng, 0.2), 0.2, 40)))
        else:
            found.append(Prop(_shopping_bag(actor, side), materials.cloth(actor.rng, 0.4, bump=(0.1, 0.3))))
    return found


def _dark_glass(rng: Generator, materials: Materials) -> int:
    colour = np.full(3, rng.uniform(0.005, 0.03)) if rng.random() < 0.7 else some_colour(rng, 0.2)
    return materials.plain(rng, colour, specular=0.5, gloss=60)


def _palm(actor: Actor, side: str, above_dm: float) -> tuple[Vector, Vector, Vector, Vector]:
    """A place above the middle of a palm, and the directions across the hand, along it and out of it."""
    pose, at = actor.pose, actor.body.index
    hand = pose.rest[at[f"hand_{side}"]]
    knuckles = (pose.rest[at[f"index_01_{side}"]] + pose.rest[at[f"pinky_01_{side}"]]) / 2
    out, along = pose.palm(side), unit(knuckles - hand)
    turned = pose.rotation_of(f"hand_{side}")
    middle = pose.joint(f"hand_{side}") + turned @ ((knuckles - hand) * 0.85 + out * above_dm)
    return middle, turned @ np.cross(along, out), turned @ along, turned @ out


def _phone(actor: Actor, side: str) -> Shape:
    middle, across, along, out = _palm(actor, side, 0.32 * actor.scale)
    slab = box([-0.37, -0.55, -0.04], [0.37, 0.95, 0.04], 3)
    turned = slab.vertices @ np.stack([across, along, out]).astype(np.float32)
    return Shape((turned + middle).astype(np.float32), slab.texture, slab.triangles)


def _cup(actor: Actor, side: str) -> Shape:
    middle, *_ = _palm(actor, side, 0.42 * max(0.6, actor.scale))
    rng = actor.rng
    return cylinder(middle - vector(0, 0.5, 0), middle + vector(0, rng.uniform(0.3, 0.7), 0), rng.uniform(0.33, 0.42))


def _shopping_bag(actor: Actor, side: str) -> Shape:
    """It hangs down from the fingers, whatever the arm does."""
    rng = actor.rng
    middle, *_ = _palm(actor, side, 0.25 * actor.scale)
    half = np.array([rng.uniform(0.4, 0.7), rng.uniform(0.9, 1.7), rng.uniform(0.9, 1.5)]) * max(0.6, actor.scale)
    top = middle - vector(0, rng.uniform(0.5, 1.2), 0)
    low = top - [0, 2 * half[1], 0]
    low[1] = max(low[1], 0.05)
    body = box(low - half * [1, 0, 1], np.maximum(top, low + 0.3) + half * [1, 0, 1])
    handles = []
    for aside in (-0.3, 0.3):
        ends = np.array([[aside, 0, -half[2] * 0.5], [aside, 0, half[2] * 0.5]]) + top
        rows = np.stack([ends[0], middle - vector(0, 0.1, 0), ends[1]])
        handles.append(sheet(np.stack([rows, rows + vector(0, 0, 0.12)])))
    return joined([body, *handles])


def _carried(actor: Actor, materials: Materials) -> Prop:
    """A box, a ball, or a book that is read, before the body, with a hand on each side."""
    rng, size = actor.rng, actor.scale
    kind = rng.random()
    half = np.array([rng.uniform(0.8, 1.8), rng.uniform(0.5, 1.5), rng.uniform(0.5, 1.0)]) * size
    if kind < 0.3:
        half = np.full(3, rng.uniform(0.9, 1.3) * size)
    elif kind < 0.55:
        half = np.array([rng.uniform(0.9, 1.4) * size, rng.uniform(0.7, 1.1) * size, 0.08])
    middle = actor.point("belly", half[2] + 0.9 * size) + vector(0, rng.uniform(0, 1.6) * size, 0)
    pattern = Pattern(int(rng.choice([0, 0, 1, 4, 5])))
    material = materials.add(
        rng, Material(pattern, some_colour(rng, 0.15), some_colour(rng), rng.uniform(0.5, 2), specular=0.1, gloss=30)
    )
    shape = ellipsoid((0, 0, 0), half) if kind < 0.3 else box(-half, half)
    axes = np.stack([actor.ahead(axis) for axis in np.eye(3)])
    for side, sign in (("l", 1), ("r", -1)):
        target = middle + axes[0] * sign * (half[0] + 0.25 * size) - axes[2] * (0.3 + half[2]) * size * 0.6
        actor.touch(side, target, [sign, -0.7, -0.3], Grip(sign * 0.5, 0.2), flat=False)
    turned = (shape.vertices @ axes.astype(np.float32) + middle).astype(np.float32)
    return Prop(Shape(turned, shape.texture, shape.triangles), material)
