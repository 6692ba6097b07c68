"""What `watch --json` and `--csv` say of faces."""

import csv
import json
from dataclasses import replace

import numpy as np

from pipeline import Box, Face
from pipeline.geometry import Point
from streamer.cli.watch import csv_lines, row_of
from streamer.export.table import COLUMNS
from tests.support.scenes import frame_of, parsing_of, texture


def test_faces_are_in_the_row_where_somebody_looked_for_them() -> None:
    parsing = parsing_of(frame_of(texture(0)), [np.ones((9, 16), np.bool_)])
    assert "faces" not in row_of(parsing)
    assert row_of(replace(parsing, faces=()))["faces"] == []
    face = Face(Box(1, 2, 3, 4), (Point(1.5, 2.5),) * 5, 0.75, person=1)
    (row,) = json.loads(json.dumps(row_of(replace(parsing, faces=(face,)))))["faces"]
    assert row == {"box": [1, 2, 3, 4], "points": [[1.5, 2.5]] * 5, "score": 0.75, "person": 1}


def test_faces_are_rows_of_the_table() -> None:
    parsing = parsing_of(frame_of(texture(0)), [np.ones((9, 16), np.bool_)])
    face = Face(Box(1, 2, 3, 4), (Point(1.5, 2.5),) * 5, 0.75, person=1)
    (text,) = csv_lines("door", replace(parsing, faces=(face,)))
    rows = list(csv.DictReader(text.splitlines(), fieldnames=["stream", *COLUMNS]))
    assert [row["part"] == "detected face" for row in rows] == [False] * (len(rows) - 1) + [True]
    shown = {name: rows[-1][name] for name in ("stream", "person", "score", "left", "top", "right", "bottom", "pixels")}
    assert list(shown.values()) == ["door", "1", "0.7500", "1", "2", "3", "4", "4"]
