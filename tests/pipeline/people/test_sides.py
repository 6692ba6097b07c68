"""Sides of legs and shoes, on scores known to the cell."""

import numpy as np
from numpy.typing import NDArray

from pipeline import CIHP
from pipeline.network.upsampling import highest
from pipeline.people.sides import pairs_of, settle_sides

LEFT, RIGHT, ARM, OTHER_ARM = (CIHP.id_of(name) for name in ("Left-shoe", "Right-shoe", "Left-arm", "Right-arm"))
PAIRS = pairs_of(CIHP)
ONE = np.ones((10, 20), np.uint8)
"""All cells are of one person."""


def shoes(*places: tuple[slice, slice, float], pair: tuple[int, int] = (LEFT, RIGHT)) -> NDArray[np.float32]:
    """Scores of background with limbs: rows, columns and how much likelier the right one is than the left."""
    scores = np.full((len(CIHP), 10, 20), -9.0, np.float32)
    scores[0] = 0.0
    for rows, columns, to_right in places:
        scores[pair[0], rows, columns] = 5.0 - to_right / 2
        scores[pair[1], rows, columns] = 5.0 + to_right / 2
    return scores


def sides(scores: NDArray[np.float32], owners: NDArray[np.uint8] = ONE) -> NDArray[np.uint8]:
    return highest(settle_sides(scores, owners, PAIRS))


def test_the_pairs_are_legs_and_shoes():
    names = [(CIHP.names[left], CIHP.names[right]) for left, right in PAIRS]
    assert names == [("Left-leg", "Right-leg"), ("Left-shoe", "Right-shoe")]


def test_half_of_a_boot_goes_with_the_other_half():
    seen = sides(shoes((np.s_[1:8], np.s_[2:5], -3.0), (np.s_[1:6], np.s_[12:15], 3.0), (np.s_[6:8], np.s_[12:15], -1)))
    assert (seen[1:8, 2:5] == LEFT).all()
    assert (seen[1:8, 12:15] == RIGHT).all()


def test_of_two_left_shoes_the_less_sure_one_is_the_right_one():
    seen = sides(shoes((np.s_[1:8], np.s_[2:5], -0.5), (np.s_[1:8], np.s_[12:15], -3.0)))
    assert (seen[1:8, 2:5] == RIGHT).all()
    assert (seen[1:8, 12:15] == LEFT).all()


def test_two_left_shoes_of_which_neither_is_surer_stay_so():
    scores = shoes((np.s_[1:8], np.s_[2:5], -2.5), (np.s_[1:8], np.s_[12:15], -3.0))
    assert settle_sides(scores, ONE, PAIRS) is scores


def test_shoes_that_touch_stay_as_they_are():
    scores = shoes((np.s_[1:8], np.s_[2:5], -3.0), (np.s_[1:8], np.s_[5:8], 3.0))
    assert settle_sides(scores, ONE, PAIRS) is scores


def test_a_speck_is_no_limb():
    scores = shoes((np.s_[1:8], np.s_[2:5], -3.0), (np.s_[8:9], np.s_[12:14], -1.0))
    assert settle_sides(scores, ONE, PAIRS) is scores


def test_the_shoes_of_two_people_do_not_decide_each_other():
    owners = ONE.copy()
    owners[:, 10:] = 2
    scores = shoes((np.s_[1:8], np.s_[2:5], -0.5), (np.s_[1:8], np.s_[12:15], -3.0))
    assert settle_sides(scores, owners, PAIRS) is scores


def test_nobodys_shoes_stay_as_they_are():
    scores = shoes((np.s_[1:8], np.s_[2:5], -0.5), (np.s_[1:8], np.s_[12:15], -3.0))
    assert settle_sides(scores, np.zeros_like(ONE), PAIRS) is scores


def test_arms_stay_as_they_are():
    places = (np.s_[1:8], np.s_[2:5], -0.5), (np.s_[1:8], np.s_[12:15], -3.0)
    scores = shoes(*places, pair=(ARM, OTHER_ARM))
    assert settle_sides(scores, ONE, PAIRS) is scores


def test_the_scores_given_are_not_changed():
    scores = shoes((np.s_[1:8], np.s_[2:5], -0.5), (np.s_[1:8], np.s_[12:15], -3.0))
    before = scores.copy()
    assert settle_sides(scores, ONE, PAIRS) is not scores
    np.testing.assert_array_equal(scores, before)
