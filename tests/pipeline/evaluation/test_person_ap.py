"""Persons found and missed, worked out by hand: pictures of one row in which each number is a person's pixel."""

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline import CIHP, Box, Parsing, Person, Size
from pipeline.evaluation.person_ap import UNKNOWN, PersonFigures, PersonMatches


def said(row: Sequence[int], *scores: float) -> Parsing:
    """A parsing whose k-th person has the k-th score."""
    instances = np.array([row], np.uint8)
    return Parsing(
        labels=(instances > 0).astype(np.uint8),
        instances=instances,
        people=tuple(Person(0, score, Box(0, 0, 1, 1)) for score in scores),
        label_set=CIHP,
        frame_index=0,
        pts_s=0.0,
        captured_s=0.0,
        frame_size=Size(*instances.shape),
        inferred_s=0.0,
        carried_from=0,
    )


def figures(*pictures: tuple[Sequence[int], Parsing]) -> PersonFigures:
    matches = PersonMatches()
    for truth, parsing in pictures:
        matches.add(np.array([truth], np.uint8), parsing)
    return matches.figures


def test_found_and_missed() -> None:
    # The first is found whole, and the second not: 1 of 4 pixels. The numbers themselves mean nothing.
    one = figures(([7, 7, 0, 9, 9, 9, 9], said([2, 2, 0, 1, 0, 0, 0], 0.6, 0.9)))
    assert one == PersonFigures(people=2, found=2, precision=1 / 2, recall=1 / 2, ap=1 / 2)


def test_half_an_overlap_is_enough_and_less_is_not() -> None:
    assert figures(([1, 1, 0], said([1, 0, 0], 0.9))).recall == 1.0  # 1 of 2
    assert figures(([1, 1, 1, 0], said([0, 1, 1, 1], 0.9))).recall == 1.0  # 2 of 4
    assert figures(([1, 1, 1, 0, 0], said([0, 1, 1, 1, 1], 0.9))).recall == 0.0  # 2 of 5


def test_one_person_is_found_once_and_by_the_surest() -> None:
    # Both overlap the person by a half or more. The surer one takes them, the better one is then wrong.
    twice = figures(([1, 1, 1, 1], said([1, 1, 2, 2], 0.5, 0.9)))
    assert twice == PersonFigures(people=1, found=2, precision=1 / 2, recall=1.0, ap=1.0)


def test_each_takes_whom_they_overlap_most() -> None:
    # Masks of one map overlap nobody twice by half but where two persons share just that.
    assert figures(([1, 1, 2, 2], said([1, 1, 1, 1], 0.9))).recall == 1 / 2
    both = figures(([1, 1, 2, 2, 2], said([2, 2, 1, 1, 1], 0.9, 0.8)))
    assert (both.precision, both.recall) == (1.0, 1.0)


def test_average_precision_of_hit_miss_hit() -> None:
    # Precision is 1, 1/2, 2/3: area 1/2 * 1 + 1/2 * 2/3.
    found = figures(([1, 0, 2], said([1, 2, 3], 0.9, 0.8, 0.7)))
    assert found.ap == pytest.approx(5 / 6)
    assert (found.precision, found.recall) == (2 / 3, 1.0)


def test_average_precision_is_interpolated() -> None:
    # Precision is 0, 1/2, 2/3: at the first hit's recall the best to come is 2/3.
    assert figures(([0, 1, 2], said([1, 2, 3], 0.9, 0.8, 0.7))).ap == pytest.approx(2 / 3)


def test_who_is_never_found_costs_average_precision() -> None:
    assert figures(([1, 2, 3, 4], said([1, 0, 0, 0], 0.9))).ap == pytest.approx(1 / 4)


def test_pictures_are_ranked_together() -> None:
    # A miss at .8 stands between hits of two pictures at .9 and .7.
    found = figures(([1, 0], said([2, 1], 0.8, 0.9)), ([1], said([1], 0.7)))
    assert found.ap == pytest.approx(5 / 6)
    # The order of the pictures does not matter.
    assert figures(([1], said([1], 0.7)), ([1, 0], said([2, 1], 0.8, 0.9))) == found


def test_unknown_pixels_are_in_no_overlap() -> None:
    # Of the known pixels the person has two and both are found.
    assert figures(([1, 1, UNKNOWN, UNKNOWN], said([1, 1, 1, 1], 0.9))).recall == 1.0
    assert figures(([1, 1, 0, 0, 0], said([1, 1, 1, 1, 1], 0.9))).recall == 0.0


def test_who_lies_mostly_where_nobody_knows_does_not_count() -> None:
    ignored = figures(([1, 0, 0, UNKNOWN, UNKNOWN], said([1, 0, 2, 2, 2], 0.5, 0.9)))
    assert ignored == PersonFigures(people=1, found=1, precision=1.0, recall=1.0, ap=1.0)
    # With a half of it known it is a mistake.
    counted = figures(([1, 0, 0, UNKNOWN, UNKNOWN], said([1, 2, 2, 2, 2], 0.5, 0.9)))
    assert (counted.found, counted.precision) == (2, 1 / 2)
    # Not so who is right.
    assert figures(([1, UNKNOWN, UNKNOWN], said([1, 1, 1], 0.9))).found == 1


def test_a_smaller_map_is_scaled_to_the_truth() -> None:
    assert figures(([1, 1, 1, 0, 0, 0, 2, 2, 2], said([1, 0, 2], 0.9, 0.9))).recall == 1.0
    # A larger one too: the middle of three columns is where the one is.
    assert figures(([1], said([0, 1, 0], 0.9))).recall == 1.0


def test_nobody_there_or_nobody_found() -> None:
    assert figures(([0, 0], said([1, 0], 0.9))) == PersonFigures(0, 1, 0.0, 0.0, 0.0)
    assert figures(([1, 1], said([0, 0]))) == PersonFigures(1, 0, 0.0, 0.0, 0.0)
    assert figures() == PersonFigures(0, 0, 0.0, 0.0, 0.0)


def test_who_is_too_small_for_the_truth_is_a_mistake() -> None:
    # The truth has every third pixel only: nothing is left of the second person.
    assert figures(([1, 0], said([1, 1, 1, 0, 0, 2], 0.9, 0.8))).found == 2
