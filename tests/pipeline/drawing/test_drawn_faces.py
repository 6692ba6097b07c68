"""Faces are framed where they are, with what they are taken for, and nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline import Box, Face, blend
from pipeline.drawing.faces import told
from pipeline.geometry import Point
from pipeline.types import Estimate
from tests.support.scenes import frame_of, parsing_of, texture


def test_faces_are_framed_where_they_are() -> None:
    frame = frame_of(texture(3))
    bare = parsing_of(frame, [np.zeros((90, 160), np.bool_)])
    face = Face(Box(200, 100, 260, 180), (Point(0, 0),) * 5, 0.9)
    found = replace(bare, faces=(face,))
    changed = (blend(frame, found) != blend(frame, bare)).any(axis=2)
    rows, columns = np.nonzero(changed)
    found_at = rows.min(), rows.max(), columns.min(), columns.max()
    assert np.abs(np.subtract(found_at, (100, 179, 200, 259))).max() <= 1  # a smooth line has a faint edge
    assert not changed[105:175, 205:255].any()
    np.testing.assert_array_equal(blend(frame, replace(bare, faces=())), blend(frame, bare))


@pytest.mark.parametrize(("top", "left"), [(100, 200), (280, 0), (180, 580)])
def test_an_estimate_is_written_beside_its_face(top: int, left: int) -> None:
    """Below, or above where there is no room; never outside the picture, and not on the face."""
    frame = frame_of(texture(3))
    bare = parsing_of(frame, [np.zeros((90, 160), np.bool_)])
    face = Face(Box(left, top, left + 60, top + 80), (Point(0, 0),) * 5, 0.9)
    guessed = replace(face, estimate=Estimate(34.0, (26.0, 42.0), 0.9, "male", 3))
    without, with_it = (blend(frame, replace(bare, faces=(each,))) for each in (face, guessed))
    rows, columns = np.nonzero((without != with_it).any(axis=2))
    assert rows.size > 300
    assert rows.min() > top + 78 or rows.max() < top + 2
    assert rows.max() - rows.min() < 40
    assert abs((columns.min() + columns.max()) / 2 - (left + 30)) < 2 or left != 200


def test_what_is_written_of_an_estimate() -> None:
    assert told(Estimate(34.0, (25.7, 42.2), 0.7, "unsure", 3)) == "26-42 unsure"
    assert told(Estimate(9.0, (5.0, 13.4), 0.7, None, 3)) == "5-13"
