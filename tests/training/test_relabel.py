"""What a network makes of a pack's labels where it is sure, in pictures of one row."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import CIHP
from pipeline.types import LabelMap, Picture
from training.pack import IGNORED, UNKNOWN_SIDES, Photo, make_photo
from training.relabel import (
    class_shares,
    doubt,
    leave_passers_by_open,
    name_garments,
    relabel,
    settle_sides,
)

LEFT, RIGHT = CIHP.id_of("Left-leg"), CIHP.id_of("Right-leg")
LEG = next(code for code, names in UNKNOWN_SIDES.items() if "Left-leg" in names)
COAT, DRESS, PANTS = (CIHP.id_of(name) for name in ("Coat", "Dress", "Pants"))
UPPER, ANY = 250, 252


def row(*labels: int) -> LabelMap:
    return np.array([labels], np.uint8)


def shares(*pixels: dict[int, float]) -> NDArray[np.float32]:
    """Of each pixel the classes' probabilities; those not named share what is left."""
    planes = np.empty((len(CIHP), 1, len(pixels)), np.float32)
    for place, named in enumerate(pixels):
        planes[:, 0, place] = (1 - sum(named.values())) / (len(CIHP) - len(named))
        for label, share in named.items():
            planes[label, 0, place] = share
    return planes


def test_a_limb_goes_to_the_side_that_is_sure() -> None:
    seen = shares({LEFT: 0.9, RIGHT: 0.05}, {LEFT: 0.05, RIGHT: 0.9}, {LEFT: 0.9, RIGHT: 0.05})
    assert settle_sides(row(RIGHT, LEFT, LEFT), seen).tolist() == [[LEFT, RIGHT, LEFT]]


def test_a_doubted_side_is_left_open_and_one_that_is_not_stays() -> None:
    seen = shares({LEFT: 0.6, RIGHT: 0.3}, {LEFT: 0.6, RIGHT: 0.3}, {LEFT: 0.5, RIGHT: 0.4})
    assert settle_sides(row(RIGHT, LEFT, LEG), seen).tolist() == [[LEG, LEFT, LEG]]


def test_what_nobody_could_name_becomes_a_limb_where_it_is_one() -> None:
    seen = shares({LEFT: 0.9}, {LEFT: 0.5, RIGHT: 0.45}, {LEFT: 0.6, PANTS: 0.35})
    assert settle_sides(row(IGNORED, IGNORED, IGNORED), seen).tolist() == [[LEFT, LEG, IGNORED]]


def test_other_labels_are_not_touched_by_sides() -> None:
    seen = shares({LEFT: 0.95}, {LEFT: 0.95})
    assert settle_sides(row(PANTS, 0), seen).tolist() == [[PANTS, 0]]


def test_a_garment_is_named_as_a_whole_where_its_mean_is_sure() -> None:
    seen = shares({COAT: 0.97}, {COAT: 0.97}, {COAT: 0.97}, {COAT: 0.45, DRESS: 0.5})
    assert name_garments(row(UPPER, UPPER, UPPER, UPPER), seen).tolist() == [[COAT] * 4]


def test_else_its_sure_pixels_are() -> None:
    seen = shares({COAT: 0.97}, {DRESS: 0.97}, {COAT: 0.5, DRESS: 0.45}, {COAT: 0.97})
    assert name_garments(row(UPPER, UPPER, UPPER, 0), seen).tolist() == [[COAT, DRESS, UPPER, 0]]


def test_a_code_is_named_only_by_what_it_may_be() -> None:
    seen = shares({PANTS: 0.9, COAT: 0.09}, {PANTS: 0.9, COAT: 0.09})
    assert name_garments(row(UPPER, 0), seen).tolist() == [[COAT, 0]]
    assert name_garments(row(ANY, 0), seen).tolist() == [[PANTS, 0]]


