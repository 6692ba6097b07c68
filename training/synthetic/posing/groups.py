"""Groups: who is where, who touches whom, and what they sit on."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.synthetic.assets import Assets
from training.synthetic.people.body import SIDES, Body
from training.synthetic.people.person import sample_person
from training.synthetic.posing.actor import Actor
from training.synthetic.posing.gestures import OTHER, embrace, gesture, gesture_at_random, hold_hands
from training.synthetic.posing.postures import LOW, SITTING, STANDING
from training.synthetic.rendering.camera import View
from training.synthetic.rendering.materials import Materials

CHILD_AGES, SMALL_CHILD_AGES = (0.06, 0.19), (0.03, 0.1)
_UPRIGHT = STANDING[:3]
_APART_DM, _PLACES_TRIED = 3.2, 20
"""Between people who do not know each other."""


@dataclass(frozen=True, slots=True)
class Block:
    """A box of furniture, dm."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass
class Stage:
    """A group that is being put together."""

    body: Body
    assets: Assets
    materials: Materials
    rng: Generator
    actors: list[Actor] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    view: View = field(default_factory=View)

    def enter(
        self, kinds: tuple[str, ...], yaw: float = 0.0, x: float = 0.0, z: float = 0.0,
        ages: tuple[float, float] | None = None,
    ) -> Actor:  # fmt: skip
        """Somebody in one of these postures; of any age, or of one in a range."""
        rng = self.rng
        age = None if ages is None else float(rng.uniform(*ages))
        person = sample_person(self.body, self.assets, self.materials, rng, age)
        actor = Actor(self.body, person, rng, str(rng.choice(kinds)), yaw, x, z)
        self.actors.append(actor)
        return actor

    def block(self, low: tuple[float, float, float], high: tuple[float, float, float]) -> None:
        self.blocks.append(Block(np.array(low, np.float64), np.array(high, np.float64)))

    def passer_by(self, chance: float, span: tuple[float, float], z: float) -> None:
        """By chance, somebody who stands behind."""
        if self.rng.random() < chance:
            gesture_at_random(self.enter(_UPRIGHT, self.rng.normal(0, 0.3), self.rng.uniform(*span), z))


def _single(stage: Stage) -> None:
    rng = stage.rng
    yaw = rng.normal(0, 0.8) if rng.random() < 0.8 else rng.uniform(-np.pi, np.pi)
    actor = stage.enter((*STANDING, *STANDING, *SITTING, *LOW, "run"), yaw)
    gesture_at_random(actor)
    if actor.legs in SITTING:
        half = rng.uniform(1.6, 2.4)
        stage.block((-half, 0 if rng.random() < 0.5 else actor.seat - 0.6, -half), (half, actor.seat, half))


def _low(stage: Stage) -> None:
    gesture_at_random(stage.enter(LOW, stage.rng.normal(0, 0.8)))


def _row(stage: Stage) -> None:
    """Side by side, many with an arm around who is beside them or hand in hand."""
    rng = stage.rng
    x, gap = 0.0, rng.uniform(3.0, 4.6)
    for _ in range(int(rng.integers(2, 6))):
        kinds = _UPRIGHT if rng.random() < 0.85 else LOW[:2]
        turned = rng.normal(0, 0.25) if rng.random() < 0.93 else np.pi
        actor = stage.enter(kinds, turned, x, rng.normal(0, 0.6))
        x += gap * float(np.clip(actor.scale, 0.65, 1.2)) * rng.uniform(0.85, 1.2)
    for actor in stage.actors:
        gesture_at_random(actor)
    close = rng.random() < 0.55
    for left, right in zip(stage.actors, stage.actors[1:]):
        if close or rng.random() < 0.25:
            _join(left, right)


def _join(first: Actor, second: Actor) -> None:
    """The second stands at the first's left: arms around each other, or hand in hand."""
    rng = first.rng
    facing = [abs(actor.yaw) < 1 and "box" not in actor.holding for actor in (first, second)]
    if all(facing) and rng.random() < 0.2:
        _let_go(first, "l")
        _let_go(second, "r")
        hold_hands(first, second, "l")
        return
    for actor, other, side, ready in ((first, second, "l", facing[0]), (second, first, "r", facing[1])):
        if ready and rng.random() < 0.75:
            _let_go(actor, side)
            embrace(actor, other, side)


