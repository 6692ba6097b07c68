"""Faces that are seen off and on go on along their paths: for the longer the surer they were."""

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline import Box, Face, Size
from pipeline.geometry import Point
from pipeline.motion.flow import Grey
from pipeline.motion.linger import Lingering, Looked, covered_both_ways
from pipeline.motion.paths import MAX_S, Paths, Place, places_drawn
from tests.support.scenes import FRAME, frame_of, parsing_of, texture

RATE = 25
SIDE = 20


def face_at(x: float, y: float = 100, score: float = 0.3, side: int = SIDE) -> Face:
    left, top = round(x - side / 2), round(y - side / 2)
    return Face(Box(left, top, left + side, top + side), (Point(0, 0),) * 5, score)


def walk(paths: Paths, step: float, seen: int, missed: int, score: float = 0.3) -> list[list[Place]]:
    """What is hidden in each frame of somebody who goes to the right, and is seen in the first ones only."""
    return [
        paths.add([face_at(100 + step * index, score=score)] if index < seen else [], index / RATE)
        for index in range(seen + missed)
    ]


def test_a_fast_face_that_is_missed_goes_on_at_its_pace() -> None:
    """18 px a frame, nearly its side: by where it was it would be bare at once."""
    places = walk(Paths(), step=18, seen=6, missed=12)
    assert not any(places[:6])
    for index in range(6, 18):
        (place,) = places[index]
        assert place.x == pytest.approx(100 + 18 * index, abs=3)
        assert place.y == pytest.approx(100, abs=3)
        assert SIDE <= place.height <= 2 * SIDE


def test_its_place_grows_while_nobody_sees_it() -> None:
    heights = [each[0].height for each in walk(Paths(), step=3, seen=6, missed=12)[6:]]
    assert heights == sorted(heights)
    assert heights[-1] > 1.3 * heights[0]


@pytest.mark.parametrize(("score", "seen", "lasts_s"), [(0.1, 1, 0.1), (0.1, 5, 0.5), (0.9, 1, 0.9), (0.9, 6, MAX_S)])
def test_it_goes_on_for_as_long_as_its_scores_come_to(score: float, seen: int, lasts_s: float) -> None:
    places = walk(Paths(), step=4, seen=seen, missed=2 * RATE, score=score)
    assert sum(map(len, places)) == pytest.approx(lasts_s * RATE, abs=1)


def test_a_face_that_is_seen_again_is_on_the_same_path() -> None:
    paths = Paths()
    walk(paths, step=6, seen=6, missed=4)
    assert paths.add([face_at(100 + 6 * 10)], 10 / RATE) == []
    (place,) = paths.add([], 11 / RATE)
    assert place.x == pytest.approx(100 + 6 * 11, abs=3)


def test_two_who_cross_keep_their_ways() -> None:
    paths = Paths()
    for index in range(12):
        paths.add([face_at(100 + 8 * index), face_at(200 - 8 * index, y=112)], index / RATE)
    assert sorted(place.x for place in paths.add([], 12 / RATE)) == pytest.approx([200 - 8 * 12, 100 + 8 * 12], abs=4)


@pytest.mark.parametrize("other", [face_at(118, side=50), face_at(190)], ids=["larger", "far away"])
def test_another_face_is_not_taken_for_it(other: Face) -> None:
    paths = Paths()
    walk(paths, step=3, seen=6, missed=0)
    (place,) = paths.add([other], 6 / RATE)
    assert place.x == pytest.approx(118, abs=3)


def test_nothing_goes_on_over_a_cut() -> None:
    paths = Paths()
    walk(paths, step=3, seen=6, missed=0)
    assert paths.add([], 6 / RATE, cut=True) == []


def test_time_may_go_backward() -> None:
    paths = Paths()
    for index in range(20, 14, -1):
        paths.add([face_at(100 + 10 * index)], index / RATE)
    (place,) = paths.add([], 14 / RATE)
    assert place.x == pytest.approx(100 + 10 * 14, abs=3)


def test_places_are_drawn_as_far_as_they_are_in_the_picture() -> None:
    drawn = places_drawn([Place(0, 50, 20, 40)], Size(100, 200), Size(50, 100))
    assert drawn is not None
    down, across = np.nonzero(drawn)
    assert (across.min(), across.max()) == (0, pytest.approx(5, abs=1))
    assert (down.min(), down.max()) == (pytest.approx(15, abs=1), pytest.approx(35, abs=1))
    assert places_drawn([Place(-40, 50, 20, 40)], Size(100, 200), Size(50, 100)) is None


def looked(faces: Sequence[Sequence[Face]]) -> list[Looked]:
    """Frames of a wall, in each of which these are all that is known."""
    wall, none = texture(3), np.zeros((180, 320), np.uint8)
    frames = [frame_of(wall, index, RATE) for index in range(len(faces))]
    return [Looked(frame, parsing_of(frame, [none > 0]), none, tuple(each)) for frame, each in zip(frames, faces)]


def test_in_a_recording_a_gap_is_closed_from_both_ends_and_live_from_the_first() -> None:
    """A face that turns while it is found neither before nor after it in a third of a second."""
    where = [60 + 16 * index for index in range(26)]
    frames = looked(
        [[] if index < 4 or 10 <= index < 18 or index > 22 else [face_at(x)] for index, x in enumerate(where)]
    )
    lingering = Lingering()
    live = [lingering.add(Grey.of(each.frame), each.lasting, faces=each.faces) for each in frames]
    both = [each.lingering for each in covered_both_ways(frames)]
    for index in (*range(10, 18), *range(23, 26)):
        for mask in (live[index], both[index]):
            assert mask is not None
            assert mask[50, where[index] // 2] == 255
    assert all(each is None for each in live[:4])
    assert all(each is not None and each[50, x // 2] for each, x in zip(both[:4], where))
    assert FRAME.width > where[-1]