def test_somebody_is_doubted_where_the_opposite_is_sure() -> None:
    seen = shares({0: 0.9}, {0: 0.1}, {0: 0.5}, {0: 0.5}, {0: 0.9})
    assert doubt(row(COAT, 0, COAT, 0, IGNORED), seen).tolist() == [[IGNORED, IGNORED, COAT, 0, IGNORED]]


def seeing(bgr: Picture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A network that is sure of a left leg in the left half and of background elsewhere, whatever it is shown."""
    height, width = bgr.shape[0] // 4, bgr.shape[1] // 4
    scores = np.zeros((len(CIHP), height, width), np.float32)
    scores[LEFT, :, : width // 2] = 9
    scores[0, :, width // 2 :] = 9
    return scores, np.zeros((3, height, width), np.float32)


def test_shares_cover_the_picture_and_a_mirror_exchanges_sides() -> None:
    found = class_shares(seeing, np.zeros((96, 160, 3), np.uint8))
    assert found.shape == (len(CIHP), 96, 160)
    assert found.sum(axis=0) == pytest.approx(1, abs=1e-3)
    # Half of the views are mirrored: there, what is said of the left half is of the right one and of the other leg.
    assert found[LEFT, :, :60] == pytest.approx(0.5, abs=0.02)
    assert found[RIGHT, :, 100:] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("annotated", "expected"), [(True, COAT), (False, IGNORED)])
def test_people_who_labelled_are_believed_who_is_somebody(annotated: bool, expected: int) -> None:
    photo: Photo = make_photo("p/1", np.zeros((96, 160, 3), np.uint8), np.full((96, 160), COAT, np.uint8), annotated)

    def nobody(bgr: Picture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        scores, people = seeing(bgr)
        scores[:] = 0
        scores[0] = 9
        return scores, people

    rendered = replace(photo, name="synthetic/1")
    assert relabel(rendered, nobody) is rendered
    again = relabel(photo, nobody)
    assert set(np.unique(again.labels)) == {expected}
    assert again.bgr is photo.bgr


def somebody(*likely: tuple[int, float]) -> NDArray[np.float32]:
    """Of a picture of 40x200: in 20 columns from each of some, how likely somebody is there; elsewhere hardly."""
    planes = np.zeros((len(CIHP), 40, 200), np.float32)
    planes[0] = 0.99
    for column, share in likely:
        planes[0, 10:30, column : column + 20] = 1 - share
    return planes


def test_who_passes_by_is_left_open() -> None:
    labels = np.zeros((40, 200), np.uint8)
    labels[:, :20] = COAT
    seen = somebody((0, 0.9), (60, 0.3), (120, 0.2))
    seen[0, 10:14, 80:84] = 0.85  # hardly anybody by itself, but part of somebody
    left = leave_passers_by_open(labels, seen)
    assert (left[:, :20] == COAT).all()
    assert (left[10:30, 60:80] == IGNORED).all()
    assert (left[10:14, 80:84] == IGNORED).all()
    assert not left[:, 20:50].any()
    assert not left[:, 100:].any(), "nobody was likely enough there"


def test_an_outline_in_doubt_is_no_passer_by() -> None:
    labels = np.zeros((40, 200), np.uint8)
    labels[:, :20] = COAT
    assert not leave_passers_by_open(labels, somebody((0, 0.9), (12, 0.6)))[:, 20:].any()


def test_where_nobody_is_said_to_be_nobody_passes_by() -> None:
    """A dog looks like somebody to a network that never saw one."""
    empty = make_photo("p/1", np.zeros((96, 160, 3), np.uint8), np.zeros((96, 160), np.uint8), annotated=True)
    assert not relabel(empty, seeing).labels.any()
    alone = np.zeros((96, 160), np.uint8)
    alone[40:60, 140:150] = COAT
    photo = make_photo("p/2", np.zeros((96, 160, 3), np.uint8), alone, annotated=True)
    assert (relabel(photo, seeing).labels[:, 10:60] == IGNORED).mean() > 0.8