def _let_go(actor: Actor, side: str) -> None:
    """An arm that does something else holds nothing."""
    actor.holding[:] = [what for what in actor.holding if what != "box" and not what.endswith(f" {side}")]


def _two_rows(stage: Stage) -> None:
    rng = stage.rng
    _row(stage)
    x = rng.uniform(-1, 2)
    for _ in range(int(rng.integers(1, 4))):
        child = rng.random() < 0.4
        kinds = LOW if not child or rng.random() < 0.4 else ("stand",)
        ages = (0.07, 0.19) if child else None
        gesture_at_random(stage.enter(kinds, rng.normal(0, 0.25), x, rng.uniform(2.6, 4.5), ages))
        x += rng.uniform(3.2, 5)


def _hug(stage: Stage) -> None:
    """Two face to face, or one who holds the other from behind."""
    rng = stage.rng
    first = stage.enter(STANDING[:2])
    if rng.random() < 0.6:
        second = stage.enter(STANDING[:2], np.pi + rng.normal(0, 0.15))
        ahead = max(first.point(name)[2] for name in ("belly", "chest"))
        behind = -min(second.point(name)[2] for name in ("belly", "chest"))
        second.move([rng.normal(0, 0.3), 0, (ahead + behind) * rng.uniform(0.9, 1.1) + 0.3])
        for side in SIDES:
            _hold(first, second, side, ("back", "loin"), OTHER[side])
            if rng.random() < 0.85:
                _hold(second, first, side, ("back", "loin", "shoulder"), OTHER[side])
        stage.view = View(yaw=rng.uniform(-1.6, 1.6))
    else:
        second = stage.enter(STANDING[:2], rng.normal(0, 0.1))
        second.move([rng.normal(0, 0.4), 0, rng.uniform(1.7, 2.2)])
        gesture_at_random(second)
        for side in SIDES:
            _hold(first, second, side, ("belly", "chest"), OTHER[side])
        stage.view = View(yaw=rng.normal(0, 0.6))
    if rng.random() < 0.3:
        aside = float(rng.choice([-1, 1])) * rng.uniform(3, 5)
        gesture_at_random(stage.enter(_UPRIGHT, rng.normal(0, 0.4), aside, rng.normal(0, 1)))


def _hold(actor: Actor, other: Actor, side: str, where: tuple[str, ...], whose: str) -> None:
    sign = 1 if side == "l" else -1
    target = other.point(str(actor.rng.choice(where)) + whose, 0.5 * other.scale)
    actor.touch(side, target, [sign, -0.4, -0.1], others=[other])


def _family(stage: Stage) -> None:
    """One or two adults and children, who are held by the hand, by the shoulders or carried."""
    rng = stage.rng
    x = 0.0
    adults = []
    for _ in range(int(rng.integers(1, 3))):
        adults.append(stage.enter(_UPRIGHT, rng.normal(0, 0.2), x, 0, (0.4, 0.75)))
        gesture_at_random(adults[-1])
        x += rng.uniform(3.3, 4.8)
    for number in range(int(rng.integers(1, 4))):
        adult = adults[int(rng.integers(len(adults)))]
        if number == 0 and rng.random() < 0.2:
            _carry(stage, adult)
            continue
        where = rng.random()
        ahead = rng.uniform(1.6, 3.2) if where < 0.6 else rng.normal(0, 0.4)
        aside = rng.normal(0, 1.3) if where < 0.6 else float(rng.choice([-1, 1])) * rng.uniform(2.4, 3.0)
        kinds = ("stand", "contrapposto", "walk")
        child = stage.enter(kinds, rng.normal(0, 0.3), adult.x + aside, adult.z + ahead, CHILD_AGES)
        gesture_at_random(child)
        if where >= 0.6:
            _take_by_hand(adult, child, "l" if aside > 0 else "r")
        elif rng.random() < 0.6:
            for side in SIDES if rng.random() < 0.5 else (str(rng.choice(SIDES)),):
                _let_go(adult, side)
                sign = 1 if side == "l" else -1
                target = child.point("shoulder" + side, 0.4 * child.scale)
                adult.touch(side, target, [sign, -0.6, -0.2], others=[child])


