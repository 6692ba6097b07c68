"""Limbs and shoes are given to the side that a pose says, on people made of boxes."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import CIHP
from pipeline.types import LabelMap, Picture
from training.pack import make_photo
from training.sides import settle_sides_by_pose, sides_of_person
from training.teachers import blazepose as points
from training.teachers.blazepose import Pose

LEFT_ARM, RIGHT_ARM, LEFT_LEG, RIGHT_LEG = (
    CIHP.id_of(name) for name in ("Left-arm", "Right-arm", "Left-leg", "Right-leg")
)
ARM, LEG = 247, 248
HEIGHT, WIDTH = 200, 160
ON_THE_RIGHT, ON_THE_LEFT = slice(100, 112), slice(48, 60)


def pose(facing: bool = True, knees_apart: float = 60, certainty: float = 1.0) -> Pose:
    """Of somebody upright; the left limbs of who faces the camera are on the picture's right."""
    found = np.zeros((33, 2))
    sign = 1 if facing else -1
    for side, towards in ((0, sign), (1, -sign)):
        for point, away, row in (
            (points.LEFT_SHOULDER, 24, 50),
            (points.LEFT_ELBOW, 27, 75),
            (points.LEFT_WRIST, 27, 100),
            (points.LEFT_INDEX, 27, 108),
            (points.LEFT_HIP, 12, 105),
            (points.LEFT_KNEE, knees_apart / 2, 140),
            (points.LEFT_ANKLE, knees_apart / 2, 180),
            (points.LEFT_HEEL, knees_apart / 2, 184),
            (points.LEFT_TOE, knees_apart / 2, 190),
        ):
            found[point + side] = (80 + towards * away, row)
    return Pose(found, certainty)


def labels(on_the_right: int, on_the_left: int, rows: tuple[int, int] = (60, 108)) -> LabelMap:
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    drawn[rows[0] : rows[1], ON_THE_RIGHT] = on_the_right
    drawn[rows[0] : rows[1], ON_THE_LEFT] = on_the_left
    return drawn


def settled(drawn: LabelMap, seen: Pose) -> tuple[set[int], set[int]]:
    """Labels on the picture's right and on its left."""
    after = sides_of_person(drawn, drawn > 0, seen)
    assert ((after > 0) == (drawn > 0)).all()
    return tuple(set(np.unique(after[:, columns])) - {0} for columns in (ON_THE_RIGHT, ON_THE_LEFT))  # type: ignore[return-value]


@pytest.mark.parametrize("facing", [True, False])
@pytest.mark.parametrize("first", [(LEFT_ARM, RIGHT_ARM), (RIGHT_ARM, LEFT_ARM), (ARM, ARM)])
def test_arms_that_are_apart_are_as_the_pose_says(first: tuple[int, int], facing: bool) -> None:
    right, left = settled(labels(*first), pose(facing))
    assert (right, left) == (({LEFT_ARM}, {RIGHT_ARM}) if facing else ({RIGHT_ARM}, {LEFT_ARM}))


def test_an_arm_that_was_given_to_both_sides_is_left_open_where_they_differ() -> None:
    drawn = labels(LEFT_ARM, RIGHT_ARM)
    drawn[60:80, ON_THE_RIGHT] = RIGHT_ARM
    after = sides_of_person(drawn, drawn > 0, pose())
    assert set(np.unique(after[60:80, ON_THE_RIGHT])) == {ARM}
    assert set(np.unique(after[80:108, ON_THE_RIGHT])) == {LEFT_ARM}


@pytest.mark.parametrize(("first", "after"), [((LEFT_LEG, RIGHT_LEG), (LEFT_LEG, RIGHT_LEG)), ((LEG, LEG), (LEG, LEG))])
def test_legs_that_hide_each_other_stay_as_they_were(first: tuple[int, int], after: tuple[int, int]) -> None:
    drawn = labels(*first, rows=(150, 180))
    right, left = settled(drawn, pose(knees_apart=0))
    assert (right, left) == ({after[0]}, {after[1]})


def test_what_is_no_limb_is_not_touched() -> None:
    pants = CIHP.id_of("Pants")
    assert settled(labels(pants, pants), pose()) == ({pants}, {pants})


@pytest.mark.parametrize(("certainty", "changes"), [(0.95, True), (0.5, False)])
def test_a_pose_of_nobody_decides_nothing(certainty: float, changes: bool) -> None:
    drawn = labels(RIGHT_ARM, LEFT_ARM)
    drawn[40:110, 60:100] = CIHP.id_of("UpperClothes")
    photo = make_photo("a/b", np.zeros((HEIGHT, WIDTH, 3), np.uint8), drawn, annotated=True)
    after = settle_sides_by_pose(photo, lambda bgr, box: pose(certainty=certainty))
    assert bool((after.labels != photo.labels).any()) == changes
    rendered = replace(photo, name="synthetic/1")
    assert settle_sides_by_pose(rendered, lambda bgr, box: pose(certainty=certainty)) is rendered


def test_somebody_small_is_not_asked_for() -> None:
    drawn: NDArray[np.uint8] = np.zeros((HEIGHT, WIDTH), np.uint8)
    drawn[20:60, ON_THE_RIGHT] = LEFT_ARM
    photo = make_photo("a/b", np.zeros((HEIGHT, WIDTH, 3), np.uint8), drawn, annotated=True)

    def find(bgr: Picture, box: tuple[int, int, int, int]) -> Pose:
        raise AssertionError(box)

    assert settle_sides_by_pose(photo, find).labels.tolist() == drawn.tolist()
