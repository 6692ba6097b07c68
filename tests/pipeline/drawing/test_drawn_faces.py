"""Faces are framed where they are, and nothing else changes."""

from dataclasses import replace

import numpy as np

from pipeline import Box, Face, blend
from pipeline.geometry import Point
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
