"""Postures of the trunk and the legs: standing, walking, sitting, kneeling and others, each a little different."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from numpy.random import Generator


@dataclass(frozen=True, slots=True)
class Leg:
    """Angles in radians."""

    flex: float
    """Of the hip, forwards."""
    spread: float
    knee: float
    turn: float = 0.0
    """Of the foot, outwards."""
    heel: float = 0.0
    """How far the heel is lifted."""
    flat: bool = True
    """Whether the foot stands on the ground."""


@dataclass(frozen=True, slots=True)
class Posture:
    legs: tuple[Leg, Leg]
    tilt: float = 0.0
    """Of the pelvis, forwards."""
    side: float = 0.0
    bend: float = 0.0
    """Of the spine, forwards."""


STANDING = ("stand", "contrapposto", "contrapposto", "walk", "wide")
"""Postures by how often they are drawn."""
SITTING = ("sit", "sit", "cross-legged")
LOW = ("squat", "kneel on one", "kneel", "floor", "tailor")
SEATED = frozenset((*SITTING, *LOW))


def sample_posture(kind: str, rng: Generator) -> Posture:
    """A posture of a kind; which leg is which is drawn."""
    posture = _KINDS[kind](rng)
    first, second = (replace(leg, turn=leg.turn or abs(rng.normal(0.1, 0.1))) for leg in posture.legs)
    legs = (first, second) if rng.random() < 0.5 else (second, first)
    return replace(posture, legs=legs, bend=posture.bend + rng.normal(0.02, 0.09))


def _stand(rng: Generator) -> Posture:
    def leg() -> Leg:
        return Leg(abs(rng.normal(0, 0.08)), abs(rng.normal(0.03, 0.07)), abs(rng.normal(0, 0.1)))

    return Posture((leg(), leg()), rng.normal(0, 0.04), rng.normal(0, 0.05))


def _contrapposto(rng: Generator) -> Posture:
    free = Leg(0.25 + rng.normal(0, 0.15), 0.1, 0.35 + abs(rng.normal(0, 0.2)))
    return Posture((Leg(rng.normal(0, 0.06), 0.02, 0.03), free), rng.normal(0, 0.04), rng.normal(0, 0.1))


def _walk(rng: Generator) -> Posture:
    step = rng.uniform(0.15, 0.6)
    front = Leg(step, 0, abs(rng.normal(0.1, 0.1)))
    rear = Leg(-step * 0.8, 0, abs(rng.normal(0.35, 0.25)), heel=0.1, flat=False)
    return Posture((front, rear), rng.normal(0.05, 0.05), rng.normal(0, 0.04), 0.05)


def _run(rng: Generator) -> Posture:
    front = Leg(rng.uniform(0.8, 1.4), 0, rng.uniform(0.8, 1.6), heel=0.1, flat=False)
    rear = Leg(-rng.uniform(0.2, 0.6), 0, rng.uniform(0.2, 1.3), heel=0.1, flat=False)
    return Posture((front, rear), 0.25, 0, 0.1)


def _sit(rng: Generator) -> Posture:
    def leg() -> Leg:
        return Leg(rng.uniform(1.25, 1.6), rng.uniform(0, 0.35), rng.uniform(1.0, 1.85))

    return Posture((leg(), leg()), rng.normal(-0.08, 0.12), rng.normal(0, 0.04))


def _cross_legged(rng: Generator) -> Posture:
    over, under = Leg(1.75, -0.12, 1.5, heel=0.1, flat=False), Leg(1.45, 0, 1.45, heel=0.1, flat=False)
    return Posture((over, under), rng.normal(-0.12, 0.08))


def _floor(rng: Generator) -> Posture:
    def leg() -> Leg:
        flex = rng.uniform(1.2, 2.3)
        return Leg(flex, rng.uniform(0, 0.3), max(0.05, (flex - 1.3) * 1.9))

    return Posture((leg(), leg()), rng.normal(-0.25, 0.12), 0, 0.15)


def _tailor(rng: Generator) -> Posture:
    first = Leg(1.5, 0.85, 2.3, turn=0.35, heel=0.1, flat=False)
    second = Leg(1.4, 0.8, 2.35, turn=0.35, heel=0.1, flat=False)
    return Posture((first, second), rng.normal(-0.1, 0.1))


def _squat(rng: Generator) -> Posture:
    flex, heel = rng.uniform(1.9, 2.3), 0.5 if rng.random() < 0.6 else 0.0

    def leg(more: float) -> Leg:
        return Leg(flex + more, rng.uniform(0.1, 0.5), rng.uniform(2.0, 2.4), heel=heel)

    return Posture((leg(0), leg(rng.normal(0, 0.1))), rng.normal(0.45, 0.12), 0, 0.35)


def _kneel_on_one(rng: Generator) -> Posture:
    return Posture((Leg(1.5, 0.1, 1.55), Leg(-0.05, 0.05, 1.6, heel=0.6, flat=False)), rng.normal(0.05, 0.06))


def _kneel(rng: Generator) -> Posture:
    flex = float(rng.choice([0.05, 0.9]))

    def leg(spread: float) -> Leg:
        return Leg(flex, spread, 1.5 + flex * 0.8, heel=0.9, flat=False)

    return Posture((leg(0.1), leg(0.12)), rng.normal(0.05, 0.1))


def _wide(rng: Generator) -> Posture:
    def leg() -> Leg:
        return Leg(rng.normal(0.1, 0.1), rng.uniform(0.2, 0.5), abs(rng.normal(0.15, 0.15)))

    return Posture((leg(), leg()), rng.normal(0.05, 0.06), rng.normal(0, 0.1))


def _astride(rng: Generator) -> Posture:
    """As a child sits on somebody's hip or back."""

    def leg() -> Leg:
        return Leg(rng.uniform(1.1, 1.4), rng.uniform(0.5, 0.75), rng.uniform(0.9, 1.5), heel=0.1, flat=False)

    return Posture((leg(), leg()), rng.normal(0.05, 0.06))


_KINDS: dict[str, Callable[[Generator], Posture]] = {
    "stand": _stand,
    "contrapposto": _contrapposto,
    "walk": _walk,
    "run": _run,
    "sit": _sit,
    "cross-legged": _cross_legged,
    "floor": _floor,
    "tailor": _tailor,
    "squat": _squat,
    "kneel on one": _kneel_on_one,
    "kneel": _kneel,
    "wide": _wide,
    "astride": _astride,
}