def _take_by_hand(adult: Actor, child: Actor, side: str) -> None:
    for actor, hand in ((adult, side), (child, OTHER[side])):
        _let_go(actor, hand)
    hold_hands(adult, child, side)


def _carried(stage: Stage) -> None:
    rng = stage.rng
    _carry(stage, stage.enter(_UPRIGHT, rng.normal(0, 0.5), ages=(0.4, 0.75)))
    if rng.random() < 0.4:
        gesture_at_random(stage.enter(_UPRIGHT, rng.normal(0, 0.4), rng.uniform(3, 5), rng.normal(0, 1)))


def _carry(stage: Stage, adult: Actor) -> None:
    """A small child on the arm, or a larger one on the back."""
    rng = stage.rng
    adult.holding.clear()
    if rng.random() < 0.3:
        child = stage.enter(("astride",), adult.yaw, ages=(0.08, 0.16))
        seat = adult.point("waistback") + adult.ahead([0, 0.2, -1.1 * child.scale])
        child.move(seat - child.pose.joint("pelvis"))
        for side, sign in (("l", 1), ("r", -1)):
            child.touch(side, adult.point("chest" + side, 0.3), [sign, -0.3, 0], others=[adult])
            adult.touch(side, child.point("thigh" + side, 0.3), [sign, -0.8, -0.5], others=[child], flat=False)
        return
    side = str(rng.choice(SIDES))
    sign = 1 if side == "l" else -1
    child = stage.enter(("sit", "astride"), adult.yaw - sign * rng.uniform(0.8, 1.6), ages=SMALL_CHILD_AGES)
    seat = adult.point("chest" + side, 0.3) + adult.ahead([sign * 0.6, -0.9, 0.7])
    child.move(seat - child.pose.joint("pelvis"))
    below = child.pose.joint("pelvis") + adult.ahead([-sign * 0.2, -0.6, 0.7])
    adult.touch(side, below, [sign, -0.5, -0.3], others=[child], flat=False)
    gesture(child, "random", SIDES)
    if rng.random() < 0.6:
        adult.touch(OTHER[side], child.point("back", 0.4), [-sign, -0.6, 0], others=[child])
    else:
        gesture(adult, "hang", (OTHER[side],))


def _sofa(stage: Stage) -> None:
    rng = stage.rng
    x = 0.0
    for _ in range(int(rng.integers(1, 5))):
        stage.enter(SITTING, rng.normal(0, 0.25), x)
        x += rng.uniform(3.4, 5.0)
    seat = _level_seats(stage)
    for actor in stage.actors:
        gesture_at_random(actor)
    for first, second in zip(stage.actors, stage.actors[1:]):
        if rng.random() < 0.35:
            _let_go(first, "l")
            embrace(first, second, "l")
        elif rng.random() < 0.25:
            _let_go(second, "r")
            embrace(second, first, "r")
    left, right = -3.2, x - 1.2
    if rng.random() < 0.75:
        stage.block((left, seat - 1.5 if rng.random() < 0.6 else 0, -2.6), (right, seat, 2.4))
        if rng.random() < 0.7:
            stage.block((left, 0, -3.6), (right, seat + rng.uniform(3, 6), -2.4))
        if rng.random() < 0.5:
            stage.block((left - 1.2, 0, -3), (left, seat + 2, 2.4))
            stage.block((right, 0, -3), (right + 1.2, seat + 2, 2.4))
    if rng.random() < 0.3:
        top = rng.uniform(2.5, 4)
        stage.block((left, top - 0.4, 6), (x, top, 9))
    stage.passer_by(0.3, (-1, max(0.0, x)), -5)


def _level_seats(stage: Stage) -> float:
    """Brings everybody to one seat's height, and gives it."""
    seat = float(np.mean([actor.seat for actor in stage.actors]))
    for actor in stage.actors:
        actor.move([0, seat - actor.seat, 0])
    return seat


