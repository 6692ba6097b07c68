"""What arms do: crossed, in the lap, on the hips, at the face, round a neighbour, holding things."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator

from training.synthetic.geometry.mesh import unit, vector
from training.synthetic.people.body import SIDES
from training.synthetic.posing.actor import Actor
from training.synthetic.posing.pose import Grip
from training.synthetic.posing.postures import SEATED

OTHER = {"l": "r", "r": "l"}
_STANDING = {
    "hang": 0.22, "cross": 0.13, "clasp": 0.1, "pocket": 0.08, "hip": 0.08, "face": 0.06, "phone": 0.08,
    "up": 0.04, "wave": 0.04, "back": 0.03, "random": 0.07, "reach": 0.04, "carry": 0.04, "cup": 0.04, "shopping": 0.05,
}  # fmt: skip
_SEATED = {
    "hang": 0.02, "cross": 0.12, "clasp": 0.1, "pocket": 0.01, "hip": 0.02, "face": 0.1, "phone": 0.1,
    "up": 0.03, "wave": 0.04, "random": 0.08, "reach": 0.08, "lap": 0.27, "cup": 0.05, "carry": 0.03,
}  # fmt: skip
_BOTH = frozenset(("cross", "clasp", "back", "reach", "carry"))
"""Gestures of both arms together."""


def gesture_at_random(actor: Actor) -> None:
    """Arms as people hold them, by whether they stand or sit."""
    rng = actor.rng
    seated = actor.legs in SEATED
    chances = _SEATED if seated else _STANDING
    weights = np.array(list(chances.values()))
    first = str(rng.choice(list(chances), p=weights / weights.sum()))
    if first in _BOTH or (first not in ("phone", "cup", "shopping") and rng.random() < 0.45):
        gesture(actor, first, SIDES)
        return
    second = str(rng.choice([name for name in chances if name not in _BOTH]))
    second = "lap" if seated and second in ("hang", "pocket") else second
    sides = ("l", "r") if rng.random() < 0.5 else ("r", "l")
    gesture(actor, first, sides[:1])
    gesture(actor, second, sides[1:])


def gesture(actor: Actor, kind: str, sides: Sequence[str]) -> None:
    """A gesture by its name, of these arms."""
    if kind == "carry":
        actor.holding.append("box")
        return
    for side in sides:
        if kind in ("phone", "cup", "shopping"):
            actor.holding.append(f"{kind} {side}")
        _GESTURES[kind](actor, side, 1 if side == "l" else -1, actor.rng)


def embrace(actor: Actor, neighbour: Actor, side: str) -> None:
    """An arm around a neighbour who stands or sits on this side."""
    rng, size = actor.rng, neighbour.scale
    where = rng.random()
    if where < 0.5:
        target = neighbour.point("shoulder" + side, 0.35 * size)
    else:
        target = neighbour.point(("loin" if where < 0.75 else "back") + side, 0.5 * size)
    sign = 1 if side == "l" else -1
    actor.touch(side, target, [sign * 0.3, -0.6, -0.8], others=[neighbour])


def hold_hands(actor: Actor, neighbour: Actor, side: str) -> None:
    """The hand on this side in the near hand of a neighbour, who may be smaller."""
    first, second = actor.pose.joint(f"upperarm_{side}"), neighbour.pose.joint(f"upperarm_{OTHER[side]}")
    lower = min(first[1] - 4.6 * actor.scale, second[1] - 1.0 * neighbour.scale)
    middle = (first + second) / 2
    middle[1] = max(lower, 0.5)
    for who, hand in ((actor, side), (neighbour, OTHER[side])):
        sign = 1 if hand == "l" else -1
        away = np.asarray(who.pose.joint(f"upperarm_{hand}") - middle)
        grip = Grip(who.rng.normal(0, 0.2), 0.9)
        who.touch(hand, middle + unit(away) * 0.7 * who.scale, [sign, -0.3, -0.5], grip, flat=False)


def _hang(actor: Actor, side: str, sign: int, rng: Generator) -> None:
    actor.hang(side)


def _random(actor: Actor, side: str, sign: int, rng: Generator) -> None:
    upper = actor.ahead([sign * abs(rng.normal(0.5, 0.6)), rng.normal(-0.5, 0.7), rng.normal(0.3, 0.6)])
    lower = unit(upper) + actor.ahead(rng.normal(0, 0.9, 3) + vector(-sign * 0.2, 0.2, 0.5))
    actor.swing(side, upper, lower, Grip(rng.normal(0, 0.6), abs(rng.normal(0.4, 0.3)), rng.normal(0, 0.3)))


def _hip(actor: Actor, side: str, sign: int, rng: Generator) -> None:
    target = actor.point("hip" + side, 0.5 * actor.scale)
    actor.touch(side, target, [sign, -0.1, -0.6], Grip(rng.normal(0, 0.3), 0.4))


def _cross(actor: Actor, side: str, sign: int, rng: Generator) -> None:
    """The left forearm over the right one."""
    size = actor.scale
    target = actor.point("chest" + OTHER[side], 0.75 * size)
    target = target + vector(0, -0.5 * size, 0)
    if side == "l":
        target = target + actor.ahead([0, 0.35 * size, 0.25 * size])
    actor.touch(side, target, [sign, -0.9, 0.1], Grip(rng.normal(0, 0.3), 0.4))


def _clasp(actor: Actor, side: str, sign: int, rng: Generator) -> None:
    size = actor.scale
    offset = [sign * 0.35 * size, rng.uniform(-0.6, 0.8) * size, rng.uniform(0, 1.0) * size]
    target = actor.point("belly", 0.9 * size) + actor.ahead(offset)
    actor.touch(side, target, [sign, -0.6, -0.3], Grip(rng.normal(0, 0.3), 0.6))


def _pocket(actor: Actor, side: str, sign: int, rng: Generator) -> None:
    """A hand in a pocket is in the body: it is not kept out."""
    size = actor.scale
    target = actor.point("hip" + side, 0.35 * size) + actor.ahead([0, -0.35 * size, 0.5 * size])
    grip = Grip(rng.normal(0, 0.3), 0.5)
    actor.pose.arm_to(side, target, actor.ahead([sign * 0.8, 0, -0.8]), grip)


def _face(actor: Actor, side: str, sign: int, rng: Generator) -> None:
    size = actor.scale
    landmark = ("cheek" if rng.random() < 0.5 else "ear") + side
    target = actor.point(landmark, 0.5 * size) + actor.ahead([0, -0.8 * size, 0.3 * size])
    actor.touch(side, target, [sign * 0.8, -0.9, 0.2], Grip(rng.normal(0, 0.5), 0.7))


def _phone(actor: Actor, side: str, sign: int, rng: Generator) -> None:
    """Before the chest, or at the ear."""
    size = actor.scale
    if rng.random() < 0.3:
        target = actor.point("ear" + side, 0.6 * size) + actor.ahead([sign * 0.2, -1.0 * size, 0.4 * size])
        actor.touch(side, target, [sign * 0.9, -0.8, 0.1], Grip(sign * 0.4, 0.7), flat=False)
        return
    offset = [sign * 0.5 * size, rng.uniform(-0.5, 1.5) * size, 0]
    target = actor.point("chest", 2.2 * size) + actor.ahead(offset)
    actor.touch(side, target, [sign * 0.9, -1, -0.1], Grip(rng.normal(0.5 * sign, 0.3), 0.8), flat=False)


def _cup(actor: Actor, side: str, sign: int, rng: Generator) -> None:
    size = actor.scale
    offset = [sign * 0.7 * size, rng.uniform(-0.8, 1.4) * size, 0]
    target = actor.point("chest", rng.uniform(1.2, 2.4) * size) + actor.ahead(offset)
    actor.touch(side, target, [sign, -0.8, -0.2], Grip(rng.normal(0, 0.2), 0.9), flat=False)


def _up(actor: Actor, side: str, sign: int, rng: Generator) -> None:
    upper = actor.ahead([sign * abs(rng.normal(0.45, 0.3)), 1, rng.normal(0.1, 0.3)])
    lower = actor.ahead([rng.normal(0, 0.4), 1, rng.normal(0.1, 0.3)])
    actor.swing(side, upper, lower, Grip(rng.normal(0, 0.6), abs(rng.normal(0.2, 0.3))))


def _wave(actor: Actor, side: str, sign: int, rng: Generator) -> None:
    upper = actor.ahead([sign, rng.normal(-0.3, 0.3), 0.3])
    actor.swing(side, upper, actor.ahead([sign * rng.normal(0.2, 0.2), 1, 0.3]), Grip(rng.normal(0, 0.5), 0.1))


def _back(actor: Actor, side: str, sign: int, rng: Generator) -> None:
    size = actor.scale
    target = actor.point("waistback", 0.6 * size) + actor.ahead([sign * 0.3 * size, -0.3 * size, 0])
    actor.touch(side, target, [sign, -0.3, -0.6], Grip(rng.normal(0, 0.3), 0.5))


def _lap(actor: Actor, side: str, sign: int, rng: Generator) -> None:
    thigh, knee = actor.point("thigh" + side, 0.45 * actor.scale), actor.point("knee" + side, 0.4 * actor.scale)
    share = rng.uniform(0, 0.8)
    actor.touch(side, thigh * (1 - share) + knee * share, [sign * 0.8, -0.3, -0.7], Grip(rng.normal(0, 0.3), 0.35))


def _reach(actor: Actor, side: str, sign: int, rng: Generator) -> None:
    upper = actor.ahead([sign * rng.normal(0.15, 0.2), rng.normal(-0.5, 0.35), 1])
    lower = actor.ahead([-sign * abs(rng.normal(0.15, 0.2)), rng.normal(-0.05, 0.3), 1])
    actor.swing(side, upper, lower, Grip(rng.normal(0, 0.4), abs(rng.normal(0.4, 0.3))))


_GESTURES: dict[str, Callable[[Actor, str, int, Generator], None]] = {
    "hang": _hang,
    "shopping": _hang,
    "random": _random,
    "hip": _hip,
    "cross": _cross,
    "clasp": _clasp,
    "pocket": _pocket,
    "face": _face,
    "phone": _phone,
    "cup": _cup,
    "up": _up,
    "wave": _wave,
    "back": _back,
    "lap": _lap,
    "reach": _reach,
}
