"""Evidence pooled over cells of one person that look alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.network.blas import ONE_THREAD
from pipeline.people import pooling
from pipeline.people.pooling import LEAST, MIN_CELLS, pool_evidence

CELL = 4
BACKGROUND, SHIRT, COAT, FACE = range(4)
RED, GREEN = (30, 30, 200), (40, 160, 40)
Scores = NDArray[np.float32]


def said(labels: NDArray[np.intp], sure: NDArray[np.float32] | float = 1.0) -> Scores:
    """Scores of four classes in which each cell's label leads by so much, and background is far behind."""
    scores = np.zeros((4, *labels.shape), np.float32)
    scores[BACKGROUND] = -9
    np.put_along_axis(scores, labels[None], np.broadcast_to(np.float32(sure), labels.shape)[None], axis=0)
    return scores


def doubtful_where(wrong: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How sure cells are: of what is right much, of what is wrong a little."""
    return np.where(wrong, np.float32(0.3), np.float32(2))


def picture_of(cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return cells.repeat(CELL, 0).repeat(CELL, 1)


def plain(height: int, width: int, colour: tuple[int, int, int] = RED) -> NDArray[np.uint8]:
    return picture_of(np.full((height, width, 3), colour, np.uint8))


def best(scores: Scores) -> NDArray[np.intp]:
    return scores.argmax(axis=0)


def mottled(height: int, width: int, share: float = 0.25) -> NDArray[np.intp]:
    return np.where(np.random.default_rng(1).random((height, width)) < share, COAT, SHIRT)


@pytest.mark.parametrize(("height", "width"), [(4, 4), (12, 10), (40, 60)])
def test_a_mottled_garment_of_one_colour_becomes_one(height: int, width: int) -> None:
    labels = mottled(height, width)
    scores = said(labels, doubtful_where(labels == COAT))
    assert set(np.unique(best(scores))) == {SHIRT, COAT}
    pooled = pool_evidence(scores, np.ones((height, width), np.uint8), plain(height, width))
    assert (best(pooled) == SHIRT).all()


def test_what_looks_different_stays_another_garment() -> None:
    colours = np.full((20, 20, 3), RED, np.uint8)
    colours[:, 8:12] = GREEN
    labels = np.where((colours == GREEN).all(axis=2), SHIRT, COAT)
    flipped = np.random.default_rng(2).random(labels.shape) < 0.2
    scores = said(np.where(flipped, SHIRT + COAT - labels, labels), doubtful_where(flipped))
    np.testing.assert_array_equal(best(pool_evidence(scores, np.ones((20, 20), np.uint8), picture_of(colours))), labels)


def test_what_is_far_away_is_not_heard() -> None:
    # Somebody all in one colour: a coat above, and far below a shirt.
    labels = np.full((60, 10), COAT)
    labels[40:] = SHIRT
    np.testing.assert_array_equal(
        best(pool_evidence(said(labels), np.ones(labels.shape, np.uint8), plain(60, 10))), labels
    )


def test_people_do_not_hear_each_other() -> None:
    labels = np.full((12, 24), SHIRT)
    labels[:, 12:] = COAT
    owners = np.where(labels == SHIRT, 1, 2).astype(np.uint8)
    labels[5:7, 5:7] = FACE
    scores = said(labels)
    both = pool_evidence(scores, owners, plain(12, 24))
    for columns in (np.s_[:12], np.s_[12:]):
        alone = np.zeros_like(owners)
        alone[:, columns] = owners[:, columns]
        np.testing.assert_array_equal(both[:, :, columns], pool_evidence(scores, alone, plain(12, 24))[:, :, columns])


def test_a_sure_cell_that_is_alone_is_believed() -> None:
    labels = np.full((12, 12), SHIRT)
    labels[6, 6] = FACE
    sure = -np.log(LEAST) + 0.5
    pooled = pool_evidence(said(labels, float(sure)), np.ones((12, 12), np.uint8), plain(12, 12))
    np.testing.assert_array_equal(best(pooled), labels)


def test_whether_somebody_is_there_is_not_decided() -> None:
    scores = np.random.default_rng(3).normal(0, 3, (4, 20, 30)).astype(np.float32)
    owners = np.zeros((20, 30), np.uint8)
    owners[2:15, 4:20], owners[15:17, 25:28] = 3, 1  # numbers with a gap; the last has too few cells
    before = scores.copy()
    pooled = pool_evidence(scores, owners, plain(20, 30))
    np.testing.assert_array_equal(scores, before)
    np.testing.assert_array_equal(pooled[BACKGROUND], scores[BACKGROUND])
    np.testing.assert_allclose(pooled[1:].max(axis=0), scores[1:].max(axis=0), atol=1e-5)
    np.testing.assert_array_equal(pooled[:, owners == 0], scores[:, owners == 0])


def test_a_speck_decides_for_itself() -> None:
    labels = np.full((1, MIN_CELLS - 1), SHIRT)
    labels[0, 4] = COAT
    scores = said(labels)
    pooled = pool_evidence(scores, np.ones(labels.shape, np.uint8), plain(*labels.shape))
    np.testing.assert_array_equal(best(pooled), labels)


def test_without_anybody_nothing_changes() -> None:
    scores = said(mottled(8, 8))
    np.testing.assert_array_equal(pool_evidence(scores, np.zeros((8, 8), np.uint8), plain(8, 8)), scores)


def test_a_cell_that_looks_like_nothing_else_stays_as_it_is() -> None:
    colours = np.full((24, 24, 3), (250, 250, 250), np.uint8)
    colours[13, 7] = (0, 0, 0)  # not one of the places
    labels = np.full((24, 24), SHIRT)
    labels[13, 7] = COAT
    pooled = pool_evidence(said(labels, 0.1), np.ones((24, 24), np.uint8), picture_of(colours))
    assert best(pooled)[13, 7] == COAT


@pytest.mark.parametrize("count", [64, 117, 118, 119, 128, 129, 300])
def test_the_last_part_of_a_product_counts_like_the_others(count: int) -> None:
    labels = np.full((1, count), SHIRT)
    labels[0, -1] = COAT
    pooled = pool_evidence(
        said(labels, doubtful_where(labels == COAT)), np.ones(labels.shape, np.uint8), plain(*labels.shape)
    )
    assert (best(pooled) == SHIRT).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 60), st.integers(1, 60))
def test_whatever_shape_somebody_has_is_taken(seed: int, people: int, height: int, width: int) -> None:
    random = np.random.default_rng(seed)
    owners = random.integers(0, people + 1, (height, width)).astype(np.uint8)
    owners *= (random.random(owners.shape) < random.random()).astype(np.uint8)
    scores = random.normal(0, 4, (20, height, width)).astype(np.float32)
    picture = picture_of(random.integers(0, 256, (height, width, 3)).astype(np.uint8))
    pooled = pool_evidence(scores, owners, picture)
    assert np.isfinite(pooled).all()
    np.testing.assert_allclose(pooled[1:].max(axis=0), scores[1:].max(axis=0), atol=1e-4)


@pytest.mark.parametrize("row", [0, 1, 2, 33])
def test_who_is_a_line_of_cells_is_heard_in_some_of_them(row: int) -> None:
    labels = np.full((40, 400), SHIRT)
    labels[row, 150:170] = COAT
    owners = np.zeros(labels.shape, np.uint8)
    owners[row] = 1
    scores = said(labels, doubtful_where(labels == COAT))
    assert (best(pool_evidence(scores, owners, plain(*labels.shape)))[row] == SHIRT).all()


def test_no_product_is_so_large_that_threads_are_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    """They would spin on the cores that the network wants."""
    largest = []

    def alike(looks: NDArray[np.float32], there: NDArray[np.float32], together: int) -> NDArray[np.float32]:
        largest.append(max(20 - 1, looks.shape[1] + 2) * together * len(there))
        return made(looks, there, together)

    made = pooling._alike
    monkeypatch.setattr(pooling, "_alike", alike)
    for side in (4, 11, 12, 20, 90):
        scores = np.random.default_rng(side).normal(0, 3, (20, side, side)).astype(np.float32)
        pool_evidence(scores, np.ones((side, side), np.uint8), plain(side, side))
    assert len(largest) == 5
    assert max(largest) <= ONE_THREAD


def test_colours_are_those_of_the_whole_picture_where_people_are() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (CELL * 12, CELL * 20, 3), np.uint8)
    owners = np.zeros((12, 20), np.uint8)
    owners[3:9, 5:17] = 2
    everywhere = pooling._colours(picture, np.ones_like(owners))
    np.testing.assert_array_equal(pooling._colours(picture, owners)[owners > 0], everywhere[owners > 0])
