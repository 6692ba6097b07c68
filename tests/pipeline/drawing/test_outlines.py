"""Outlines: around each person, smooth though the map is coarse, and one line where two people touch."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import CIHP, Box, Frame, Look, Parsing, Person, Size, blend
from pipeline.drawing.canvas import Line
from pipeline.drawing.outlines import outlines
from pipeline.drawing.silhouettes import silhouettes

MAP = Size(72, 96)
FRAME = Size(288, 384)
CELL_PX = 4


def lines_of(instances: NDArray[np.uint8], size: Size = FRAME) -> list[Line]:
    people = silhouettes(instances, int(instances.max()))
    return outlines(people, np.minimum(instances, 1), size)


def disc(middle: tuple[int, int], radius: float, size: Size = MAP) -> NDArray[np.bool_]:
    down, across = np.ogrid[: size.height, : size.width]
    return np.asarray((down - middle[0]) ** 2 + (across - middle[1]) ** 2 <= radius**2)


def stairs() -> NDArray[np.uint8]:
    """Two people whose border is a slope in steps of four cells, as the lite network's borders are."""
    instances = np.zeros(MAP, np.uint8)
    down, across = np.mgrid[: MAP.height, : MAP.width]
    body = (down >= 8) & (down < 64) & (across >= 8) & (across < 88)
    instances[body] = np.where(across // 4 * 4 < 24 + down // 4 * 4 * 0.5, 1, 2)[body]
    return instances


def inner(line: Line) -> Line:
    """The points between the two people of `stairs`, away from the ends of their border."""
    x, y = line.T
    return line[(y > 14 * CELL_PX) & (y < 58 * CELL_PX) & (x > 16 * CELL_PX) & (x < 80 * CELL_PX)]


def test_a_line_goes_around_where_the_mask_ends() -> None:
    round_one = disc((36, 48), 20.0)
    (line,) = lines_of(round_one.astype(np.uint8))
    middle = (np.array([48, 36]) + 0.5) * CELL_PX - 0.5
    radius = np.linalg.norm(line - middle, axis=1)
    # Of the same area; a corner of a cell is up to 0.7 cells away from it.
    assert np.abs(radius - np.sqrt(np.count_nonzero(round_one) / np.pi) * CELL_PX).max() < 0.45 * CELL_PX
    # It turns a little at every point: a stepped one would turn by a right angle at some.
    along = np.diff(line, axis=0, append=line[:1])
    turns = np.diff(np.unwrap(np.arctan2(along[:, 1], along[:, 0])))
    assert np.abs(turns).max() < np.radians(25)


def test_steps_between_people_who_touch_are_smoothed() -> None:
    for line in lines_of(stairs()):
        border = inner(line)
        slope = np.polynomial.Polynomial.fit(border[:, 1], border[:, 0], 1)
        apart = border[:, 0] - slope(border[:, 1])
        # In cells: steps of four cells, as they are, lie up to two from the slope and 0.9 in the mean.
        assert np.abs(apart).max() < 1.5 * CELL_PX
        assert np.abs(apart).mean() < 0.6 * CELL_PX
        assert len(border) > 50


def test_two_people_who_touch_share_a_line() -> None:
    one, other = (inner(line) for line in lines_of(stairs()))
    nearest = np.linalg.norm(one[:, None] - other[None], axis=2).min(axis=1)
    assert nearest.max() < 1.0


def test_a_large_frame_has_the_same_lines() -> None:
    instances = disc((30, 40), 14.0).astype(np.uint8)
    (small,), (large,) = lines_of(instances), lines_of(instances, Size(2160, 2880))
    ratio = 2160 / FRAME.height
    middle = (np.array([40, 30]) + 0.5) * CELL_PX - 0.5
    apart = np.linalg.norm(small - middle, axis=1).mean() - np.linalg.norm(large / ratio - middle, axis=1).mean()
    assert abs(apart) < 0.25 * CELL_PX
    assert len(large) < 3 * len(small)


def test_people_who_are_cut_by_the_edge_have_no_line_along_it() -> None:
    instances = np.zeros(MAP, np.uint8)
    instances[40:, 20:50] = 1
    (line,) = lines_of(instances)
    assert line[:, 1].max() > FRAME.height + 4
    inside = line[line[:, 1] < FRAME.height]
    assert inside[:, 1].max() < FRAME.height - 2
    assert inside[:, 0].min() == pytest.approx(20 * CELL_PX - 0.5, abs=1.0)


def test_specks_have_no_line() -> None:
    instances = disc((36, 48), 12.0).astype(np.uint8)
    instances[4, 4] = instances[60, 80] = 1
    assert len(lines_of(instances)) == 1


def test_hidden_parts_are_outside() -> None:
    instances = disc((36, 48), 20.0).astype(np.uint8)
    labels = instances.copy()
    labels[36:] = 0
    (line,) = outlines(silhouettes(instances, 1), labels, FRAME)
    assert line[:, 1].max() == pytest.approx(36 * CELL_PX - 0.5, abs=1.0)


def test_each_person_is_outlined_in_the_picture() -> None:
    """White along the middle of the line, and nothing two pixels beside it."""
    instances = stairs()
    people = tuple(Person(index, 0.9, Box(0, 0, 40, 40)) for index in (1, 2))
    frame = Frame.still(np.full((*FRAME, 3), 100, np.uint8))
    parsing = Parsing((instances > 0) * np.uint8(5), instances, people, CIHP, 0, 0.0, 0.0, FRAME, 0.0, 0)
    picture = blend(frame, parsing, Look(opacity=0.0, tags=False))
    wanted = np.zeros(FRAME, np.uint8)
    points = [np.rint(line).astype(np.int32) for line in lines_of(instances)]
    cv2.polylines(wanted, points, True, 255)
    drawn = (picture != 100).any(axis=-1).astype(np.uint8)
    white = (picture > 170).all(axis=-1).astype(np.uint8)
    assert not (wanted & ~(cv2.dilate(white, np.ones((3, 3), np.uint8)) * np.uint8(255))).any()
    assert not (drawn & ~(cv2.dilate(wanted, np.ones((5, 5), np.uint8)) > 0)).any()
    nobody = blend(frame, replace(parsing, labels=np.zeros_like(instances)), Look(opacity=0.0, tags=False))
    assert (nobody == frame.bgr).all()
