"""How much of whom is seen, in pictures of a few rectangles."""

import numpy as np
import pytest

from pipeline.evaluation.seen import SeenFigures, SeenPeople


def test_people_are_grouped_by_their_height_and_specks_left_out() -> None:
    truth = np.zeros((100, 60), np.uint8)
    truth[0:70, 0:10] = 1  # .7 of the height
    truth[0:20, 20:40] = 2  # .2
    truth[80:100, 20:40] = 3  # .2, too
    truth[0:10, 50:60] = 4  # 100 pixels
    truth[50:60, 40:60] = 255
    labels = np.zeros((50, 30), np.uint8)  # half as large
    labels[0:35, 0:4] = 5  # four fifths of the tall one's columns, all rows
    labels[0:10, 10:20] = 5  # all of the second, nothing of the third
    seen = SeenPeople()
    seen.add(truth, labels)
    small, tall = seen.figures
    assert small == SeenFigures(0.15, 2, pytest.approx(0.5), 0.5)
    assert tall == SeenFigures(0.6, 1, pytest.approx(0.8), 0.0)


def test_nobody_known_is_no_group() -> None:
    seen = SeenPeople()
    seen.add(np.full((20, 20), 255, np.uint8), np.zeros((20, 20), np.uint8))
    assert seen.figures == ()
