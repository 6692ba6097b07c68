"""The boxes of all ids of a map, as looking for each by itself finds them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline import Box
from pipeline.id_boxes import id_boxes


def one_by_one(ids: NDArray[np.uint8], count: int) -> list[Box | None]:
    found: list[Box | None] = []
    for each in range(1, count + 1):
        rows, columns = np.nonzero(ids == each)
        box = Box(*map(int, (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))) if rows.size else None
        found.append(box)
    return found


@given(
    height=st.integers(1, 20),
    width=st.integers(1, 40),
    count=st.integers(0, 255),
    seed=st.integers(0, 999),
    share=st.sampled_from([0.0, 0.02, 0.3, 1.0]),
)
def test_each_id_has_its_box(height: int, width: int, count: int, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    ids = np.where(rng.random((height, width)) < share, rng.integers(0, 256, (height, width)), 0).astype(np.uint8)
    assert id_boxes(ids, count) == one_by_one(ids, count)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 16, 17, 255])
def test_ids_on_either_side_of_those_that_are_looked_for_together(count: int) -> None:
    ids = np.zeros((3, 300), np.uint8)
    ids[1, :count] = np.arange(1, count + 1)
    assert id_boxes(ids, count) == [Box(at, 1, at + 1, 2) for at in range(count)]


def test_parts_of_a_map_have_boxes_of_their_own() -> None:
    ids = np.zeros((20, 20), np.uint8)
    ids[2:9, 3:15] = 4
    assert id_boxes(ids[5:, 10:], 4) == [None, None, None, Box(0, 0, 5, 4)]
