"""By which colours somebody is known again."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import CIHP, LIP, Size
from pipeline.network.letterbox import Letterbox
from pipeline.people.appearance import BINS, appearances, likeness

SIZE = Size(64, 64)
FIT = Letterbox.into(SIZE, SIZE)
SHIRT, PANTS = CIHP.id_of("UpperClothes"), CIHP.id_of("Pants")
RED, BLUE, BLACK, WHITE, GREY = (40, 40, 200), (200, 60, 40), (15, 15, 15), (240, 240, 240), (128, 128, 128)
Colour = tuple[int, int, int]


def looks(upper: Colour, lower: Colour, tall: int = 40, brighter: int = 0) -> NDArray[np.float32]:
    """Of somebody in a shirt of one colour and trousers of another."""
    bgr = np.full((*SIZE, 3), GREY, np.uint8)
    labels = np.zeros(SIZE, np.uint8)
    half = tall // 2
    for rows, colour, label in ((slice(0, half), upper, SHIRT), (slice(half, tall), lower, PANTS)):
        bgr[rows, 8:28] = np.clip(np.array(colour) + brighter, 0, 255)
        labels[rows, 8:28] = label
    (found,) = appearances(bgr, labels, (labels > 0).astype(np.uint8), 1, CIHP, FIT)
    return np.asarray(found, np.float32)


def test_the_same_clothes_are_alike_whatever_the_size() -> None:
    assert likeness(looks(RED, BLUE), looks(RED, BLUE)) == pytest.approx(1)
    assert likeness(looks(RED, BLUE), looks(RED, BLUE, tall=20)) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("brighter", [-12, 12])
def test_a_little_more_or_less_light_makes_nobody_another(brighter: int) -> None:
    for upper, lower in ((RED, BLUE), (GREY, BLACK), (WHITE, GREY)):
        assert likeness(looks(upper, lower), looks(upper, lower, brighter=brighter)) > 0.85


@pytest.mark.parametrize(("upper", "lower"), [(BLUE, RED), (WHITE, BLACK), (RED, WHITE), (BLACK, BLUE)])
def test_other_clothes_are_less_alike(upper: Colour, lower: Colour) -> None:
    assert likeness(looks(RED, BLUE), looks(upper, lower)) < 0.6


def test_which_half_has_the_colour_counts() -> None:
    assert likeness(looks(WHITE, BLACK), looks(BLACK, WHITE)) < 0.1


def test_the_hue_of_what_is_nearly_grey_says_nothing() -> None:
    assert likeness(looks((120, 128, 136), (30, 20, 25)), looks((136, 128, 120), (25, 20, 30))) > 0.95


def test_each_person_has_looks_of_their_own_and_those_without_a_pixel_none() -> None:
    bgr = np.full((*SIZE, 3), RED, np.uint8)
    bgr[:, 32:] = BLUE
    labels = np.full(SIZE, SHIRT, np.uint8)
    instances = np.ones(SIZE, np.uint8)
    instances[:, 32:] = 3
    one, nobody, other = appearances(bgr, labels, instances, 3, CIHP, FIT)
    assert np.linalg.norm(one) == pytest.approx(1)
    assert not nobody.any()
    assert likeness(one, other) == pytest.approx(0, abs=1e-6)
    assert appearances(bgr, labels * 0, instances * 0, 0, CIHP, FIT).shape == (0, BINS)


@pytest.mark.parametrize("at", [(0, 0), (1, 1), (30, 60), (31, 62)], ids=str)
def test_the_colour_and_the_class_of_a_place_go_together(at: tuple[int, int]) -> None:
    fit = Letterbox.into(Size(33, 63), Size(33, 63))  # odd sides, of which no step ends at the edge
    there = np.s_[at[0] : at[0] + 2, at[1] : at[1] + 2]
    bgr = np.full((*fit.input_size, 3), BLACK, np.uint8)
    labels = np.full(fit.input_size, LIP.id_of("Face"), np.uint8)
    instances = np.zeros(fit.input_size, np.uint8)
    bgr[there], labels[there], instances[there] = RED, LIP.id_of("Dress"), 1
    (found,) = appearances(bgr, labels, instances, 1, LIP, fit)
    dress = np.full(SIZE, LIP.id_of("Dress"), np.uint8)
    (red,) = appearances(np.full((*SIZE, 3), RED, np.uint8), dress, np.ones_like(dress), 1, LIP, FIT)
    # At the last column nothing is looked at.
    assert likeness(found, red) == pytest.approx(float(at != (31, 62)))


def test_only_the_part_of_the_input_that_the_frame_covers_is_looked_at() -> None:
    fit = Letterbox.into(Size(32, 64), SIZE)
    bgr = np.full((*SIZE, 3), WHITE, np.uint8)
    bgr[:32] = RED
    labels = np.full(fit.content_size, LIP.id_of("Dress"), np.uint8)
    (found,) = appearances(bgr, labels, np.ones_like(labels), 1, LIP, fit)
    assert np.count_nonzero(found) == 3  # one hue and its two neighbours
