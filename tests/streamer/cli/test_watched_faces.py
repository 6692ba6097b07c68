"""What `watch --json` says of faces."""

import json
from dataclasses import replace

import numpy as np

from pipeline import Box, Face
from pipeline.geometry import Point
from streamer.cli.watch import row_of
from tests.support.scenes import frame_of, parsing_of, texture


def test_faces_are_in_the_row_where_somebody_looked_for_them() -> None:
    parsing = parsing_of(frame_of(texture(0)), [np.ones((9, 16), np.bool_)])
    assert "faces" not in row_of(parsing)
    assert row_of(replace(parsing, faces=()))["faces"] == []
    face = Face(Box(1, 2, 3, 4), (Point(1.5, 2.5),) * 5, 0.75, person=1)
    (row,) = json.loads(json.dumps(row_of(replace(parsing, faces=(face,)))))["faces"]
    assert row == {"box": [1, 2, 3, 4], "points": [[1.5, 2.5]] * 5, "score": 0.75, "person": 1}
