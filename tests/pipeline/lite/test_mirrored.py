"""One answer of those to a picture and to its mirror image."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import CIHP, Size
from pipeline.lite.decode import decode
from pipeline.lite.mirrored import BACKGROUND, CENTRES, both_ways
from pipeline.network.letterbox import Letterbox
from pipeline.network.runtime import Answer

ROWS, COLUMNS = 24, 40
FIT = Letterbox.into(Size(4 * ROWS, 4 * COLUMNS), Size(4 * ROWS, 4 * COLUMNS))
COAT, LEFT, RIGHT = (CIHP.id_of(name) for name in ("Coat", "Left-leg", "Right-leg"))


@pytest.fixture
def answer() -> Answer:
    rng = np.random.default_rng(4)
    scores = rng.normal(0, 4, (len(CIHP), ROWS, COLUMNS)).astype(np.float32)
    people = rng.normal(0, 4, (3, ROWS, COLUMNS)).astype(np.float32)
    return Answer((scores, people), 0.25)


def mirror_image(answer: Answer) -> Answer:
    """What a network that does not care which way round a picture is answers to the mirror image."""
    scores, people = answer.outputs
    turned = people[..., ::-1] * np.array([1, 1, -1], np.float32)[:, None, None]
    return Answer((scores[CIHP.mirrored, :, ::-1], turned), answer.seconds)


def standing(rows: slice, columns: slice, label: int = COAT) -> Answer:
    """Somebody plain to see, and nobody else."""
    scores = np.full((len(CIHP), ROWS, COLUMNS), -6, np.float32)
    scores[0] = 0
    scores[label, rows, columns] = 6
    people = np.zeros((3, ROWS, COLUMNS), np.float32)
    people[0] = -9
    middle = (rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2
    people[0][middle] = 3
    there = np.mgrid[rows, columns]
    for plane in (0, 1):
        people[1 + plane][rows, columns] = (middle[plane] - there[plane]) / 8
    return Answer((scores, people), 0.25)


def people_in(answer: Answer) -> int:
    return len(decode(answer.outputs[0], answer.outputs[1], FIT).people)


def test_two_answers_that_agree_are_that_answer(answer: Answer) -> None:
    scores, people = both_ways(answer, mirror_image(answer)).outputs
    np.testing.assert_allclose(scores[1:], answer.outputs[0][1:], atol=1e-5)
    np.testing.assert_allclose(scores[0], answer.outputs[0][0] + BACKGROUND, atol=1e-5)
    np.testing.assert_allclose(people[0], answer.outputs[1][0] + CENTRES, atol=1e-5)
    np.testing.assert_array_equal(people[1:], answer.outputs[1][1:])


def test_the_time_is_that_of_both_and_the_answers_stay_as_they_were(answer: Answer) -> None:
    mirrored = mirror_image(answer)
    before = [each.copy() for each in (*answer.outputs, *mirrored.outputs)]
    assert both_ways(answer, mirrored).seconds == 0.5
    for now, then in zip((*answer.outputs, *mirrored.outputs), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_who_is_seen_both_ways_is_somebody_and_who_is_seen_one_way_alone_is_not() -> None:
    somebody, nobody = standing(slice(4, 20), slice(8, 16)), standing(slice(0, 0), slice(0, 0))
    assert people_in(both_ways(somebody, mirror_image(somebody))) == 1
    assert people_in(somebody) == 1
    for answers in ((somebody, mirror_image(nobody)), (nobody, mirror_image(somebody))):
        answers[0].outputs[0][0] += 1  # background, by a little more than either is in doubt about
        assert people_in(both_ways(*answers)) == 0
        answers[0].outputs[0][0] -= 1


def test_sides_are_those_of_the_picture_and_how_much_of_a_limb_is_there_is_the_mean_of_both() -> None:
    first, other = (standing(slice(4, 20), slice(8, 16), label) for label in (LEFT, RIGHT))
    mean = both_ways(first, mirror_image(other)).outputs[0]
    np.testing.assert_allclose(_odds(mean), _odds(first.outputs[0]), atol=1e-5)
    inside = np.s_[4:20, 8:16]
    either = np.logaddexp(mean[LEFT], mean[RIGHT])
    np.testing.assert_allclose(either[inside], np.log(2), atol=1e-4)  # -6 and 6 of both sides, either way: mean 0 each


def _odds(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    return scores[LEFT] - scores[RIGHT]