def _table(stage: Stage) -> None:
    """Behind a table, hands on it or under it, things on it."""
    rng = stage.rng
    x = 0.0
    for _ in range(int(rng.integers(1, 5))):
        stage.enter(("sit",), rng.normal(0, 0.35), x)
        x += rng.uniform(4.0, 6.0)
    seat = _level_seats(stage)
    top = seat + rng.uniform(2.2, 3.0)
    for actor in stage.actors:
        gesture_at_random(actor)
        for side, sign in (("l", 1), ("r", -1)):
            if rng.random() < 0.65 and "box" not in actor.holding:
                _let_go(actor, side)
                on_table = [actor.x + sign * rng.uniform(0.2, 2.0), top + 0.35, rng.uniform(2.6, 4.5)]
                actor.touch(side, np.array(on_table), [sign, -0.6, -0.4], flat=False)
        stage.block((actor.x - 2, 0, -2.2), (actor.x + 2, seat, 1.8))
        if rng.random() < 0.5:
            stage.block((actor.x - 1.8, seat, -2.6), (actor.x + 1.8, seat + rng.uniform(3, 6.5), -2.1))
    stage.block((-4, top - 0.35, 2.2), (x, top, rng.uniform(7, 11)))
    if rng.random() < 0.4:
        stage.block((-4, 0, 2.6), (x, top - 0.3, 2.9))
    for _ in range(int(rng.integers(0, 4))):
        at, z, half = rng.uniform(-3, max(-2.9, x)), rng.uniform(4, 7), rng.uniform(0.3, 1.6)
        stage.block((at - half, top, z - 0.3), (at + half, top + rng.uniform(0.3, 2.4), z + 0.3))
    stage.passer_by(0.3, (-2, max(0.0, x)), -4.5)
    stage.view = View(pitch=rng.uniform(-0.1, 0.35))


def _street(stage: Stage) -> None:
    """Scattered, each with a way of their own; from above in half the cases."""
    rng = stage.rng
    half = rng.uniform(4, 11)
    for _ in range(int(rng.integers(3, 7))):
        kinds = ("walk", "walk", "stand", "contrapposto", "run" if rng.random() < 0.3 else "walk")
        x, z = _free_place(stage, half)
        gesture_at_random(stage.enter(kinds, rng.uniform(-np.pi, np.pi), x, z))
    stage.view = View(pitch=rng.uniform(0.5, 1.2) if rng.random() < 0.5 else rng.uniform(0, 0.3))


def _free_place(stage: Stage, half_dm: float) -> tuple[float, float]:
    """Somewhere in a square where nobody stands, if one of some tries finds such a place."""
    for _ in range(_PLACES_TRIED):
        x, z = map(float, stage.rng.uniform(-half_dm, half_dm, 2))
        if all(np.hypot(actor.x - x, actor.z - z) > _APART_DM for actor in stage.actors):
            break
    return x, z


def _webcam(stage: Stage) -> None:
    """Heads and shoulders before a desk."""
    rng = stage.rng
    x = 0.0
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        actor = stage.enter(("sit",), rng.normal(0, 0.3), x, rng.normal(0, 0.5))
        x += rng.uniform(3.2, 4.6)
        gesture_at_random(actor)
        if rng.random() < 0.4 and not actor.holding:
            gesture(actor, str(rng.choice(["face", "wave", "phone"])), (str(rng.choice(SIDES)),))
    stage.view = View(close=True)
    if rng.random() < 0.4:
        top = stage.actors[0].seat + 2.5
        stage.block((-5, top - 0.3, 2.4), (x + 5, top, 8))


GROUPS: dict[str, tuple[float, Callable[[Stage], None]]] = {
    "single": (0.13, _single),
    "low": (0.03, _low),
    "row": (0.19, _row),
    "two_rows": (0.09, _two_rows),
    "hug": (0.10, _hug),
    "family": (0.11, _family),
    "carried": (0.05, _carried),
    "sofa": (0.10, _sofa),
    "table": (0.07, _table),
    "street": (0.07, _street),
    "webcam": (0.06, _webcam),
}
"""How often each kind of group is drawn, and what puts it together."""


def sample_group(body: Body, assets: Assets, materials: Materials, rng: Generator, kind: str = "") -> Stage:
    """A group of a kind, or of any."""
    weights = np.array([chance for chance, _ in GROUPS.values()])
    kind = kind or str(rng.choice(list(GROUPS), p=weights / weights.sum()))
    stage = Stage(body, assets, materials, rng)
    GROUPS[kind][1](stage)
    return stage
