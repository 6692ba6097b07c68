"""Bodies, clothes and poses of a made-up mannequin: whose side is whose, and that hands stay out of bodies."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import CIHP
from tests.support.mannequin import write_assets
from training.pack import ALLOWED, BAG, SOMEBODY
from training.synthetic.assets import Assets
from training.synthetic.people.body import Body
from training.synthetic.people.clothes import between_field, top_field
from training.synthetic.people.person import sample_person
from training.synthetic.posing.actor import Actor
from training.synthetic.posing.gestures import gesture, gesture_at_random, hold_hands
from training.synthetic.posing.groups import GROUPS, sample_group
from training.synthetic.posing.postures import LOW, SITTING, STANDING
from training.synthetic.posing.props import props_of
from training.synthetic.rendering.materials import Materials

LEFT = {CIHP.id_of(name) for name in ("Left-arm", "Left-leg", "Left-shoe")}
RIGHT = {CIHP.id_of(name) for name in ("Right-arm", "Right-leg", "Right-shoe")}


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Assets:
    return Assets(write_assets(tmp_path_factory.mktemp("people") / "assets"))


@pytest.fixture(scope="module")
def body(assets: Assets) -> Body:
    return Body(assets.base)


def somebody(body: Body, assets: Assets, legs: str = "stand", yaw: float = 0.0, seed: int = 0, x: float = 0.0) -> Actor:
    rng = np.random.default_rng(seed)
    return Actor(body, sample_person(body, assets, Materials(0), rng, 0.5), rng, legs, yaw, x)


def places(actor: Actor, classes: set[int]) -> NDArray[np.float64]:
    """Middles of the triangles of these classes, in the world."""
    found = [
        points[surface.triangles[np.isin(surface.labels, list(classes))]].mean(axis=1)
        for surface, points in actor.surfaces()
    ]
    return np.concatenate(found).astype(np.float64)


def test_sides_are_the_bodys_own(body: Body, assets: Assets) -> None:
    """Who looks along z has their left where x is positive; who is turned round has it on the other side."""
    for yaw, sign in ((0.0, 1), (np.pi, -1)):
        for seed in range(4):
            actor = somebody(body, assets, yaw=yaw, seed=seed)
            assert places(actor, LEFT)[:, 0].mean() * sign > 0.5
            assert places(actor, RIGHT)[:, 0].mean() * sign < -0.5


def test_every_label_is_a_class_or_a_code_of_packs(body: Body, assets: Assets) -> None:
    rng = np.random.default_rng(3)
    seen: set[int] = set()
    for _ in range(25):
        person = sample_person(body, assets, Materials(0), rng)
        for surface in person.surfaces:
            assert len(surface.labels) == len(surface.triangles)
            seen |= set(surface.labels.tolist())
    assert all(ALLOWED[label].any() for label in seen)
    assert {CIHP.id_of(name) for name in ("Face", "Hair", "UpperClothes", "Pants", "Coat", "Hat", "Sunglasses")} <= seen
    assert {BAG, SOMEBODY} <= seen


def test_a_bald_scalp_is_not_face(body: Body) -> None:
    top = body.landmarks["head"]
    assert body.labels[top] == SOMEBODY
    assert CIHP.id_of("Face") in body.labels


def test_a_garment_ends_at_its_hem_and_its_sleeve(body: Body) -> None:
    field = top_field(body, sleeve=0.5, hem=1.0)
    trunk = body.is_tights & (body.arms < 0.1)
    assert (field[trunk & (body.y < 1.0)] < 0).all()
    assert (field[trunk & (body.y > 1.3) & (body.y < 4)] > 0).all()
    assert (field[body.is_tights & (body.arms > 0.9) & (body.along_arm > 0.6)] < 0).all()
    legs = between_field(body, 1.0, -5.0)
    assert (legs[body.is_tights & (body.arms < 0.1) & (body.y > 1.1)] < 0).all()


@pytest.mark.parametrize("legs", sorted({*STANDING, *SITTING, *LOW, "run", "astride"}))
def test_nobody_floats_or_sinks(body: Body, assets: Assets, legs: str) -> None:
    actor = somebody(body, assets, legs)
    bones = [f"{bone}_{side}" for bone in ("thigh", "calf", "foot", "ball") for side in "lr"]
    lowest = min(float(actor.pose.joint(bone)[1]) for bone in bones)
    assert 0 < lowest < 1.2  # dm: a joint is inside of a foot, a knee or a seat
    assert abs(actor.x) < 1e-6


@pytest.mark.parametrize("kind", ["lap", "clasp", "cross", "hip", "back"])
def test_hands_lie_on_the_body_and_not_in_it(body: Body, assets: Assets, kind: str) -> None:
    deepest = []
    for seed in range(2):
        actor = somebody(body, assets, "sit" if kind == "lap" else "stand", seed=seed)
        gesture(actor, kind, ("l", "r"))
        for side in "lr":
            index = body.hand_probes[side]
            hand = actor.pose.apply(actor.person.build.vertices[index], body.binding.rows(index))
            deepest.append(float(actor.obstacle.depth(hand)[0].max()))
    assert np.mean(deepest) < 0.1  # dm


def test_hands_that_are_held_meet(body: Body, assets: Assets) -> None:
    first, second = somebody(body, assets), somebody(body, assets, seed=1, x=3.6)
    hold_hands(first, second, "l")
    assert np.linalg.norm(first.pose.joint("hand_l") - second.pose.joint("hand_r")) < 2.0


def test_a_phone_is_in_the_hand_that_holds_it(body: Body, assets: Assets) -> None:
    actor = somebody(body, assets)
    gesture(actor, "phone", ("r",))
    (phone,) = props_of(actor, Materials(0))
    assert np.linalg.norm(phone.shape.vertices.mean(axis=0) - actor.pose.joint("hand_r")) < 1.5


def test_what_both_hands_carry_is_between_them(body: Body, assets: Assets) -> None:
    actor = somebody(body, assets)
    gesture(actor, "carry", ("l", "r"))
    (thing,) = props_of(actor, Materials(0))
    middle = thing.shape.vertices.mean(axis=0)
    hands = [actor.pose.joint(f"hand_{side}") for side in "lr"]
    assert hands[0][0] > middle[0] > hands[1][0]
    assert middle[2] > 0


def test_the_same_seed_gives_the_same_people(body: Body, assets: Assets) -> None:
    def points(seed: int) -> NDArray[np.float64]:
        actor = somebody(body, assets, seed=seed)
        gesture_at_random(actor)
        return np.concatenate([points for _, points in actor.surfaces()])

    assert np.array_equal(points(5), points(5))
    assert not np.array_equal(points(5)[:50], points(6)[:50])


@pytest.mark.parametrize("kind", GROUPS)
def test_a_group_is_put_together(body: Body, assets: Assets, kind: str) -> None:
    stage = sample_group(body, assets, Materials(0), np.random.default_rng(2), kind)
    assert stage.actors
    assert all(np.isfinite(actor.pose.joints).all() for actor in stage.actors)


def test_whoever_sits_alone_sits_on_something(body: Body, assets: Assets) -> None:
    stages = [sample_group(body, assets, Materials(0), np.random.default_rng(seed), "single") for seed in range(12)]
    seated = [stage for stage in stages if stage.actors[0].legs in SITTING]
    assert seated
    for stage in seated:
        (seat,) = stage.blocks
        assert seat.high[1] == pytest.approx(stage.actors[0].seat)


def test_strangers_do_not_stand_in_each_other(body: Body, assets: Assets) -> None:
    actors = sample_group(body, assets, Materials(0), np.random.default_rng(1), "street").actors
    apart = [np.hypot(a.x - b.x, a.z - b.z) for a, b in combinations(actors, 2)]
    assert len(actors) > 2
    assert min(apart) > 3


def test_who_is_carried_is_off_the_ground(body: Body, assets: Assets) -> None:
    stage = sample_group(body, assets, Materials(0), np.random.default_rng(4), "carried")
    child = stage.actors[1]
    assert min(child.pose.joint(f"foot_{side}")[1] for side in "lr") > 1.0
